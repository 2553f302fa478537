"""A gateway that was silent for longer than its lease asks before it publishes anything."""

from __future__ import annotations

import pytest

from tidegate.core.errors import ChangedMeanwhile, StoreUnavailable
from tidegate.core.transfers import TransferStatus
from unit.services.world import LARGE, SMALL, close, send

S = TransferStatus
BODIES = pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
PUBLISHING = {"put", "complete_multipart"}


async def silent(world, body, **settings):
    """Return an upload of a gateway that has been silent since the last byte came."""
    upload = await world.begin(world.uploads(**settings))
    await send(upload, body)
    world.is_fresh = False
    return upload


async def swept(world, upload):
    """Let another gateway take the record and end it, its abort of the parts still on its way."""
    record = await world.record(upload)
    claimed = await world.log.inner.take_over(record, "gw-sweeper", world.clock.now())
    await world.log.inner.end(claimed.owner, S.ABANDONED, world.clock.now(), error="swept")


@BODIES
async def test_while_it_is_heard_it_does_not_ask(world, body):
    """An upload of a gateway whose lease is fresh costs no reading of its record."""
    upload = await world.begin()
    await send(upload, body)
    await upload.finish()
    assert "story" not in world.calls


@BODIES
async def test_still_its_own(world, body):
    """If nobody has taken the record meanwhile the upload is completed."""
    upload = await silent(world, body)
    await upload.finish()
    assert world.calls.count("story") == 1
    await world.keeps_its_promises(upload, body, None)


@BODIES
async def test_swept_meanwhile(world, body):
    """If the record was taken, nothing is published that it no longer speaks of, and CLOSE fails."""
    upload = await silent(world, body)
    await swept(world, upload)
    error = await close(upload)
    assert type(error) is ChangedMeanwhile
    assert not PUBLISHING & set(world.calls)
    assert (await world.record(upload)).error == "swept"
    await world.keeps_its_promises(upload, body, error)


@BODIES
async def test_swept_meanwhile_and_dropped(world, body):
    """Neither is a partial object stored for a record that was taken."""
    upload = await silent(world, body, store_partial=True)
    await swept(world, upload)
    await upload.abandon("gone")
    assert not PUBLISHING & set(world.calls)
    await world.keeps_its_promises(upload, body, StoreUnavailable("dropped"))


@BODIES
async def test_not_to_be_asked(world, body):
    """If the record cannot be read nothing is published: CLOSE fails, and the client sends again."""
    upload = await silent(world, body)
    world.log.fail("story")
    error = await close(upload)
    assert type(error) is StoreUnavailable
    assert not PUBLISHING & set(world.calls)
    await world.keeps_its_promises(upload, body, error)
