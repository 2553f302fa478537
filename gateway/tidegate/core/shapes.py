"""The form of an API: its operations, what they take and answer, and its errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from re import Pattern
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["structure", "list", "string", "integer", "long", "boolean", "timestamp", "blob"]


@dataclass(frozen=True, slots=True)
class Shape:
    """
    What one value may be.

    Args:
        members: Of a structure, by name, in the order of the model.
        required: Of a structure: the members that must be there.
        item: Of a list: what each of its values may be.
        least: Of a string or list the length, of a number the value; None: no bound.
        pattern: The whole of a string matches it.
        pattern_text: The pattern as the service writes it.
        enum: The values of a string; empty: any.
        is_secret: The value must be in no message.
    """

    name: str
    kind: Kind
    members: Mapping[str, Shape] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    item: Shape | None = None
    least: int | None = None
    most: int | None = None
    pattern: Pattern[str] | None = None
    pattern_text: str = ""
    enum: tuple[str, ...] = ()
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class OperationShape:
    """An operation; `output` is None where it answers nothing, `errors` names those it may answer."""

    name: str
    input: Shape
    output: Shape | None
    errors: frozenset[str]


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """An error, the HTTP status it comes with, and the name its text has."""

    shape: Shape
    status: int

    @property
    def text_member(self) -> str | None:
        return next((name for name in self.shape.members if name.lower() == "message"), None)


@dataclass(frozen=True, slots=True)
class ServiceShape:
    """A service; `target_prefix` is what X-Amz-Target begins with, before a dot."""

    target_prefix: str
    signing_name: str
    operations: Mapping[str, OperationShape]
    errors: Mapping[str, ErrorShape]
