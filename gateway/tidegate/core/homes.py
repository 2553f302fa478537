"""
Homes as administrators write them: what can be used, and what a home is for one user.

A home that came from elsewhere is checked again at each login: nothing is guessed of one that this module
would have refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from tidegate.core.errors import InvalidName
from tidegate.core.users import Home, HomeDirectoryType, Mapping, MappingType, check_user_name

USER_NAME_VARIABLE = "${transfer:UserName}"

# Transfer Family API, MapEntry and MapTarget: length. Ours counts bytes, so that a target always
# leaves room for a name below it in a key.
MAPPING_MAX_BYTES = 1024
# Names that no path can lead to.
NOT_NAMES = frozenset({"", ".", ".."})

# S3 User Guide, "General purpose bucket naming rules". Access point aliases have this form too.
_BUCKET = re.compile(r"(?!.*\.\.)(?![0-9]+(\.[0-9]+){3}$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_TARGET_HINT = "write it as /bucket or /bucket/prefix, without a slash at the end"
_ENTRY_HINT = "write it as / or /name, without a slash at the end"


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


def check_transfer_home(home: Home) -> Home:
    """
    Return `home`, unchanged, if it can be used, or if Transfer Family takes it and it leads nowhere.

    That is a PATH home without a bucket: its user can log in, and finds nothing.

    Raises:
        InvalidName: As `check_home` does.
    """
    if home.type is HomeDirectoryType.PATH and not home.mappings and start_of(home) == "/":
        return home
    return check_home(home)


def leads_alike(one: Home, other: Home) -> bool:
    """Tell whether two homes differ in nothing but in how they are written."""
    return replace(one, directory=start_of(one)) == replace(other, directory=start_of(other))


def home_from_target(text: str) -> Home:
    """
    Return the home that shows `/bucket/prefix`, as an administrator typed it, as `/` and nothing else.

    Raises:
        InvalidName: It is no such target; `hint` says how to write it.
    """
    if text != text.strip():
        raise InvalidName(f"the target {shown(text)} has blanks around it", hint=_TARGET_HINT)
    return check_home(Home.chroot(text))


# --- what it is for one user ------------------------------------------------------------------


def for_user(home: Home, user_name: str) -> Home:
    """Return the home with the user's name in place of the variable. Raises `InvalidName`."""
    if home.type is HomeDirectoryType.PATH:
        return replace(home, directory=substituted(home.directory, user_name))
    return replace(home, mappings=tuple(mapping_for(each, user_name) for each in home.mappings))


def mapping_for(mapping: Mapping, user_name: str) -> Mapping:
    """Return the mapping with the user's name in its target. Raises `InvalidName`."""
    return replace(mapping, target=substituted(mapping.target, user_name))


def substituted(text: str, user_name: str) -> str:
    """Return the text with the user's name in place of the variable. Raises `InvalidName`."""
    if USER_NAME_VARIABLE not in text:
        return text
    # The name becomes part of a key prefix: one that holds a slash, or is "..", would move the home.
    return text.replace(USER_NAME_VARIABLE, check_user_name(user_name))


def start_of(home: Home) -> str:
    """Return the directory that a session of the home starts in."""
    # Transfer Family takes "/bucket/prefix/" as a directory (never as a target), and "" as "/".
    return home.directory.removesuffix("/") or "/"


def split(path: str) -> list[str]:
    """Return the components of an absolute path, none of `/`."""
    return path[1:].split("/") if path != "/" else []


# --- checking what an administrator wrote ---------------------------------------------------


def _check_path_home(home: Home) -> None:
    if home.mappings:
        # AWS's default type is PATH: whoever forgot LOGICAL believes the user is confined.
        raise InvalidName("a PATH home has mappings, which would not be used", hint="set the type to LOGICAL")
    _check_target("the home directory", start_of(home))


