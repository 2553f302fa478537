"""The time a client gives its file, as it is kept and read again."""

from __future__ import annotations

import pytest

from tidegate.core.attributes import kept_mtime, tags_with_mtime, time_of, with_mtime
from tidegate.core.objects import META_MTIME, Location, StoredObject


def described(said: str | None) -> StoredObject:
    metadata = {} if said is None else {META_MTIME: said}
    return StoredObject(Location("b", "k"), 1, '"e"', None, metadata=metadata)


@pytest.mark.parametrize("mtime", [0, 1_700_000_000, 2**32 - 1])
def test_what_is_written_is_read(mtime):
    """Any time SFTP can carry comes back, from metadata and from a tag."""
    assert kept_mtime(described(with_mtime({}, mtime)[META_MTIME])) == mtime
    assert kept_mtime(described(None), tags_with_mtime((), mtime)) == mtime
    assert int(time_of(mtime).timestamp()) == mtime


def test_the_tag_is_later():
    """A time set on a stored file replaces the one it came with, also if it is 0."""
    assert kept_mtime(described("5"), ((META_MTIME, "7"),)) == 7
    assert kept_mtime(described("5"), ((META_MTIME, "0"),)) == 0


def test_no_time_is_none():
    """Metadata without a time say nothing, and an unknown time adds none."""
    assert kept_mtime(described(None), (("team", "x"),)) is None
    assert with_mtime({"a": "b"}, None) == {"a": "b"}


@pytest.mark.parametrize("said", ["", "-1", "1.5", "x", "٣", "1" * 5000, "0x10"])
def test_what_others_write_is_not_believed(said):
    """Whoever may write to the bucket can write anything there: what is no time is none."""
    assert kept_mtime(described(said)) is None


def test_other_tags_stay():
    """Only the time is replaced."""
    there = (("team", "x"), (META_MTIME, "1"))
    assert tags_with_mtime(there, 2) == (("team", "x"), (META_MTIME, "2"))
