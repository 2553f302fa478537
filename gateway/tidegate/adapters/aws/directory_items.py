"""
Rows of the directory table: users, their keys and their homes, to items and back. No I/O.

One partition a server; in it, for a user NAME:

    user#NAME                           the user, with the mappings of its home if they are few
    user#NAME#home#HOMEGENERATION#NNN   otherwise: a chunk of the mappings, in order
    user#NAME#key#GENERATION#KEYID      a key

No character a user name may hold sorts before `#`, so one range holds a user and all that is its own.

Each time a name is given to a user anew it gets a new `Generation`, which all its rows carry; each
home gets a new `HomeGeneration`, which the user row names. Both are random and never come back. A
row of any other generation is left over from a removal, or from a write that was cut short or is still
under way. It means nothing: no reader counts it, and as its entry holds the generation too, no write
for one user ever meets a row of another.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidegate.adapters.aws import items
from tidegate.adapters.aws.items import Item
from tidegate.adapters.aws.server_items import tag_items, tags_of
from tidegate.core.errors import ChangedMeanwhile
from tidegate.core.ids import KeyId
from tidegate.core.limits import KIB
from tidegate.core.users import (
    Home,
    HomeDirectoryType,
    Mapping,
    MappingType,
    PosixProfile,
    SshPublicKey,
    User,
)

# An item holds 400 KiB: DynamoDB Developer Guide, "Quotas", item size. The rest is for the other attributes.
CHUNK_BYTES = 300 * KIB

_USERS = "user#"
_LAST = "~"  # sorts after every character of these entries


@dataclass(frozen=True, slots=True)
class StoredHome:
    """
    A home as it is stored.

    Args:
        attributes: What the user row says of it.
        chunks: Rows with the mappings, in order; none if the user row holds them.
    """

    attributes: Item
    chunks: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class NameRows:
    """All rows under one name as a query found them: a user's own, and perhaps leftovers."""

    user_name: str
    rows: tuple[Item, ...]

    @property
    def user_row(self) -> Item | None:
        """The row that says that there is a user."""
        return next((row for row in self.rows if "UserName" in row), None)

    @property
    def chunks(self) -> list[Item]:
        """Every chunk of the user's generation, also those of homes it does not have (yet, or any more)."""
        return [row for row in self._own if "HomeGeneration" in row and "UserName" not in row]

    def user(self) -> User | None:
        """
        Return the user with home and keys; None if these rows are leftovers only.

        Raises:
            ChangedMeanwhile: Chunks of its home are missing: it got another one during the query.
        """
        row = self.user_row
        if row is None:
            return None
        keys = (_ssh_key(each) for each in self._own if "SshPublicKeyId" in each)
        oldest_first = tuple(sorted(keys, key=lambda key: (key.imported_at, key.key_id)))
        created_at = items.moment(row["CreatedAt"])
        return User(
            row["Server"],
            row["UserName"],
            self._home(row),
            created_at,
            oldest_first,
            role=row.get("Role", ""),
            policy=row.get("Policy", ""),
            posix_profile=_posix_profile(row.get("PosixProfile")),
            tags=tags_of(row),
        )

    def dead(self, removed: str | None, before: datetime) -> list[Item]:
        """
        Return the rows to clear away once a user was removed.

        These are the rows of the generation that was `removed`, and leftovers from `before`. Younger
        ones may be chunks of an addition that is under way.
        """
        living, since = self._generation, items.stamp(before)
        not_own = (row for row in self.rows if row.get("Generation") != living)
        return [row for row in not_own if row["Generation"] == removed or row.get("WrittenAt", "") < since]

    @property
    def _generation(self) -> str | None:
        """The generation of the user that is there now; None if there is no user."""
        return self.user_row["Generation"] if self.user_row else None

    @property
    def _own(self) -> Iterator[Item]:
        living = self._generation
        if living is not None:
            yield from (row for row in self.rows if row.get("Generation") == living)

    def _home(self, row: Item) -> Home:
        inline, count = row["HomeDirectoryMappings"], row["HomeChunks"]
        chunks = [chunk for chunk in self.chunks if chunk["HomeGeneration"] == row["HomeGeneration"]]
        if len(chunks) != count:
            raise ChangedMeanwhile(f"{len(chunks)} of {count} chunks of {self.user_name}'s home are there")
        stored = [mapping for chunk in chunks for mapping in chunk["HomeDirectoryMappings"]]
        mappings = tuple(map(_mapping, [*inline, *stored]))
        return Home(HomeDirectoryType(row["HomeDirectoryType"]), row["HomeDirectory"], mappings)


def new_generation() -> str:
    return secrets.token_hex(8)


