"""The settings as a tree of names: for suggestions, for words about a field, for the reference page."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from tidegate.settings.kinds import Words
from tidegate.settings.model import Settings
from tidegate.settings.problems import Place, dotted


@dataclass(frozen=True, slots=True)
class Setting:
    """
    One setting.

    Args:
        name: Dotted, with `[]` for "each of the list": `deliveries.targets[].bucket`.
        field: Its type, default, bounds and description.
    """

    name: str
    field: FieldInfo


def all_settings(section: type[BaseModel] = Settings, before: str = "") -> Iterator[Setting]:
    """Yield every setting a file may hold, in the order of the model; of sections, what is in them."""
    for key, field in section.model_fields.items():
        inner = _section_in(field.annotation)
        listed = inner is not None and field.annotation is not inner
        if inner is None or listed:
            yield Setting(before + key, field)
        if inner is not None:
            yield from all_settings(inner, f"{before}{key}{'[]' if listed else ''}.")


def field_at(place: Place) -> FieldInfo | None:
    """Return the field a place is in (for a list's item, the list's), or None if there is none."""
    section: type[BaseModel] | None = Settings
    field: FieldInfo | None = None
    for key in place:
        if isinstance(key, int):
            continue
        field = section.model_fields.get(key) if section is not None else None
        section = _section_in(field.annotation) if field is not None else None
    return field


def words_of(field: FieldInfo | None) -> Words:
    """Return the words that explain the field's rules; empty ones if it has none."""
    if field is None:
        return Words()
    return next(
        (found for found in _parts(*field.metadata, field.annotation) if isinstance(found, Words)), Words()
    )


def is_secret(field: FieldInfo | None) -> bool:
    """Whether values of the field must never be shown."""
    return field is not None and SecretStr in _parts(field.annotation)


def is_file(field: FieldInfo | None) -> bool:
    """Whether values of the field are names of files."""
    return field is not None and Path in _parts(field.annotation)


def suggestion(place: Place) -> str:
    """Return what an unknown name probably meant, as the end of an error line."""
    *before, key = place
    siblings = _names_in(tuple(before))
    near = difflib.get_close_matches(str(key), siblings, n=1)
    if near:
        return f"did you mean {dotted((*before, near[0]))}?"
    elsewhere = _by_last_name()
    near = difflib.get_close_matches(str(key), elsewhere, n=1, cutoff=0.8)
    if near:
        return f"did you mean {elsewhere[near[0]]}?"
    return f"known here: {', '.join(siblings)}"


def _names_in(place: Place) -> list[str]:
    field = field_at(place)
    section = _section_in(field.annotation) if field is not None else Settings
    return [] if section is None else list(section.model_fields)


def _by_last_name() -> dict[str, str]:
    """Map `part_size_bytes` to `uploads.part_size_bytes`; of names found twice, the first."""
    found: dict[str, str] = {}
    for setting in all_settings():
        found.setdefault(setting.name.rpartition(".")[2], setting.name)
    return found


def _section_in(annotation: object) -> type[BaseModel] | None:
    for part in _parts(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _parts(*annotations: object) -> Iterator[object]:
    """Yield the annotations and all they are made of: members of unions, items, Annotated's metadata."""
    for annotation in annotations:
        yield annotation
        yield from _parts(*get_args(annotation))
