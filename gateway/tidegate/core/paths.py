"""
Where a path that a client names leads: to a bucket and a key, to a synthetic directory, or nowhere.

A path passes two doors. `normalise` turns the client's bytes into an absolute virtual path, and is
the only place that knows `.`, `..` and `//`. `HomeTree` follows that path through the user's home.
Between the doors a component is never looked into: `%2e%2e`, `a\\b`, a trailing blank or dot are names
like any other, and reach S3 byte for byte. Both doors fail closed: what `normalise` could not have
returned, `HomeTree.resolve` refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeAlias

from tidegate.core.errors import AccessDenied, GatewayError, InvalidName, NotFound, WrongKind
from tidegate.core.limits import S3_MAX_KEY_BYTES
from tidegate.core.objects import Location
from tidegate.core.users import Home, HomeDirectoryType, Mapping, check_user_name

USER_NAME_VARIABLE = "${transfer:UserName}"

# Transfer Family API, MapEntry and MapTarget: length. Ours counts bytes, so that a target always
# leaves room for a name below it in a key.
MAPPING_MAX_BYTES = 1024

# S3 User Guide, "General purpose bucket naming rules". Access point aliases have this form too.
_BUCKET = re.compile(r"(?!.*\.\.)(?![0-9]+(\.[0-9]+){3}$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NOT_NAMES = frozenset({"", ".", ".."})

_TARGET_HINT = "write it as /bucket or /bucket/prefix, without a slash at the end"
_ENTRY_HINT = "write it as / or /name, without a slash at the end"


def normalise(path: bytes, start: str) -> str:
    """
    Return the absolute virtual path a client means by `path`.

    `.` and empty components are dropped and `..` climbs, never above `/`; nothing else is changed.

    Args:
        path: As it stands in the request. Empty means `start`.
        start: The absolute virtual directory that relative paths begin in.

    Returns:
        A path without a slash at the end, except for `/` itself. Idempotent.

    Raises:
        InvalidName: The path is not UTF-8, or holds a NUL.
    """
    try:
        text = path.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidName(f"the path {path[:100]!r} is not UTF-8, at byte {error.start}") from None
    if "\0" in text:
        raise InvalidName(f"the path {_shown(text)} holds a NUL")
    kept: list[str] = []
    for component in (text if text.startswith("/") else f"{start}/{text}").split("/"):
        if component == "..":
            del kept[-1:]
        elif component not in _NOT_NAMES:
            kept.append(component)
    return "/" + "/".join(kept)


@dataclass(frozen=True, slots=True)
class MappedPlace:
    """
    A path that leads into a bucket; whether anything is there only the store knows.

    Args:
        path: The virtual path.
        location: Its bucket and key. The key is `""` at the root of a bucket; it never ends in `/`.
        is_root_of_mapping: The path is a mapping's own entry, or lies above one. It is always a directory,
            and no client can make, replace, rename or remove it.
        children: The names in it that are there because entries of other mappings lie below, in byte
            order. All are directories, whatever the bucket holds.
    """

    path: str
    location: Location
    is_root_of_mapping: bool
    children: tuple[str, ...] = ()

    def file_location(self) -> Location:
        """Return where a file of this path is or would be. Raises `WrongKind` at a mapping's root."""
        if self.is_root_of_mapping:
            raise WrongKind(f"{_shown(self.path)} is the root of a mapping, always a directory")
        return self.location

    def directory_prefix(self) -> tuple[str, str]:
        """
        Return the bucket and the prefix under which this directory's entries are.

        The prefix is `""` or ends in `/`; unless it is `""` it is also the key of the directory's marker.

        Raises:
            NotFound: The key is so long that no directory of this name can be.
        """
        prefix = f"{self.location.key}/" if self.location.key else ""
        if len(prefix.encode()) > S3_MAX_KEY_BYTES:
            raise NotFound(f"{_shown(self.path)} is no directory: its name is too long to be one")
        return self.location.bucket, prefix


@dataclass(frozen=True, slots=True)
class SyntheticDirectory:
    """
    A directory that is only there because mapping entries lie below it; nothing can be written to it.

    Args:
        path: The virtual path.
        children: The names in it, at least one, in byte order. All are directories.
    """

    path: str
    children: tuple[str, ...]

    @property
    def is_root_of_mapping(self) -> bool:
        """False: mappings lie below it."""
        return False

    def file_location(self) -> Location:
        """Raise `WrongKind`: no file can be here."""
        raise WrongKind(f"{_shown(self.path)} is a synthetic directory of the home")

    def directory_prefix(self) -> tuple[str, str]:
        """Raise `WrongKind`: its entries are `children`, and are in no bucket."""
        raise WrongKind(f"{_shown(self.path)} is a synthetic directory of the home: it is in no bucket")