def range_of_users(after: str = "") -> tuple[str, str]:
    """Return the first and last entry that rows of users whose names come after `after` may have."""
    # Nothing has the last entry of a user's range, which stands for all of its rows.
    return range_of(after)[1] if after else _USERS, _USERS + _LAST


def range_of(user_name: str) -> tuple[str, str]:
    """Return the first and last entry this user's rows may have."""
    return user_entry(user_name), f"{user_entry(user_name)}#{_LAST}"


def user_entry(user_name: str) -> str:
    return _USERS + user_name


def key_entry(user_name: str, generation: str, key_id: KeyId) -> str:
    return f"{user_entry(user_name)}#key#{generation}#{key_id}"


def name_in(entry: str) -> str:
    """Return whose row this is."""
    return entry.split("#")[1]


def user_item(user: User, generation: str, home: StoredHome, at: datetime) -> Item:
    return {
        "Server": user.server_id,
        "Entry": user_entry(user.user_name),
        "Generation": generation,
        "WrittenAt": items.stamp(at),
        "UserName": user.user_name,
        "CreatedAt": items.stamp(user.created_at),
        **home.attributes,
        **members_of(user),
    }


def members_of(user: User) -> Item:
    """Return what is kept for whoever reads it back by the Transfer API. Earlier rows have none of it."""
    posix = user.posix_profile
    return {
        "Role": user.role,
        "Policy": user.policy,
        "PosixProfile": posix and [posix.uid, posix.gid, *posix.secondary_gids],
        "Tags": tag_items(user.tags),
    }


def key_item(server_id: str, user_name: str, key: SshPublicKey, generation: str, at: datetime) -> Item:
    return {
        "Server": server_id,
        "Entry": key_entry(user_name, generation, key.key_id),
        "Generation": generation,
        "WrittenAt": items.stamp(at),
        "SshPublicKeyId": key.key_id,
        "SshPublicKeyBody": key.body,
        "Fingerprint": key.fingerprint,
        "Comment": key.comment,
        "DateImported": items.stamp(key.imported_at),
    }


def stored_home(server_id: str, user_name: str, generation: str, home: Home, at: datetime) -> StoredHome:
    """Return the home under a new `HomeGeneration`, in chunks if it is too large for the user row."""
    home_generation = new_generation()
    pieces = list(_pieces(home.mappings))
    inline = pieces.pop() if len(pieces) == 1 else []
    attributes = {
        "HomeDirectoryType": home.type.value,
        "HomeDirectory": home.directory,
        "HomeDirectoryMappings": inline,
        "HomeGeneration": home_generation,
        "HomeChunks": len(pieces),
    }
    chunks = (
        {
            "Server": server_id,
            "Entry": f"{user_entry(user_name)}#home#{home_generation}#{number:03}",
            "Generation": generation,
            "WrittenAt": items.stamp(at),
            "HomeGeneration": home_generation,
            "HomeDirectoryMappings": piece,
        }
        for number, piece in enumerate(pieces)
    )
    return StoredHome(attributes, tuple(chunks))


def _pieces(mappings: Iterable[Mapping]) -> Iterator[list[dict[str, str]]]:
    """Yield the mappings as they are stored, in lists of up to `CHUNK_BYTES`."""
    piece: list[dict[str, str]] = []
    size = 0
    for mapping in mappings:
        # The names of the two members, and what DynamoDB adds for a map in a list, are 19 bytes; a type 14.
        more = len(mapping.entry.encode()) + len(mapping.target.encode()) + 24
        more += 17 if _has_type(mapping) else 0
        if piece and size + more > CHUNK_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(_mapping_item(mapping))
        size += more
    if piece:
        yield piece


def _mapping_item(mapping: Mapping) -> dict[str, str]:
    item = {"Entry": mapping.entry, "Target": mapping.target}
    if _has_type(mapping):
        item["Type"] = mapping.type.value
    return item


def _has_type(mapping: Mapping) -> bool:
    return mapping.says_type or mapping.type is MappingType.FILE


def _mapping(item: dict[str, str]) -> Mapping:
    # Absent means DIRECTORY, as in Transfer Family; the rows of earlier versions have none.
    kind = MappingType(item.get("Type", MappingType.DIRECTORY))
    return Mapping(item["Entry"], item["Target"], kind, "Type" in item)


def _posix_profile(numbers: list[int] | None) -> PosixProfile | None:
    return PosixProfile(numbers[0], numbers[1], tuple(numbers[2:])) if numbers else None


def _ssh_key(row: dict[str, Any]) -> SshPublicKey:
    return SshPublicKey(
        key_id=KeyId(row["SshPublicKeyId"]),
        body=row["SshPublicKeyBody"],
        fingerprint=row["Fingerprint"],
        comment=row["Comment"],
        imported_at=items.moment(row["DateImported"]),
    )
