"""Key pairs on disk, in OpenSSH's forms, readable by their owner only."""

from __future__ import annotations

import shlex
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from tidegate.core.errors import InvalidSettings
from tidegate.local.files import replace_file


def ensure_key_pair(private: Path, comment: str) -> str:
    """
    Make an ed25519 pair unless the private key is there; return the public line.

    `NAME.pub` is beside `NAME`, and is written again if it is missing or another key's. A private key
    that others could read is closed to them: ssh would not use it.

    Raises:
        InvalidSettings: The file is there, and holds no private key that can be used.
        OSError: A file cannot be read or written.
    """
    if private.exists():
        if private.stat().st_mode & 0o077:
            private.chmod(0o600)
        line = _public_line(private)
    else:
        key = Ed25519PrivateKey.generate()
        replace_file(private, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), 0o600)
        line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    public = private.with_name(private.name + ".pub")
    written = public.read_text(encoding="utf-8", errors="replace").strip() if public.exists() else ""
    if written.split()[:2] != line.split():
        written = f"{line} {comment}"
        replace_file(public, f"{written}\n".encode(), 0o644)
    return written


def _public_line(private: Path) -> str:
    try:
        key = load_ssh_private_key(private.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidSettings(
            f"{private} holds no OpenSSH private key without a passphrase",
            hint=f"remove it, and the next start makes a new one: rm {shlex.quote(str(private))}",
        ) from error
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
