"""docs/coming-from-aws.md: its example works at both ends."""

from __future__ import annotations

import os
from typing import Any

import boto3
import pytest
from docs_pages import blocks, indented, text_of

from tidegate.testing.gateway import LocalGateway

PAGE = "docs/coming-from-aws.md"


def test_where_a_server_is(tidegate: LocalGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a gateway by its tag, with the variables that the page sets; of AWS by its id."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    exports = next(block for block in indented(text_of(PAGE)) if "AWS_ENDPOINT_URL" in block)
    for name, value in (word.split("=", 1) for word in exports.split() if "=" in word):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", tidegate.endpoint_url)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    namespace: dict[str, Any] = {}
    (example,) = blocks(text_of(PAGE), "python")
    exec(example, namespace)
    assert namespace["endpoint_of"](tidegate.server_id) == (tidegate.sftp_host, tidegate.sftp_port)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    host = f"{tidegate.server_id}.server.transfer.us-east-1.amazonaws.com"
    assert namespace["endpoint_of"](tidegate.server_id) == (host, 22)