Place: TypeAlias = MappedPlace | SyntheticDirectory


@dataclass(slots=True)
class _Node:
    """A virtual directory on the way to a mapping, or its entry; then `target` is bucket and prefix."""

    children: dict[str, _Node] = field(default_factory=dict)
    target: tuple[str, str] | None = None


class HomeTree:
    """
    One user's home, ready to follow paths through.

    A LOGICAL home answers `NotFound` for what no mapping covers. A PATH home shows its directory under
    its real path, the directories above it as synthetic ones, and answers `AccessDenied` for all else;
    with the directory `/` it has nothing, as in Transfer Family, and answers `NotFound` to everything.

    Args:
        home: As stored; `${transfer:UserName}` in targets and in a PATH directory is replaced once.
        user_name: Whose home it is.
        overlay: Mappings of the operator's, laid over a LOGICAL home: they may lie below its entries, or
            take the place of one. Of several that cover a path, the longest counts.

    Raises:
        InvalidName: The home is one that `check_home` refuses, or becomes one by this user's name.
    """

    def __init__(self, home: Home, user_name: str, overlay: tuple[Mapping, ...] = ()) -> None:
        home = _for_user(home, user_name)
        is_path = home.type is HomeDirectoryType.PATH
        self._root = _Node()
        self._start = _directory(home)
        # Transfer Family takes a PATH home of "/" at CreateUser; so must we, though `check_home` does not.
        if not is_path or self._start != "/":
            check_home(home)
            for mapping in [Mapping(self._start, self._start)] if is_path else home.mappings:
                self._add(mapping)
        for mapping in () if is_path else overlay:
            self._add(Mapping(mapping.entry, _substituted(mapping.target, user_name)))
        self._refusal: type[GatewayError] = AccessDenied if is_path and self._root.children else NotFound

    def _add(self, mapping: Mapping) -> None:
        node = self._root
        for name in _split(mapping.entry):
            node = node.children.setdefault(name, _Node())
        bucket, *prefix = _split(mapping.target)
        node.target = (bucket, "/".join(prefix))

    @property
    def start_directory(self) -> str:
        """The virtual directory a session starts in."""
        return self._start

    def resolve(self, path: str) -> Place:
        """
        Follow a path that `normalise` returned.

        Raises:
            NotFound, AccessDenied: The path leads out of the home; see the class for which.
            InvalidName: The path is not a normalised one, or its key would be longer than S3 allows.
        """
        components = _checked_components(path)
        covering, below = self._follow(components)
        if covering is not None:
            depth, target = covering
            return _mapped(path, target, components[depth:], _names(below))
        if below is None:
            raise self._refusal(f"{_shown(path)} is in no mapping of the home")
        if not below.children:
            raise NotFound("the home directory names no bucket", hint="set it to /bucket/prefix")
        return SyntheticDirectory(path, _names(below))

    def _follow(self, components: list[str]) -> tuple[tuple[int, tuple[str, str]] | None, _Node | None]:
        """Return the last entry on the way, as depth and target, and the node at its end, if one is there."""
        node: _Node | None = self._root
        covering = None
        for depth in range(len(components) + 1):
            assert node is not None
            if node.target is not None:
                covering = (depth, node.target)
            if depth < len(components):
                node = node.children.get(components[depth])
                if node is None:
                    break
        return covering, node

    def synthetic_children(self, path: str) -> list[str]:
        """
        Return the names that the home itself puts into a directory, in byte order.

        Empty for most paths inside a mapping. Raises what `resolve` raises.
        """
        return list(self.resolve(path).children)


def check_home(home: Home) -> Home:
    """
    Return `home`, unchanged, if it can be used as it is written.

    Raises:
        InvalidName: `detail` says which part is wrong, `hint` how to mend it.
    """
    if home.type is HomeDirectoryType.PATH:
        _check_path_home(home)
    else:
        _check_logical_home(home)
    return home


def home_from_target(text: str) -> Home:
    """
    Return the home that shows `/bucket/prefix`, as an administrator typed it, as `/` and nothing else.

    Raises:
        InvalidName: It is no such target; `hint` says how to write it.
    """
    if text != text.strip():
        raise InvalidName(f"the target {_shown(text)} has blanks around it", hint=_TARGET_HINT)
    return check_home(Home.chroot(text))


# --- following -------------------------------------------------------------------------------


def _checked_components(path: str) -> list[str]:
    components = _split(path)
    if not path.startswith("/") or "\0" in path or not _NOT_NAMES.isdisjoint(components):
        raise InvalidName(f"{_shown(path)} is not a normalised path")
    return components


