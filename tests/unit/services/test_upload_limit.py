"""The largest file: up to it everything is as always, beyond it nothing is published."""

from __future__ import annotations

import pytest

from tidegate.core.errors import OutOfOrderWrite, TooLarge
from tidegate.core.transfers import TransferStatus
from tidegate.services.intake import Uploads
from tidegate.services.uploads import UploadSettings
from unit.services.world import HERE, PATH, SESSION, World

MOST = 40  # two base parts and a bit


def limited(world: World, *, store_partial: bool = False) -> Uploads:
    made = world.uploads(store_partial=store_partial)
    wanted = made._settings
    made._settings = UploadSettings(
        wanted.schedule, wanted.reorder_window_bytes, wanted.parallel_parts, store_partial, MOST
    )
    return made


async def send(upload, offsets, step):
    for offset in offsets:
        await upload.write(offset, bytes(step))


@pytest.fixture
def world() -> World:
    return World()


async def test_a_file_of_just_that_size_arrives(world):
    """The limit itself is allowed, in writes of any size."""
    upload = await limited(world).begin(SESSION, PATH, HERE)
    for offset in range(0, MOST, 8):
        await upload.write(offset, bytes(8))
    await upload.finish()
    assert (await world.record(upload)).status is TransferStatus.COMPLETED


@pytest.mark.parametrize("step", [1, 7, 41])
async def test_a_byte_more_fails_the_write_and_the_close(world, step):
    """The write that reaches beyond fails in fixed words, and so does CLOSE; the record names the limit."""
    upload = await limited(world).begin(SESSION, PATH, HERE)
    await send(upload, range(0, MOST - step + 1, step), step)
    with pytest.raises(TooLarge) as refused:
        await upload.write(upload.received_bytes, bytes(step))
    assert refused.value.text == "File too large"
    with pytest.raises(TooLarge):
        await upload.finish()
    record = await world.record(upload)
    assert record.status is TransferStatus.FAILED
    assert "limits.max_file_bytes" in (record.error or "")
    assert await world.object() is None
    assert await world.deliveries(upload) == ()


async def test_nothing_of_it_is_kept_as_a_partial_file_either(world):
    """Where dropped uploads are stored, one that was too large and then dropped is not."""
    upload = await limited(world, store_partial=True).begin(SESSION, PATH, HERE)
    await upload.write(0, bytes(30))
    with pytest.raises(TooLarge):
        await upload.write(30, bytes(11))
    await upload.abandon("the session ended")
    assert (await world.record(upload)).status is TransferStatus.FAILED
    assert await world.object() is None


async def test_a_gap_is_still_called_a_gap(world):
    """A write far ahead is refused as the random access it is, as Transfer Family does."""
    upload = await limited(world).begin(SESSION, PATH, HERE)
    with pytest.raises(OutOfOrderWrite):
        await upload.write(1_000, b"x")
    await upload.abandon("done")
