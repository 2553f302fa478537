"""Reading a key from a file or standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from tidegate.core.errors import InvalidKey
from tidegate.core.public_keys import parse_public_key

# Anything longer is no key; a whole disk must not be read to find out.
_MAX_BYTES = 64 * 1024


def read_key(file: str) -> str:
    """
    Return the text of a file that holds one public key; `-` is standard input.

    Raises:
        InvalidKey: It cannot be read, or holds something else; names the file.
    """
    name = "standard input" if file == "-" else file
    text = _text(file, name)
    try:
        parse_public_key(text)
    except InvalidKey as error:
        raise InvalidKey(f"{name}: {error.detail}", hint=error.hint) from error
    return text


def _text(file: str, name: str) -> str:
    try:
        if file == "-":
            content = sys.stdin.buffer.read(_MAX_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InvalidKey(f"{name}: cannot be read: {error.strerror}", hint="give the .pub file") from error
    if len(content) > _MAX_BYTES:
        raise InvalidKey(f"{name}: too long to be a public key", hint="give the .pub file")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidKey(f"{name}: is no text, so no public key", hint="give the .pub file") from None