def _mapped(path: str, target: tuple[str, str], rest: list[str], children: tuple[str, ...]) -> MappedPlace:
    bucket, prefix = target
    key = "/".join([prefix, *rest] if prefix else rest)
    if _utf8_length(key) > S3_MAX_KEY_BYTES:
        raise InvalidName(f"the key of {_shown(path)} is longer than {S3_MAX_KEY_BYTES} bytes")
    return MappedPlace(path, Location(bucket, key), not rest or bool(children), children)


def _names(node: _Node | None) -> tuple[str, ...]:
    return tuple(sorted(node.children)) if node else ()


def _for_user(home: Home, user_name: str) -> Home:
    if home.type is HomeDirectoryType.PATH:
        return replace(home, directory=_substituted(home.directory, user_name))
    mappings = tuple(Mapping(each.entry, _substituted(each.target, user_name)) for each in home.mappings)
    return replace(home, mappings=mappings)


def _substituted(text: str, user_name: str) -> str:
    if USER_NAME_VARIABLE not in text:
        return text
    # The name becomes part of a key prefix: one that holds a slash, or is "..", would move the home.
    return text.replace(USER_NAME_VARIABLE, check_user_name(user_name))


def _directory(home: Home) -> str:
    # Transfer Family takes "/bucket/prefix/" as a directory (never as a target), and "" as "/".
    return home.directory.removesuffix("/") or "/"


def _split(path: str) -> list[str]:
    return path[1:].split("/") if path != "/" else []


# --- checking what an administrator wrote ---------------------------------------------------


def _check_path_home(home: Home) -> None:
    if home.mappings:
        # AWS's default type is PATH: whoever forgot LOGICAL believes the user is confined.
        raise InvalidName("a PATH home has mappings, which would not be used", hint="set the type to LOGICAL")
    _check_target("the home directory", _directory(home))


def _check_logical_home(home: Home) -> None:
    if not home.mappings:
        raise InvalidName("a LOGICAL home has no mappings", hint="map the entry / to /bucket/prefix")
    entries = [_written("the entry", mapping.entry, _ENTRY_HINT) for mapping in home.mappings]
    _check_disjoint(entries)
    for mapping in home.mappings:
        _check_target("the target", mapping.target)
    start = _written("the home directory", _directory(home), _ENTRY_HINT)
    if start and not any(start[: len(entry)] == entry for entry in entries):
        raise InvalidName(
            f"the home directory {_shown(home.directory)} lies under no mapping",
            hint="name / or a directory at or below one of the entries",
        )


def _check_disjoint(entries: Iterable[list[str]]) -> None:
    ordered = sorted(entries)
    # In this order an entry is followed at once by those below it, if there are any.
    for upper, lower in pairwise(ordered):
        if lower[: len(upper)] == upper:
            raise InvalidName(
                f"the entry {_shown(_joined(lower))} lies at or below the entry {_shown(_joined(upper))}",
                hint="leave one of them out; an entry / must be the only one",
            )


def _check_target(what: str, target: str) -> None:
    # Any valid user name serves here: what a real one makes of the target, HomeTree checks again.
    sample = target.replace(USER_NAME_VARIABLE, "user")
    if "${transfer:" in sample.lower():
        raise InvalidName(
            f"{what} {_shown(target)} holds an unknown variable",
            hint=f"only {USER_NAME_VARIABLE} is replaced",
        )
    components = _written(what, sample, _TARGET_HINT)
    if not components:
        raise InvalidName(f"{what} / names no bucket", hint=_TARGET_HINT)
    if _BUCKET.fullmatch(components[0]) is None:
        raise InvalidName(
            f"{what} {_shown(target)} starts with {_shown(components[0])}, which is no bucket name",
            hint="3 to 63 small letters, digits, - or ., the first and last a letter or digit",
        )


def _written(what: str, text: str, hint: str) -> list[str]:
    """Return the components of an absolute path that must already be in its plainest form."""
    if not text.startswith("/"):
        raise InvalidName(f"{what} {_shown(text)} does not start with a slash", hint=hint)
    if _CONTROL.search(text):
        raise InvalidName(f"{what} {_shown(text)} holds a control character", hint="take it out")
    if _utf8_length(text) > MAPPING_MAX_BYTES:
        raise InvalidName(
            f"{what} {_shown(text)} is longer than {MAPPING_MAX_BYTES} bytes", hint="shorten it"
        )
    components = _split(text)
    if not _NOT_NAMES.isdisjoint(components):
        raise InvalidName(f'{what} {_shown(text)} has an empty, "." or ".." component', hint=hint)
    return components


def _utf8_length(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise InvalidName(f"{_shown(text)} cannot be written in UTF-8") from None


def _joined(components: list[str]) -> str:
    return "/" + "/".join(components)


def _shown(text: str) -> str:
    # A client may send a path of a quarter of a megabyte; the log need not hold it.
    return repr(text if len(text) <= 200 else text[:200] + "…")
