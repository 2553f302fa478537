"""What can be told of a session's rights before a request is made."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from tidegate.core.objects import Location, NewObject


@runtime_checkable
class Foreseeing(Protocol):
    """A store that knows before a request whether it would be denied."""

    def foresee_put(self, new: NewObject) -> None:
        """Raise `AccessDenied` if such an object could not be put."""
        ...

    def foresee_delete(self, location: Location) -> None:
        """Raise `AccessDenied` if the object could not be removed."""
        ...


def foreseeing(store: object) -> Foreseeing | None:
    """Return the store as one that knows beforehand what is denied; None if it does not."""
    return store if isinstance(store, Foreseeing) else None
