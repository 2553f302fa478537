"""
Routes: what is different for the uploads of some partners, or in some of their directories.

A route says four things of the files it matches: where its directory leads, if not into the home; how
they are stored; which targets they are owed to; and what they must be, or they are held back. Of several
that match, the first counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from tidegate.core.acceptance import NO_RULES, Rules
from tidegate.core.objects import Storage
from tidegate.core.users import Mapping


@dataclass(frozen=True, slots=True)
class Route:
    """
    One route.

    Args:
        partners: Patterns of user names: `*` stands for anything, `?` for one character.
        path: The virtual directory in or below which the files are.
        target: The `/bucket/prefix` shown at `path`; None leaves that to the user's home.
        deliver_to: Names of the targets its uploads are owed to; None means all.
        accept: What its files must be.
    """

    name: str
    partners: tuple[str, ...]
    path: str
    target: str | None
    storage: Storage
    deliver_to: tuple[str, ...] | None = None
    accept: Rules = NO_RULES

    def is_for(self, user_name: str) -> bool:
        return any(fnmatchcase(user_name, pattern) for pattern in self.partners)

    def covers(self, path: str) -> bool:
        return self.path in ("/", path) or path.startswith(f"{self.path}/")


@dataclass(frozen=True, slots=True)
class Routes:
    """
    All routes of a server, in their order.

    Args:
        otherwise: How files are stored that no route matches.
    """

    routes: tuple[Route, ...]
    otherwise: Storage

    def of(self, user_name: str, path: str) -> Route:
        """Return the first route that matches, or one that changes nothing."""
        for route in self.routes:
            if route.is_for(user_name) and route.covers(path):
                return route
        return Route("", ("*",), "/", None, self.otherwise)

    def mappings(self, user_name: str) -> tuple[Mapping, ...]:
        """Return what is laid over the user's home; of two routes at one path, the first."""
        laid: dict[str, Mapping] = {}
        for route in self.routes:
            if route.target and route.is_for(user_name):
                laid.setdefault(route.path, Mapping(route.path, route.target))
        return tuple(laid.values())
