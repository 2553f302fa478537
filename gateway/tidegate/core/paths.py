"""
Where a path that a client names leads: to a bucket and a key, to a synthetic directory, or nowhere.

A path passes two doors. `normalise` turns the client's bytes into an absolute virtual path, and is
the only place that knows `.`, `..` and `//`. `HomeTree` follows that path through the user's home.
Between the doors a component is never looked into: `%2e%2e`, `a\\b`, a trailing blank or dot are names
like any other, and reach S3 byte for byte. Both doors fail closed: what `normalise` could not have
returned, `HomeTree.resolve` refuses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from tidegate.core.errors import AccessDenied, GatewayError, InvalidName, NotFound, WrongKind
from tidegate.core.homes import (
    NOT_NAMES,
    check_home,
    for_user,
    mapping_for,
    shown,
    split,
    start_of,
    utf8_length,
)
from tidegate.core.limits import S3_MAX_KEY_BYTES
from tidegate.core.objects import Location
from tidegate.core.users import Home, HomeDirectoryType, Mapping, MappingType


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
        raise InvalidName(f"the path {shown(text)} holds a NUL")
    kept: list[str] = []
    for component in (text if text.startswith("/") else f"{start}/{text}").split("/"):
        if component == "..":
            del kept[-1:]
        elif component not in NOT_NAMES:
            kept.append(component)
    return "/" + "/".join(kept)


@dataclass(frozen=True, slots=True)
class MappedFile:
    """
    The entry of a mapping of type FILE: one object under a name that is the home's own.

    It can be read and written; no client can remove or rename it, put another file in its place by
    renaming, or make anything below it. Whether the object is there only the store knows.
    """

    path: str
    location: Location

    @property
    def name(self) -> str:
        """The last component of its path."""
        return self.path.rpartition("/")[2]

    @property
    def is_root_of_mapping(self) -> bool:
        """False: roots are directories."""
        return False

    @property
    def children(self) -> tuple[str, ...]:
        """Nothing lies below a file."""
        return ()

    @property
    def files(self) -> tuple[MappedFile, ...]:
        """Nothing lies below a file."""
        return ()

    def file_location(self) -> Location:
        """Return where the object is or would be."""
        return self.location

    def directory_prefix(self) -> tuple[str, str]:
        """Raise `WrongKind`: it is never a directory."""
        raise WrongKind(f"{shown(self.path)} is a file of the home")


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
        files: The entries of type FILE in it, in byte order of their names, whatever the bucket holds.
    """

    path: str
    location: Location
    is_root_of_mapping: bool
    children: tuple[str, ...] = ()
    files: tuple[MappedFile, ...] = ()

    def file_location(self) -> Location:
        """Return where a file of this path is or would be. Raises `WrongKind` at a mapping's root."""
        if self.is_root_of_mapping:
            raise WrongKind(f"{shown(self.path)} is the root of a mapping, always a directory")
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
            raise NotFound(f"{shown(self.path)} is no directory: its name is too long to be one")
        return self.location.bucket, prefix


@dataclass(frozen=True, slots=True)
class SyntheticDirectory:
    """
    A directory that is only there because mapping entries lie below it; nothing can be written to it.

    Args:
        path: The virtual path.
        children: The directories in it, by name, in byte order.
        files: The entries of type FILE in it, in byte order of their names. There is a child or a file.
    """

    path: str
    children: tuple[str, ...]
    files: tuple[MappedFile, ...] = ()

    @property
    def is_root_of_mapping(self) -> bool:
        """False: mappings lie below it."""
        return False

    def file_location(self) -> Location:
        """Raise `WrongKind`: no file can be here."""
        raise WrongKind(f"{shown(self.path)} is a synthetic directory of the home")

    def directory_prefix(self) -> tuple[str, str]:
        """Raise `WrongKind`: its entries are `children`, and are in no bucket."""
        raise WrongKind(f"{shown(self.path)} is a synthetic directory of the home: it is in no bucket")


Place: TypeAlias = MappedPlace | MappedFile | SyntheticDirectory


class _Target(NamedTuple):
    """Where an entry leads; `prefix` is the whole key of a file."""

    bucket: str
    prefix: str
    is_file: bool


