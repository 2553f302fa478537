"""Users, their homes and keys. A *partner* is the CLI's word for one user."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum

from tidegate.core.errors import InvalidName
from tidegate.core.ids import KeyId
from tidegate.core.limits import USER_NAME_PATTERN
from tidegate.core.tags import Tags

# A home may have thousands.
_MAPPINGS_SHOWN = 4
# When a user was made that came from where nobody tells: Transfer Family keeps no such time.
TIME_NOT_KNOWN = datetime.fromtimestamp(0, UTC)


class HomeDirectoryType(StrEnum):
    PATH = "PATH"
    LOGICAL = "LOGICAL"


class MappingType(StrEnum):
    """What stands at the entry of a mapping. Source: Transfer Family API, HomeDirectoryMapEntry."""

    DIRECTORY = "DIRECTORY"
    FILE = "FILE"


@dataclass(frozen=True, slots=True)
class Mapping:
    """
    One entry of HomeDirectoryMappings: a virtual path and what is behind it.

    Args:
        target: `/bucket/prefix` of a directory, `/bucket/key` of a file.
        says_type: Whether the type was named or follows of itself. It makes no difference but to whoever
            reads the mapping back.
    """

    entry: str
    target: str
    type: MappingType = MappingType.DIRECTORY
    says_type: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return f"{self.entry} = {self.target}{' (FILE)' if self.type is MappingType.FILE else ''}"


@dataclass(frozen=True, slots=True)
class Home:
    """
    Where a user's paths lead.

    PATH: paths are `/bucket/key`, starting at `directory`. LOGICAL: paths live in a virtual tree
    made of `mappings`; `directory` is where a session starts in it. A `directory` that nobody named is
    empty and means `/`.
    """

    type: HomeDirectoryType
    directory: str
    mappings: tuple[Mapping, ...] = ()

    @classmethod
    def chroot(cls, target: str) -> Home:
        """A home that shows `/bucket/prefix` as `/` and nothing else."""
        return cls(HomeDirectoryType.LOGICAL, "/", (Mapping("/", target),))

    @property
    def targets(self) -> tuple[str, ...]:
        """What is behind it: every `/bucket/prefix`, and `/bucket/key` of a file."""
        if self.type is HomeDirectoryType.PATH:
            return (self.directory,)
        return tuple(mapping.target for mapping in self.mappings)

    @property
    def target(self) -> str:
        """The `/bucket/prefix` an administrator thinks of as this home; of several mappings, the first."""
        if self.type is HomeDirectoryType.LOGICAL and self.mappings:
            return self.mappings[0].target
        return self.directory

    def __str__(self) -> str:
        """The whole home in one line for an administrator; of many mappings, the first few."""
        if self in (Home.chroot(self.target), replace(Home.chroot(self.target), directory="")):
            return self.target
        if self.type is HomeDirectoryType.PATH:
            return f"{self.directory or '/'} (PATH)"
        said = ", ".join(map(str, self.mappings[:_MAPPINGS_SHOWN]))
        left = len(self.mappings) - _MAPPINGS_SHOWN
        more = f" and {left} more" if left > 0 else ""
        start = f", starting in {self.directory}" if self.directory not in ("", "/") else ""
        return said + more + start


@dataclass(frozen=True, slots=True)
class SshPublicKey:
    """One key that may log in. `body` is algorithm and base64 blob, with no comment."""

    key_id: KeyId
    body: str
    fingerprint: str
    comment: str
    imported_at: datetime

    @property
    def algorithm(self) -> str:
        return self.body.split(" ", 1)[0]

    @property
    def line(self) -> str:
        """The key with its comment, as it stands in a .pub file."""
        return f"{self.body} {self.comment}".rstrip()


@dataclass(frozen=True, slots=True)
class PosixProfile:
    """Numbers a user has on a file system. Kept for whoever reads them back: S3 knows none."""

    uid: int
    gid: int
    secondary_gids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class User:
    """
    One user of one server, with every key it may use.

    Args:
        created_at: `TIME_NOT_KNOWN` where whoever keeps the user does not tell.
        role: ARN of an IAM role; empty for a user that the Transfer API did not make.
        policy: A session policy as JSON text; empty if there is none.
    """

    server_id: str
    user_name: str
    home: Home
    created_at: datetime
    keys: tuple[SshPublicKey, ...] = ()
    role: str = ""
    policy: str = ""
    posix_profile: PosixProfile | None = None
    tags: Tags = ()


def check_user_name(name: str) -> str:
    """Return `name` if Transfer Family would accept it; raises `InvalidName`."""
    if re.fullmatch(USER_NAME_PATTERN, name, re.ASCII) is None:
        raise InvalidName(
            f"{name!r} is no valid partner name",
            hint="3 to 100 letters, digits, _ . @ or -, and the first a letter, a digit or _",
        )
    return name


@dataclass(frozen=True, slots=True)
class RefusedLogin:
    """A login that was not let in: who it claimed to be, from where, with what, and why not."""

    log_id: str
    server_id: str
    user_name: str
    client_ip: str
    client_version: str
    key_fingerprint: str
    reason: str
    timestamp: datetime
