"""Local mode has nothing to do with anybody's AWS account, whatever the environment says."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from tidegate.core.errors import InvalidSettings

# Any credential works at the local endpoint; these say so.
ACCESS_KEY_ID = "test"
SECRET_ACCESS_KEY = "test"

# The domains of AWS's partitions, as botocore's partitions.json has them.
_REAL_AWS = (
    *("amazonaws.com", "amazonaws.com.cn", "amazonaws.eu"),
    *("api.aws", "api.amazonwebservices.com.cn", "api.amazonwebservices.eu"),
    *("c2s.ic.gov", "sc2s.sgov.gov", "csp.hci.ic.gov", "cloud.adc-e.uk"),
    *("api.aws.ic.gov", "api.aws.scloud", "api.aws.hci.ic.gov", "api.cloud-aws.adc-e.uk"),
)
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def ignore_ambient_aws() -> None:
    """Forget profiles, credentials, endpoints and proxies of the environment, in this process."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower() in _PROXIES:
            del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.devnull
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


def refuse_real_aws(url: str, instead: str) -> None:
    """
    Raise `InvalidSettings` if the URL is AWS's own: local mode makes and empties buckets.

    Args:
        instead: What to use for AWS, for the hint.
    """
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if any(host == name or host.endswith("." + name) for name in _REAL_AWS):
        raise InvalidSettings(
            f"{url} is AWS itself, and not for local gateways", hint=f"for AWS there is {instead}"
        )
