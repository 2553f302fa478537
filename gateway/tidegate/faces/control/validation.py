"""
Requests held against the service's model, and what AWS says of those that do not fit it.

Two kinds of misfits: a value of another type cannot even be read, and ends the matter; everything else is
collected, and told together.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tidegate.core.shapes import Shape
from tidegate.faces.control.errors import ApiError, invalid

# Longer ones are not repeated to whoever sent them.
_SHOWN_CHARS = 1024
_NUMBERS = {"integer": 2**31, "long": 2**63}
# A text with these words in it is one that somebody pasted by mistake, and that must not be shown.
_PRIVATE = "PRIVATE KEY"


def checked(shape: Shape, value: Any) -> dict[str, Any]:
    """
    Return the members of a request that the model knows, as values of Python.

    A member that is null counts as absent; one that the model does not know is passed over.

    Raises:
        ApiError: It does not fit the model.
    """
    members: dict[str, Any] = _read(shape, value)
    problems = list(_problems(shape, members, ""))
    if problems:
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: "
        raise invalid(count + "; ".join(problems))
    return members


# --- types ------------------------------------------------------------------------------------


def _read(shape: Shape, value: Any) -> Any:
    if shape.kind == "structure":
        return _structure(shape, value)
    if shape.kind == "list":
        if not isinstance(value, list) or shape.item is None:
            raise _unreadable("list", value)
        return [_read(shape.item, each) for each in value]
    if shape.kind in _NUMBERS:
        return _number(shape, value)
    if shape.kind == "timestamp":
        return _moment(value)
    if shape.kind == "blob":
        return _blob(value)
    wanted = bool if shape.kind == "boolean" else str
    if not isinstance(value, wanted) or not _is_writable(value):
        raise _unreadable(shape.kind, value)
    return value


def _is_writable(value: str | bool) -> bool:
    """Tell whether a text can be written at all: JSON lets halves of characters through."""
    try:
        return isinstance(value, bool) or value.encode() is not None
    except UnicodeEncodeError:
        return False


def _structure(shape: Shape, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _unreadable("structure", value)
    return {
        name: _read(member, value[name])
        for name, member in shape.members.items()
        if value.get(name) is not None
    }


def _number(shape: Shape, value: Any) -> int:
    bound = _NUMBERS[shape.kind]
    if isinstance(value, bool) or not isinstance(value, int) or not -bound <= value < bound:
        raise _unreadable(shape.kind, value)
    return value


def _moment(value: Any) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unreadable("timestamp", value)
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        raise _unreadable("timestamp", value) from None


def _blob(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise _unreadable("blob", value) from None


def _unreadable(wanted: str, value: Any) -> ApiError:
    kinds = {dict: "structure", list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
    given = kinds.get(type(value), "null")
    return ApiError("SerializationException", f"a {given} stands where a {wanted} belongs", status=400)


# --- constraints ------------------------------------------------------------------------------


def _problems(shape: Shape, value: Any, at: str) -> Iterator[str]:
    if shape.kind == "structure":
        for name in shape.required:
            if name not in value:
                yield _problem(" null", _below(at, name), "not be null")
        for name, given in value.items():
            yield from _problems(shape.members[name], given, _below(at, name))
        return
    shown = _shown(shape, value)
    for constraint in _broken(shape, value):
        yield _problem(shown, at, constraint)
    if shape.kind == "list" and shape.item is not None:
        for number, each in enumerate(value, start=1):
            yield from _problems(shape.item, each, f"{at}.{number}.member")


def _problem(shown: str, at: str, constraint: str) -> str:
    return f"Value{shown} at '{at}' failed to satisfy constraint: Member must {constraint}"


def _broken(shape: Shape, value: Any) -> Iterator[str]:
    measured = value if shape.kind in _NUMBERS else len(value) if isinstance(value, str | list | bytes) else 0
    what = "value" if shape.kind in _NUMBERS else "length"
    if shape.least is not None and measured < shape.least:
        yield f"have {what} greater than or equal to {shape.least}"
    if shape.most is not None and measured > shape.most:
        yield f"have {what} less than or equal to {shape.most}"
        return  # nothing of any length is held against a pattern
    if shape.pattern is not None and shape.pattern.fullmatch(value) is None:
        yield f"satisfy regular expression pattern: {shape.pattern_text}"
    if shape.enum and value not in shape.enum:
        yield f"satisfy enum value set: [{', '.join(shape.enum)}]"


def _shown(shape: Shape, value: Any) -> str:
    if isinstance(value, list):
        return ""
    text = str(value)
    return "" if shape.is_secret or len(text) > _SHOWN_CHARS or _PRIVATE in text else f" '{text}'"


def _below(at: str, name: str) -> str:
    """Return where a member is, as AWS writes it: small letters in front, by dots."""
    small = name[:1].lower() + name[1:]
    return f"{at}.{small}" if at else small
