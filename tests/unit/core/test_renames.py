"""A rename on record: its states, its story, and what its copy carries."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tidegate.core.errors import IllegalTransition
from tidegate.core.ids import GatewayId, new_log_id
from tidegate.core.objects import (
    META_LOG_ID,
    META_RENAME_ID,
    META_RESTORED_FROM,
    META_TRANSFER_ID,
    Location,
    StoredObject,
)
from tidegate.core.renames import (
    TERMINAL_STATUSES,
    TRANSITIONS,
    Rename,
    RenameStatus,
    advance,
    followed,
    metadata_of_copy,
    metadata_of_restored,
    story_of,
)
from tidegate.core.sessions import Session

NOW = datetime(2026, 3, 9, 14, 5, 59, tzinfo=UTC)
SESSION = Session("0123456789abcdef", "s-0123456789abcdef0", "acme", "192.0.2.7", "SSH-2.0-x", "SHA256:k")
LOG_ID = new_log_id()
OLD, NEW = Location("landing", "acme/a.tmp"), Location("landing", "acme/a")
S = RenameStatus


def stored(**metadata: str) -> StoredObject:
    named = {name.replace("_", "-"): value for name, value in metadata.items()}
    return StoredObject(OLD, 3, '"e"', "v1", metadata=named)


def begun(of: StoredObject | None = None) -> Rename:
    of = of or stored(tidegate_transfer_id=LOG_ID)
    return Rename.begun(SESSION, ("/a.tmp", "/a"), of, NEW, "*", GatewayId("gw-1"), NOW)


@pytest.mark.parametrize("before", list(S))
@pytest.mark.parametrize("after", list(S))
def test_only_the_arrows_of_the_table(before: S, after: S) -> None:
    """PENDING is settled once; nothing leads out of DONE and FAILED."""
    if after in TRANSITIONS[before]:
        assert advance(before, after) is after
    else:
        with pytest.raises(IllegalTransition):
            advance(before, after)
    assert frozenset({S.DONE, S.FAILED}) == TERMINAL_STATUSES


def test_it_belongs_to_the_story_of_the_file() -> None:
    """The LogID of the upload, of an earlier rename's copy, or else one of its own."""
    other = new_log_id()
    assert begun().log_id == LOG_ID
    assert begun(stored(tidegate_log_id=LOG_ID)).log_id == LOG_ID
    for foreign in (stored(), stored(tidegate_transfer_id=""), stored(tidegate_log_id="x" * 500)):
        assert begun(foreign).log_id not in (LOG_ID, other, "")
    assert len({begun().rename_id for _ in range(9)}) == 9


def test_the_copy_tells_the_story_on_and_is_no_upload() -> None:
    """Without the transfer id; with the LogID and the rename's id, also after a second rename."""
    first = begun()
    copied = metadata_of_copy(stored(tidegate_transfer_id=LOG_ID, mine="yes"), first)
    assert copied == {"mine": "yes", META_LOG_ID: LOG_ID, META_RENAME_ID: first.rename_id}
    moved = StoredObject(NEW, 3, '"e"', "v2", metadata=copied)
    second = begun(moved)
    assert second.log_id == LOG_ID
    assert metadata_of_copy(moved, second)[META_RENAME_ID] == second.rename_id


def test_what_is_brought_back_says_so_and_is_no_upload() -> None:
    """With the version it was, and the LogID of its upload; nothing takes it for that upload."""
    back = metadata_of_restored(stored(tidegate_transfer_id=LOG_ID, mine="yes"))
    assert back == {"mine": "yes", META_RESTORED_FROM: "v1", META_LOG_ID: LOG_ID}
    assert META_TRANSFER_ID not in back
    assert metadata_of_restored(stored()) == {META_RESTORED_FROM: "v1"}


def test_it_is_of_one_version_alone() -> None:
    """Another version, another ETag and another key are other objects."""
    one = stored()
    rename = begun(one)
    assert rename.is_of(one)
    others = (replace(one, version_id="v2"), replace(one, etag='"f"'), replace(one, location=NEW))
    assert not any(rename.is_of(other) for other in others)


def test_done_renames_are_followed_one_after_another() -> None:
    """From a to b to c; what failed leads nowhere, and what is PENDING not yet."""
    third = Location("landing", "acme/b")
    first = replace(begun(), rename_id="1").settled(S.DONE, NOW)
    second = replace(begun(), rename_id="2", source=NEW, target=third)
    done, failed = second.settled(S.DONE, NOW), second.settled(S.FAILED, NOW, "no")
    assert followed((done, first), OLD) == done
    for last in (second, failed):
        assert followed((first, last), OLD) == first
    assert followed((), OLD) is None
    assert followed((done,), OLD) is None
    # Two gateways whose clocks differ: what follows what is told by the names.
    assert followed((replace(first, rename_id="3"), done), OLD) == done
    back = replace(done, rename_id="4", source=third, target=OLD)
    assert followed((first, done, back), OLD) == back


@pytest.mark.parametrize("text", ["", "0", "i" * 26, "0" * 27, "O" * 26, "\u0660" * 26])
def test_what_has_no_form_of_a_log_id_names_no_story(text: str) -> None:
    """Metadata can be written by anybody: it must not lead to a key DynamoDB refuses."""
    assert story_of(stored(tidegate_transfer_id=text)) is None
