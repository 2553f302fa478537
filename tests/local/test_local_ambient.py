"""Local mode and AWS itself never meet, whatever the environment says or somebody types."""

from __future__ import annotations

import json
import os
from pathlib import Path

import botocore
import pytest

from tidegate.core.errors import InvalidSettings
from tidegate.local.ambient import ignore_ambient_aws, refuse_real_aws

PARTITIONS = json.loads((Path(botocore.__file__).parent / "data" / "partitions.json").read_text())[
    "partitions"
]
DOMAINS = sorted(
    {each["outputs"][name] for each in PARTITIONS for name in ("dnsSuffix", "dualStackDnsSuffix")}
)


def test_what_points_at_an_account_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials, profiles, endpoints and proxies; nothing else."""
    ambient = {
        "AWS_PROFILE": "production",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_ENDPOINT_URL_S3": "http://elsewhere",
        "https_proxy": "http://proxy",
        "HTTP_PROXY": "http://proxy",
        "PATH": "/bin",
    }
    monkeypatch.setattr(os, "environ", ambient)
    ignore_ambient_aws()
    assert ambient == {
        "PATH": "/bin",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_partition_of_aws_is_refused(domain: str) -> None:
    """Those botocore knows: with a service in front, in capitals, with the dot of a full name."""
    for url in (
        f"https://{domain}",
        f"https://dynamodb.eu-west-1.{domain}:443",
        f"http://S3.{domain.upper()}./",
    ):
        with pytest.raises(InvalidSettings, match="is AWS itself") as refused:
            refuse_real_aws(url, "the other thing")
        assert "the other thing" in refused.value.hint


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:4566", "http://minio:9000", "https://notamazonaws.com", "http://amazonaws.com.local"],
)
def test_other_endpoints_are_let_through(url: str) -> None:
    """Also those whose names only look alike."""
    refuse_real_aws(url, "")
