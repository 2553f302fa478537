"""
A configuration and the files it extends, as one document.

`extends: FILE` takes the settings of another file wherever the file itself says nothing. Mappings
are joined key by key; a list or a single value replaces what was there, whole. Each value keeps where
it was written, and a relative file name starts at the directory of the file that holds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tidegate.core.errors import InvalidSettings
from tidegate.settings.document import Document, parse
from tidegate.settings.kinds import refused_file_name
from tidegate.settings.migrations import refused_version
from tidegate.settings.problems import Origin, Origins, Place, Problem, refusal, shown
from tidegate.settings.shape import field_at, is_file
from tidegate.settings.sources import STDIN, Text, read_file
from tidegate.settings.substitution import REFERENCE

EXTENDS = "extends"
# Environments extend a common base, and that a company's; more is a mistake.
MOST_LAYERS = 8


@dataclass(frozen=True, slots=True)
class Layered:
    """
    What all layers say together.

    Args:
        values: The top-level mapping, as after reading one file; without `extends`.
        origins: Where each value was written.
    """

    values: dict[str, object]
    origins: Origins


def layered(text: Text) -> Layered:
    """
    Return what the text says, over what the files it extends say.

    Raises:
        InvalidSettings: A file cannot be read or understood, is of another version, or extends itself.
    """
    return _layered(text, text.directory, ())


def _layered(text: Text, top: Path, above: tuple[Path | None, ...]) -> Layered:
    document = parse(text.text, text.name)
    origins = {place: Origin(text.name, line) for place, line in document.lines.items()}
    if above:
        _refuse_other_version(document, text, origins)
    own = {key: _rebased(value, (key,), text.directory, top) for key, value in document.values.items()}
    base = own.pop(EXTENDS, None)
    if base is None:
        return Layered(own, origins)
    try:
        found = _base(base, text, above)
    except InvalidSettings as error:
        raise refusal(text.name, [Problem((EXTENDS,), error.detail)], origins) from None
    return _joined(_layered(found, top, (*above, _identity(text))), Layered(own, origins))


def _refuse_other_version(document: Document, text: Text, origins: Origins) -> None:
    # Once joined, the version of the file above would hide what this one is written in.
    if words := refused_version(document.values.get("version")):
        raise refusal(text.name, [Problem(("version",), words)], origins)


def _base(name: object, text: Text, above: tuple[Path | None, ...]) -> Text:
    """Return the file that the text extends. Raises `InvalidSettings` without a place."""
    if not isinstance(name, str) or not name or name == STDIN:
        raise InvalidSettings(f"expected the name of a file, not {shown(name)}")
    if words := refused_file_name(name) or _reference_in(name):
        raise InvalidSettings(words)
    file = text.directory / name
    if file.resolve() in (*above, _identity(text)):
        raise InvalidSettings(f"{name} is this file, or one that extends it: a circle")
    if len(above) + 2 > MOST_LAYERS:
        raise InvalidSettings(f"more than {MOST_LAYERS} files extend each other")
    beside = Path() if text.file is None else Path(text.name).parent
    return read_file(str(file), name=str(beside / name))


def _reference_in(name: str) -> str:
    found = REFERENCE.search(name)
    return f"{shown(found[0])} is not filled in here; name each environment's file" if found else ""


def _identity(text: Text) -> Path | None:
    return None if text.file is None else text.file.resolve()


def _joined(below: Layered, over: Layered) -> Layered:
    replaced: set[Place] = set()
    values = _join(below.values, over.values, (), replaced)
    # Nothing of what is replaced may lend its lines to what replaces it.
    kept = {place: at for place, at in below.origins.items() if replaced.isdisjoint(_around(place))}
    return Layered(values, {**kept, **over.origins})


def _join(
    below: dict[str, object], over: dict[str, object], place: Place, replaced: set[Place]
) -> dict[str, object]:
    joined = dict(below)
    for key, value in over.items():
        there, at = below.get(key), (*place, key)
        if isinstance(value, dict) and isinstance(there, dict):
            joined[key] = _join(there, value, at, replaced)
        else:
            replaced.add(at)
            joined[key] = value
    return joined


def _around(place: Place) -> Iterator[Place]:
    """Yield the place and all it is in."""
    return (place[:length] for length in range(1, len(place) + 1))


def _rebased(value: object, place: Place, directory: Path, top: Path) -> object:
    """Return the value with relative file names as they are from `top`, where loading resolves them."""
    if isinstance(value, dict):
        return {key: _rebased(inner, (*place, key), directory, top) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rebased(inner, (*place, number), directory, top) for number, inner in enumerate(value)]
    # What is no file name is left for the check, which says so.
    is_name = isinstance(value, str) and not refused_file_name(value)
    if directory != top and is_name and is_file(field_at(place)):
        return str(directory / str(value))
    return value
