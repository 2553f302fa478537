"""Reading a key from a file or standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from tidegate.core.errors import InvalidKey

# Anything longer is no key; a whole disk must not be read to find out.
_MAX_BYTES = 64 * 1024


def read_key(file: str) -> str:
    """Return the text of a key file; `-` is standard input. Raises `InvalidKey`."""
    try:
        if file == "-":
            content = sys.stdin.buffer.read(_MAX_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InvalidKey(f"{file} cannot be read: {error.strerror}") from error
    if len(content) > _MAX_BYTES:
        raise InvalidKey(f"{file} is too long to be a public key", hint="give the .pub file")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidKey(f"{file} is no text, so no public key", hint="give the .pub file") from None
