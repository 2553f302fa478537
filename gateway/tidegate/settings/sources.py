"""Where a configuration comes from: a file, standard input, the environment, or nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tidegate.core.errors import InvalidSettings
from tidegate.settings.document import MAX_DOCUMENT_BYTES

# Inline YAML, for containers that are given no file.
SOURCE_VARIABLE = "TIDEGATE_CONFIG"
STDIN = "-"


@dataclass(frozen=True, slots=True)
class Text:
    """
    A configuration not yet understood.

    Args:
        text: YAML; may be one character longer than is allowed, never much more.
        name: What messages call it.
        directory: Absolute; where relative paths in it start.
        file: The file it was read from, absolute; None if from none.
    """

    text: str
    name: str
    directory: Path
    file: Path | None = None


def read(source: str | None, environ: Mapping[str, str], stdin: TextIO) -> Text:
    """
    Return the text of the configuration.

    Args:
        source: A path; `-` for `stdin`; None for the variable TIDEGATE_CONFIG or, if that is unset
            or empty, for the defaults.

    Raises:
        InvalidSettings: It cannot be read or is not UTF-8.
    """
    if source is None:
        inline = environ.get(SOURCE_VARIABLE, "")
        return Text(inline, SOURCE_VARIABLE if inline else "defaults", Path.cwd())
    if source == STDIN:
        return Text(_read_stdin(stdin), "standard input", Path.cwd())
    return read_file(source)


def read_file(source: str, name: str = "") -> Text:
    """
    Return the text of a file.

    Args:
        name: What messages call it, if not by its path as given.

    Raises:
        InvalidSettings: It cannot be read or is not UTF-8.
    """
    # Not resolved: beside a link lie the files that whoever wrote the link sees there.
    file, name = Path(source).absolute(), name or source
    return Text(_read_file(file, name), name, file.parent, file)


def _read_stdin(stdin: TextIO) -> str:
    try:
        return stdin.read(MAX_DOCUMENT_BYTES + 1)
    except UnicodeDecodeError:
        raise InvalidSettings("standard input: not UTF-8 text") from None
    except OSError as error:
        raise InvalidSettings(f"standard input: cannot be read: {error.strerror}") from None


def _read_file(file: Path, source: str) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_DOCUMENT_BYTES + 1)
    except FileNotFoundError:
        raise InvalidSettings(f"{source}: no such file") from None
    except IsADirectoryError:
        raise InvalidSettings(f"{source}: is a directory, not a file") from None
    except OSError as error:
        raise InvalidSettings(f"{source}: cannot be read: {error.strerror}") from None
    return _decoded(content, source)


def _decoded(content: bytes, source: str) -> str:
    # Reading stops at the limit, perhaps amid a character; such a file is refused for its size.
    errors = "replace" if len(content) > MAX_DOCUMENT_BYTES else "strict"
    try:
        return content.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidSettings(f"{source} line {line}: not UTF-8 text") from None