@dataclass(slots=True)
class _Node:
    """A virtual directory on the way to a mapping, or its entry, which has a target."""

    children: dict[str, _Node] = field(default_factory=dict)
    target: _Target | None = None

    @property
    def file(self) -> _Target | None:
        """Where the file is that stands here. An entry below it, which an operator laid, counts for more."""
        return self.target if self.target and self.target.is_file and not self.children else None


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

    An entry of type FILE is a file: nothing lies below it. Where the overlay has an entry below it, it is a
    directory instead.

    Raises:
        InvalidName: The home is one that `check_home` refuses, or becomes one by this user's name.
    """

    def __init__(self, home: Home, user_name: str, overlay: tuple[Mapping, ...] = ()) -> None:
        home = for_user(home, user_name)
        is_path = home.type is HomeDirectoryType.PATH
        self._root = _Node()
        self._start = start_of(home)
        # Transfer Family takes a PATH home of "/" at CreateUser; so must we, though `check_home` does not.
        if not is_path or self._start != "/":
            check_home(home)
            for mapping in [Mapping(self._start, self._start)] if is_path else home.mappings:
                self._add(mapping)
        for mapping in () if is_path else overlay:
            self._add(mapping_for(mapping, user_name))
        self._refusal: type[GatewayError] = AccessDenied if is_path and self._root.children else NotFound

    def _add(self, mapping: Mapping) -> None:
        node = self._root
        for name in split(mapping.entry):
            node = node.children.setdefault(name, _Node())
        bucket, *prefix = split(mapping.target)
        node.target = _Target(bucket, "/".join(prefix), mapping.type is MappingType.FILE)

    @property
    def start_directory(self) -> str:
        """The virtual directory a session starts in."""
        return self._start

    def resolve(self, path: str) -> Place:
        """
        Follow a path that `normalise` returned.

        Raises:
            NotFound, AccessDenied: The path leads out of the home; see the class for which.
            NotFound: It leads below a file of the home.
            InvalidName: The path is not a normalised one, or its key would be longer than S3 allows.
        """
        components = _checked_components(path)
        covering, below = self._follow(components)
        children, files = _within(path, below)
        if covering is not None:
            depth, target = covering
            if target.is_file:
                return _mapped_file(path, target, components[depth:])
            return _mapped(path, target, components[depth:], children, files)
        if below is None:
            raise self._refusal(f"{shown(path)} is in no mapping of the home")
        if not below.children:
            raise NotFound("the home directory names no bucket", hint="set it to /bucket/prefix")
        return SyntheticDirectory(path, children, files)

    def _follow(self, components: list[str]) -> tuple[tuple[int, _Target] | None, _Node | None]:
        """Return the last entry on the way, as depth and target, and the node at its end, if one is there."""
        node: _Node | None = self._root
        covering = None
        for depth in range(len(components) + 1):
            assert node is not None
            if node.target is not None and (node.file or not node.target.is_file):
                covering = (depth, node.target)
            if depth < len(components):
                node = node.children.get(components[depth])
                if node is None:
                    break
        return covering, node

    def is_one_mapping(self, first: str, second: str) -> bool:
        """Tell whether one entry covers both of two normalised paths."""
        entries = []
        for components in map(_checked_components, (first, second)):
            covering, _ = self._follow(components)
            entries.append(components[: covering[0]] if covering else None)
        return entries[0] is not None and entries[0] == entries[1]

    def synthetic_children(self, path: str) -> list[str]:
        """
        Return the names that the home itself puts into a directory, in byte order.

        Empty for most paths inside a mapping. Raises what `resolve` raises.
        """
        place = self.resolve(path)
        return sorted([*place.children, *(each.name for each in place.files)])


# --- following -------------------------------------------------------------------------------


def _checked_components(path: str) -> list[str]:
    components = split(path)
    if not path.startswith("/") or "\0" in path or not NOT_NAMES.isdisjoint(components):
        raise InvalidName(f"{shown(path)} is not a normalised path")
    return components


def _mapped(
    path: str,
    target: _Target,
    rest: list[str],
    children: tuple[str, ...],
    files: tuple[MappedFile, ...],
) -> MappedPlace:
    key = "/".join([target.prefix, *rest] if target.prefix else rest)
    if utf8_length(key) > S3_MAX_KEY_BYTES:
        raise InvalidName(f"the key of {shown(path)} is longer than {S3_MAX_KEY_BYTES} bytes")
    is_root = not rest or bool(children) or bool(files)
    return MappedPlace(path, Location(target.bucket, key), is_root, children, files)


def _mapped_file(path: str, target: _Target, rest: list[str]) -> MappedFile:
    if rest:
        raise NotFound(f"{shown(path)} lies below a file of the home")
    return MappedFile(path, Location(target.bucket, target.prefix))


def _within(path: str, node: _Node | None) -> tuple[tuple[str, ...], tuple[MappedFile, ...]]:
    """Return what the home itself puts into a directory: the names of directories, and files."""
    directories, files = [], []
    for name, child in sorted(node.children.items()) if node else ():
        if child.file:
            files.append(_mapped_file(f"{path.removesuffix('/')}/{name}", child.file, []))
        else:
            directories.append(name)
    return tuple(directories), tuple(files)
