"""Imports: the id that follows from the object, and whose objects have one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tidegate.core import objects
from tidegate.core.errors import InvalidName
from tidegate.core.ids import derived_log_id, is_log_id, made_at_ms, new_log_id
from tidegate.core.imports import NOBODY, import_id, is_foreign
from tidegate.core.objects import Location, StoredObject
from tidegate.core.users import check_user_name

AT = datetime(2026, 3, 9, 14, 5, 59, tzinfo=UTC)
OBJECT = StoredObject(Location("landing", "a/b.csv"), 5, '"e"', "v1", AT)

OTHERS = {
    "another bucket": replace(OBJECT, location=Location("landing2", "a/b.csv")),
    "another key": replace(OBJECT, location=Location("landing", "a/c.csv")),
    "bucket and key divided elsewhere": replace(OBJECT, location=Location("landinga", "/b.csv")),
    "another version": replace(OBJECT, version_id="v2"),
    "another moment": replace(OBJECT, modified_at=AT + timedelta(seconds=1)),
}


def test_the_same_object_has_the_same_id():
    """Whoever looks at the object, however often, gets one id, in the form of all LogIDs."""
    found = import_id(OBJECT)
    assert found is not None
    assert found == import_id(replace(OBJECT, metadata={"a": "b"}))
    assert is_log_id(found)


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_another_object_has_another_id(other):
    """Every new version is a new import."""
    assert import_id(other) != import_id(OBJECT)


def test_without_versions_the_etag_tells():
    """Where a bucket has no versions, what was replaced within a second is another import."""
    bare = replace(OBJECT, version_id=None)
    assert import_id(bare) != import_id(replace(bare, etag='"f"'))


def test_ids_are_in_order_of_the_objects_times():
    """An import stands in the list where the object came, not where it was noticed."""
    found = import_id(OBJECT)
    assert made_at_ms(found) == AT.timestamp() * 1000
    later = new_log_id(int(AT.timestamp() * 1000) + 1)
    assert found < later


def test_a_derived_id_is_as_it_was():
    """Ids are on record for years: the same facts must never come to mean another."""
    assert derived_log_id(1_773_065_159_000, "landing", "ä\ud800", "v") == "01kk9epgar8bzbqjc20pxnyqht"


@pytest.mark.parametrize(
    "mark",
    [
        objects.META_TRANSFER_ID,
        objects.META_DELIVERED_FROM,
        objects.META_LOG_ID,
        objects.META_RENAME_ID,
        objects.META_RESTORED_FROM,
    ],
)
def test_what_a_gateway_wrote_is_not_foreign(mark):
    """Uploads, delivered copies, renamed and restored files are never imported."""
    ours = replace(OBJECT, metadata={mark: "x"})
    assert not is_foreign(ours)
    assert import_id(ours) is None


def test_nobody_is_no_user():
    """What stands for a user in an import's record is no name that anybody can be given."""
    with pytest.raises(InvalidName, match="no valid partner name"):
        check_user_name(NOBODY)
