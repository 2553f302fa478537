"""How a home is cut into rows of the directory table, and put together again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tidegate.adapters.aws.directory_items import (
    CHUNK_BYTES,
    NameRows,
    name_in,
    new_generation,
    range_of,
    stored_home,
    user_entry,
    user_item,
)
from tidegate.core.errors import ChangedMeanwhile
from tidegate.core.limits import KIB
from tidegate.core.users import Home, HomeDirectoryType, Mapping, MappingType, User

NOW = datetime(2026, 1, 2, tzinfo=UTC)
# DynamoDB Developer Guide, "Quotas": an item holds 400 KiB.
ITEM_BYTES = 400 * KIB


def size_of(value: object) -> int:
    """Return what DynamoDB counts, rounded up: UTF-8 bytes, names included, and 3 and 1 for each nesting."""
    if isinstance(value, dict):
        return 3 + sum(len(name) + size_of(member) + 1 for name, member in value.items())
    if isinstance(value, list):
        return 3 + sum(size_of(member) + 1 for member in value)
    return len(value.encode()) if isinstance(value, str) else 21


def logical(mappings: tuple[Mapping, ...]) -> Home:
    return Home(HomeDirectoryType.LOGICAL, "/", mappings)


def rows_of(home: Home, generation: str = "g") -> list[dict[str, object]]:
    user = User("s-0123456789abcdef0", "acme", home, NOW)
    stored = stored_home(user.server_id, user.user_name, generation, home, NOW)
    return [user_item(user, generation, stored, NOW), *stored.chunks]


HOMES = {
    "path": Home(HomeDirectoryType.PATH, "/landing/acme"),
    "chroot": Home.chroot("/landing/acme"),
    "nearly too large": logical(tuple(Mapping(f"/{n:03}", "x" * 973) for n in range(CHUNK_BYTES // 1001))),
    "just too large": logical(tuple(Mapping(f"/{n:03}", "x" * 973) for n in range(CHUNK_BYTES // 1001 + 1))),
    "many": logical(tuple(Mapping(f"/{n}", f"/landing/{n}") for n in range(2000))),
    "largest": logical(tuple(Mapping(f"/{n:04}" + "é" * 1019, "/" + "😀" * 1023) for n in range(2000))),
    "many files": logical(tuple(Mapping(f"/{n}", f"/landing/{n}", MappingType.FILE) for n in range(2000))),
    "largest files": logical(
        tuple(Mapping(f"/{n:04}", "/" + "x" * 1023, MappingType.FILE) for n in range(2000))
    ),
    "one huge": logical((Mapping("/a", "x"), Mapping("/b", "x" * CHUNK_BYTES), Mapping("/c", "x"))),
}


@pytest.mark.parametrize("home", HOMES.values(), ids=HOMES)
class TestCutting:
    def test_comes_back(self, home):
        """A home is put together from its rows as it was, in order."""
        assert NameRows("acme", tuple(rows_of(home))).user().home == home

    def test_fits(self, home):
        """Every row fits into an item, with room for whatever else it says."""
        assert max(map(size_of, rows_of(home))) < ITEM_BYTES - 50 * KIB

    def test_order_of_entries(self, home):
        """The order of the entries is that of the chunks, behind their user and in its range alone."""
        entries = [row["Entry"] for row in rows_of(home)]
        first, last = range_of("acme")
        assert entries == sorted(entries)
        assert all(first <= entry <= last and name_in(entry) == "acme" for entry in entries)


def test_small_homes_need_no_chunks():
    """Only a home that is too large for the user row has chunks, and then the user row holds none of it."""
    counts = {name: len(rows_of(home)) for name, home in HOMES.items()}
    assert counts["path"] == counts["chroot"] == counts["nearly too large"] == counts["many"] == 1
    assert counts["just too large"] == 3
    assert rows_of(HOMES["just too large"])[0]["HomeDirectoryMappings"] == []


def test_a_mapping_without_a_type_is_a_directory():
    """As in Transfer Family; so are those of rows written before there were types."""
    row = rows_of(logical((Mapping("/in", "/landing/in"), Mapping("/a", "/landing/a", MappingType.FILE))))[0]
    assert row["HomeDirectoryMappings"] == [
        {"Entry": "/in", "Target": "/landing/in"},
        {"Entry": "/a", "Target": "/landing/a", "Type": "FILE"},
    ]


def test_no_other_name_is_in_the_range():
    """Names that begin the same, and whatever rows they have, lie outside a user's range."""
    first, last = range_of("acme")
    for name in ("acm", "acme-2", "acme.eu", "acme@x", "acme_", "acme2", "acmes", "Acme"):
        for entry in (user_entry(name), f"{user_entry(name)}#key#g#key-1"):
            assert not first <= entry <= last


def test_generations_differ():
    """No two generations, and no two homes, are alike."""
    assert len({new_generation() for _ in range(100)}) == 100
    homes = [rows_of(HOMES["chroot"])[0]["HomeGeneration"] for _ in range(100)]
    assert len(set(homes)) == 100


@pytest.mark.parametrize("gone", [1, 2])
def test_chunks_of_another_home_do_not_help(gone):
    """A missing chunk is missed, whatever chunks of other homes or generations are there."""
    rows = rows_of(HOMES["just too large"])
    others = [*rows_of(HOMES["just too large"])[1:], *rows_of(HOMES["just too large"], "other")[1:]]
    found = NameRows("acme", (*rows[:gone], *rows[gone + 1 :], *others))
    with pytest.raises(ChangedMeanwhile, match="1 of 2 chunks"):
        found.user()
