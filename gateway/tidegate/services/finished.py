"""Which versions of an object are whole files that somebody finished: asked of the records, never of S3."""

from __future__ import annotations

from tidegate.core.errors import NotFound
from tidegate.core.holding import held_at
from tidegate.core.ids import LogId
from tidegate.core.imports import import_id
from tidegate.core.objects import META_RENAME_ID, StoredObject
from tidegate.core.renames import story_of
from tidegate.core.transfers import TransferStatus
from tidegate.ports.transfer_log import Story, TransferLog


async def is_finished(log: TransferLog, stored: StoredObject) -> bool:
    """
    Tell whether this version may be delivered in place of an older one.

    So may what a COMPLETED upload or import wrote, and a renamed file that is owed under the name it has now;
    but nothing whose own delivery is HELD.
    """
    story = await _story(log, stored)
    if story is None or held_at(story.deliveries, stored.location):
        return False
    return _is_completed(story, stored) or _is_owed(story, stored)


async def is_completed(log: TransferLog, stored: StoredObject) -> bool:
    """
    Tell whether this is a file of a COMPLETED upload or import, renamed perhaps, whatever becomes of what
    it owes.
    """
    story = await _story(log, stored)
    if story is None:
        return False
    is_renamed = META_RENAME_ID in stored.metadata and _has_completed(story)
    return is_renamed or _is_completed(story, stored)


async def _story(log: TransferLog, stored: StoredObject) -> Story | None:
    log_id = story_of(stored) or import_id(stored)
    if log_id is None:
        return None
    try:
        return await log.story(LogId(log_id))
    except NotFound:
        return None


def _has_completed(story: Story) -> bool:
    return story.record is not None and story.record.status is TransferStatus.COMPLETED


def _is_completed(story: Story, stored: StoredObject) -> bool:
    record = story.record
    if record is None or not _has_completed(story):
        return False
    where = (record.bucket, record.object_key, record.version_id)
    return where == (stored.location.bucket, stored.location.key, stored.version_id)


def _is_owed(story: Story, stored: StoredObject) -> bool:
    wanted = (stored.location, stored.version_id)
    return any((each.source, each.version_id) == wanted for each in story.deliveries)
