"""Answers in the form of the service's model, as AWS JSON 1.1 writes them."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from tidegate.core.shapes import Shape


def serialised(shape: Shape, value: Any) -> Any:
    """
    Return the value as it goes into JSON; members that are None are left out.

    Raises:
        ValueError: It is not what the model says: a member is missing, or one of no such name is there.
        TypeError: A value is of no type that JSON has.
    """
    if shape.kind == "structure":
        return _structure(shape, value)
    if shape.kind == "list" and shape.item is not None:
        return [serialised(shape.item, each) for each in value]
    if isinstance(value, datetime):
        # Epoch seconds; DynamoDB keeps milliseconds of them.
        return round(value.timestamp(), 3)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if not isinstance(value, str | int | float):
        raise TypeError(f"{shape.name} cannot be {value!r}")
    return value


def _structure(shape: Shape, value: dict[str, Any]) -> dict[str, Any]:
    given = {name: member for name, member in value.items() if member is not None}
    surplus, missing = given.keys() - shape.members.keys(), set(shape.required) - given.keys()
    if surplus or missing:
        raise ValueError(f"{shape.name}: no members {sorted(surplus)}, missing {sorted(missing)}")
    return {name: serialised(shape.members[name], member) for name, member in given.items()}
