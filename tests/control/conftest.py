"""The Transfer Family API of a running gateway, by boto3 as it comes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from support.transfer_client import Transfer
from tidegate.testing.gateway import LocalGateway


@pytest.fixture
def transfer(tidegate: LocalGateway) -> Transfer:
    return Transfer(tidegate)


@pytest.fixture
def new_key(tmp_path: Path) -> Callable[[str], tuple[Path, str]]:
    """Make a key pair: the private half as a file, the public one as a line."""

    def made(name: str) -> tuple[Path, str]:
        key, path = Ed25519PrivateKey.generate(), tmp_path / name
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        path.chmod(0o600)
        return path, key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    return made