def _check_logical_home(home: Home) -> None:
    if not home.mappings:
        raise InvalidName("a LOGICAL home has no mappings", hint="map the entry / to /bucket/prefix")
    entries = [_written("the entry", mapping.entry, _ENTRY_HINT) for mapping in home.mappings]
    _check_disjoint(entries)
    for mapping in home.mappings:
        components = _check_target("the target", mapping.target)
        if mapping.type is MappingType.FILE:
            _check_file(mapping, components)
    _check_start(home)


def _check_file(mapping: Mapping, components: list[str]) -> None:
    if mapping.entry == "/":
        raise InvalidName("the entry / cannot be a FILE", hint="give the file a name, such as /readme.txt")
    if len(components) < 2:
        raise InvalidName(
            f"the target {shown(mapping.target)} of a FILE names no key", hint="write it as /bucket/key"
        )


def _check_start(home: Home) -> None:
    start = _written("the home directory", start_of(home), _ENTRY_HINT)
    for mapping in home.mappings:
        entry = split(mapping.entry)
        if start and start[: len(entry)] == entry:
            if mapping.type is MappingType.FILE:
                raise InvalidName(
                    f"the home directory {shown(home.directory)} lies at or below a FILE",
                    hint="name / or a directory at or below an entry that is none",
                )
            return
    if start:
        raise InvalidName(
            f"the home directory {shown(home.directory)} lies under no mapping",
            hint="name / or a directory at or below one of the entries",
        )


def _check_disjoint(entries: Iterable[list[str]]) -> None:
    ordered = sorted(entries)
    # In this order an entry is followed at once by those below it, if there are any.
    for upper, lower in pairwise(ordered):
        if lower[: len(upper)] == upper:
            raise InvalidName(
                f"the entry {shown(_joined(lower))} lies at or below the entry {shown(_joined(upper))}",
                hint="leave one of them out; an entry / must be the only one",
            )


def _check_target(what: str, target: str) -> list[str]:
    """Return the components of a target that can be used."""
    # Any valid user name serves here: what a real one makes of the target, HomeTree checks again.
    sample = target.replace(USER_NAME_VARIABLE, "user")
    if "${transfer:" in sample.lower():
        raise InvalidName(
            f"{what} {shown(target)} holds an unknown variable",
            hint=f"only {USER_NAME_VARIABLE} is replaced",
        )
    components = _written(what, sample, _TARGET_HINT)
    if not components:
        raise InvalidName(f"{what} / names no bucket", hint=_TARGET_HINT)
    if _BUCKET.fullmatch(components[0]) is None:
        raise InvalidName(
            f"{what} {shown(target)} starts with {shown(components[0])}, which is no bucket name",
            hint="3 to 63 small letters, digits, - or ., the first and last a letter or digit",
        )
    return components


def _written(what: str, text: str, hint: str) -> list[str]:
    """Return the components of an absolute path that must already be in its plainest form."""
    if not text.startswith("/"):
        raise InvalidName(f"{what} {shown(text)} does not start with a slash", hint=hint)
    if _CONTROL.search(text):
        raise InvalidName(f"{what} {shown(text)} holds a control character", hint="take it out")
    if utf8_length(text) > MAPPING_MAX_BYTES:
        raise InvalidName(f"{what} {shown(text)} is longer than {MAPPING_MAX_BYTES} bytes", hint="shorten it")
    components = split(text)
    if not NOT_NAMES.isdisjoint(components):
        raise InvalidName(f'{what} {shown(text)} has an empty, "." or ".." component', hint=hint)
    return components


def utf8_length(text: str) -> int:
    """Return how many bytes the text is. Raises `InvalidName` for what UTF-8 cannot hold."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise InvalidName(f"{shown(text)} cannot be written in UTF-8") from None


def _joined(components: list[str]) -> str:
    return "/" + "/".join(components)


def shown(text: str) -> str:
    """Return the text as a message may hold it: quoted, and not long."""
    # A client may send a path of a quarter of a megabyte; the log need not hold it.
    return repr(text if len(text) <= 200 else text[:200] + "…")
