"""The server at hand, and a new bucket for each test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from support.real_s3 import URL, clients_at
from tidegate.adapters.aws.clients import AwsClients
from tidegate.adapters.aws.s3 import S3ObjectStore


@pytest.fixture(scope="session")
def clients() -> Iterator[AwsClients]:
    made = clients_at(URL)
    yield made
    made.close()


@pytest.fixture
def store(clients: AwsClients) -> S3ObjectStore:
    return S3ObjectStore(clients)


@pytest.fixture
def bucket(clients: AwsClients) -> str:
    name = f"real-{secrets.token_hex(8)}"
    clients.s3.create_bucket(Bucket=name)
    clients.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name
