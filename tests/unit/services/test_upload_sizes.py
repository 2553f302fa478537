"""What a client says of its file's size before CLOSE: equal, larger, smaller."""

from __future__ import annotations

import pytest

from tidegate.core.errors import GatewayError, Incomplete, OutOfOrderWrite
from tidegate.core.transfers import TransferStatus
from unit.services.world import BASE_PART, LARGE, SMALL, WINDOW, close, send

S = TransferStatus


async def test_equal(world):
    """The bytes that came are the file."""
    upload = await world.begin()
    await send(upload, SMALL)
    await upload.set_size(len(SMALL))
    assert await close(upload) is None
    assert await world.content() == SMALL


async def test_announced_first(world):
    """A client may say the size before it sends the bytes, as those do that ask for room."""
    upload = await world.begin()
    await upload.set_size(len(LARGE))
    await send(upload, LARGE)
    assert await close(upload) is None
    assert await world.content() == LARGE


@pytest.mark.parametrize("body", [SMALL, LARGE])
async def test_larger_fails_the_close(world, body):
    """A file announced larger than it came is not whole, and nothing of it is published."""
    upload = await world.begin()
    await send(upload, body)
    await upload.set_size(len(body) + 1)
    error = await close(upload)
    assert isinstance(error, Incomplete)
    await world.keeps_its_promises(upload, body, error)
    record = await world.record(upload)
    assert record.status is S.FAILED
    assert f"{len(body)} bytes of {len(body) + 1} announced" in record.error


async def test_more_than_announced(world):
    """A file may grow beyond what was set, as anywhere."""
    upload = await world.begin()
    await upload.set_size(1)
    await send(upload, SMALL)
    assert await close(upload) is None
    assert await world.content() == SMALL


async def test_the_last_word_counts(world):
    """A client that takes back what it announced gets what it said last."""
    upload = await world.begin()
    await send(upload, SMALL)
    await upload.set_size(1000)
    await upload.set_size(len(SMALL))
    assert await close(upload) is None


async def test_smaller_cuts(world):
    """What was not sent to S3 yet is cut; what is written after it follows the cut."""
    upload = await world.begin()
    await send(upload, SMALL)
    await upload.set_size(4)
    assert upload.received_bytes == 4
    await upload.write(4, b"new")
    assert await close(upload) is None
    assert await world.content() == SMALL[:4] + b"new"


async def test_smaller_cuts_what_came_ahead(world):
    """Bytes that came out of order beyond the size are cut, and leave no gap."""
    upload = await world.begin()
    await upload.write(0, b"abc")
    await upload.write(3 + WINDOW - 1, b"x")
    await upload.set_size(3)
    assert await close(upload) is None
    assert await world.content() == b"abc"


async def test_smaller_than_what_is_in_s3(world):
    """Parts cannot be taken back: refused, and CLOSE fails too, as many clients ignore the answer."""
    upload = await world.begin()
    await send(upload, LARGE)
    with pytest.raises(OutOfOrderWrite):
        await upload.set_size(BASE_PART - 1)
    assert not upload.is_alive
    error = await close(upload)
    assert isinstance(error, OutOfOrderWrite)
    await world.keeps_its_promises(upload, LARGE, error)


async def test_does_not_heal(world):
    """After a failed WRITE a client that cuts to what it believes to be there has failed all the same."""
    upload = await world.begin()
    await send(upload, SMALL)
    with pytest.raises(OutOfOrderWrite):
        await upload.write(1000, b"x")
    with pytest.raises(OutOfOrderWrite):
        await upload.set_size(len(SMALL))
    assert isinstance(await close(upload), OutOfOrderWrite)


async def test_after_the_end(world):
    """An upload that has ended has no size to set."""
    upload = await world.begin()
    assert await close(upload) is None
    with pytest.raises(GatewayError, match="ended already"):
        await upload.set_size(0)
