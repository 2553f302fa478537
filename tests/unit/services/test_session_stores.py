"""What acts with the rights of a session, and what with the gateway's own."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.core.errors import AccessDenied, GatewayError, NotFound
from tidegate.core.homes import home_from_target
from tidegate.core.iam.documents import policy_of
from tidegate.core.iam.evaluation import Entitlement, Layer
from tidegate.core.ids import GatewayId
from tidegate.core.objects import Location, NewObject, Storage
from tidegate.core.open_modes import OpenIntent
from tidegate.core.paths import HomeTree
from tidegate.core.routes import Routes
from tidegate.core.shards import SHARD_COUNT
from tidegate.core.transfers import TransferStatus
from tidegate.services.authorised_store import AuthorisedStore
from tidegate.services.browsing import Browsing
from tidegate.services.directory_renames import DirectoryRules
from tidegate.services.downloads import Downloads
from tidegate.services.hashes import Hashes
from tidegate.services.intake import Backends
from tidegate.services.part_sender import Digest
from tidegate.services.renames import Renames
from unit.services.faults import AFTER, Faulty
from unit.services.world import GATEWAY, HERE, LARGE, PATH, SESSION, SMALL, World, close, send

WRITE_ONLY = {"Effect": "Allow", "Action": ["s3:PutObject", "kms:*"], "Resource": "*"}


def acting(world: World, *statements: Any) -> AuthorisedStore:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return AuthorisedStore(
        world.store, Entitlement((Layer("the policy", (policy_of("the policy", document),)),))
    )


def denied() -> AccessDenied:
    return AccessDenied("AssumeRole: AccessDenied: the role does not trust the gateway any more")


async def put(world: World, at: Location, body: bytes = SMALL) -> None:
    digest = Digest()
    await world.store.inner.put(NewObject(at, None, {}), body, await digest.take(bytearray(body)))


# --- uploads --------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
async def test_who_may_only_write_uploads(world: World, body: bytes) -> None:
    """The gateway looks with its own rights whether the file is whole: its partner may not read it."""
    upload = await world.uploads().begin(SESSION, PATH, HERE, store=acting(world, WRITE_ONLY))
    await send(upload, body)
    assert await close(upload) is None
    await world.keeps_its_promises(upload, body, None)


async def test_a_file_that_may_not_be_written_is_refused_at_open(world: World) -> None:
    """Before a record is begun, and before the client sends it for nothing."""
    with pytest.raises(AccessDenied, match="s3:PutObject"):
        await world.uploads().begin(SESSION, PATH, HERE, store=acting(world))
    assert await world.records() == []
    assert world.budget.taken_bytes == 0


@pytest.mark.parametrize("step", ["create_multipart", "upload_part", "complete_multipart"])
async def test_credentials_that_are_not_renewed(world: World, step: str) -> None:
    """The upload is FAILED, CLOSE fails, nothing is published, and the gateway itself drops the parts."""
    session = Faulty(world.store.inner)
    session.fail(step, denied(), call=None)
    session.fail("abort_multipart", denied(), call=None)
    upload = await world.uploads().begin(SESSION, PATH, HERE, store=session)
    error: GatewayError | None = None
    try:
        await send(upload, LARGE)
    except AccessDenied as refused:
        error = refused
    error = await close(upload) or error
    assert isinstance(error, AccessDenied)
    assert (await world.record(upload)).status is TransferStatus.FAILED
    assert not world.store.open_uploads
    await world.keeps_its_promises(upload, LARGE, error)
    assert "abort_multipart" not in session.calls


async def test_a_small_file_whose_put_is_denied(world: World) -> None:
    """CLOSE fails, and the record says so."""
    session = Faulty(world.store.inner)
    session.fail("put", denied(), call=None)
    upload = await world.uploads().begin(SESSION, PATH, HERE, store=session)
    await send(upload, SMALL)
    error = await close(upload)
    assert isinstance(error, AccessDenied)
    record = await world.record(upload)
    assert record.status is TransferStatus.FAILED
    assert record.error is not None
    assert "does not trust" in record.error


async def test_rights_that_end_while_the_answer_is_on_its_way(world: World) -> None:
    """What is stored is found by the gateway's own: the record does not say FAILED of it."""
    session = Faulty(world.store.inner)
    session.fail("put", denied(), moment=AFTER, call=None)
    upload = await world.uploads().begin(SESSION, PATH, HERE, store=session)
    await send(upload, SMALL)
    assert await close(upload) is None
    await world.keeps_its_promises(upload, SMALL, None)


async def test_a_dropped_upload_is_published_with_the_rights_of_its_session(world: World) -> None:
    """As Transfer Family does; where those are gone, nothing is published."""
    for is_denied, status in ((False, TransferStatus.PARTIAL), (True, TransferStatus.FAILED)):
        session = Faulty(world.store.inner)
        if is_denied:
            session.fail("complete_multipart", denied(), call=None)
        upload = await world.uploads(store_partial=True).begin(SESSION, PATH, HERE, store=session)
        await send(upload, LARGE)
        await upload.abandon("gone")
        assert (await world.record(upload)).status is status
        await world.keeps_its_promises(upload, LARGE, denied())
        assert not world.store.open_uploads


async def test_appending_takes_the_right_to_read(world: World) -> None:
    """What the file begins with is read, or copied, with the rights of the session."""
    await put(world, HERE)
    intent = OpenIntent(is_write=True, continues=True, appends=True, must_exist=False, must_be_new=False)
    with pytest.raises(AccessDenied, match="s3:GetObject"):
        await world.uploads(resume=True).begin(SESSION, PATH, HERE, intent, store=acting(world, WRITE_ONLY))
    may_all = acting(world, {"Effect": "Allow", "Action": "*", "Resource": "*"})
    upload = await world.uploads(resume=True).begin(SESSION, PATH, HERE, intent, store=may_all)
    await upload.write(len(SMALL), b"more")
    assert await close(upload) is None
    assert await world.content() == SMALL + b"more"


# --- downloads and hashes -------------------------------------------------------------------


async def test_reading_takes_the_rights_of_the_session(world: World) -> None:
    """Opening, every block, and a digest."""
    await put(world, HERE)
    downloads = Downloads(world.store, world.log, world.clock, GATEWAY, world.budget, 16)
    hashes = Hashes(world.store, world.log)
    no_rights = acting(world)
    with pytest.raises(AccessDenied):
        await downloads.begin(SESSION, PATH, HERE, store=no_rights)
    with pytest.raises(AccessDenied):
        await hashes.at(HERE, store=no_rights)
    session = Faulty(world.store.inner)
    session.fail("read", denied(), call=None)
    opened = await downloads.begin(SESSION, PATH, HERE, store=session)
    with pytest.raises(AccessDenied):
        await opened.read(0, 4)
    opened.finish()
    await downloads.recorded()


# --- names ----------------------------------------------------------------------------------


def browsing(world: World, store: Any, gateway: GatewayId = GATEWAY) -> Browsing:
    backends = Backends(world.store, world.log, world.clock, gateway)
    routes = Routes((), Storage())
    renames = Renames(backends, world.log, routes, world.held(), directories=DirectoryRules(100))
    return Browsing(HomeTree(home_from_target("/landing/acme"), "acme"), SESSION, store, renames, routes)


def may(*actions: str, below: str = "") -> dict[str, Any]:
    objects = f"arn:aws:s3:::landing/acme/{below}*"
    return {"Effect": "Allow", "Action": list(actions), "Resource": ["arn:aws:s3:::landing", objects]}


READ, WRITE, REMOVE = ("s3:ListBucket", "s3:GetObject"), ("s3:PutObject",), ("s3:DeleteObject",)


async def test_a_file_can_be_described_without_being_listed(world: World) -> None:
    """STAT of a file takes the right to read it; what is not there is denied to who may not list."""
    await put(world, HERE)
    names = browsing(world, acting(world, may("s3:GetObject")))
    assert (await names.stat(PATH)).size == len(SMALL)
    for missing in ("/in/other.csv", "/in"):
        with pytest.raises(AccessDenied):
            await names.stat(missing)


@pytest.mark.parametrize("missing", [READ, WRITE, REMOVE], ids=lambda actions: actions[-1])
async def test_a_rename_takes_reading_writing_and_removing(world: World, missing: tuple[str, ...]) -> None:
    """Without one of them nothing is copied and nothing removed; with all it is done."""
    await put(world, HERE)
    there = Location("landing", "acme/in/new.csv")
    rights = [may(*each) for each in (READ, WRITE, REMOVE) if each is not missing]
    with pytest.raises(AccessDenied):
        await browsing(world, acting(world, *rights)).rename(PATH, "/in/new.csv", overwrite=False)
    assert (await world.content(HERE), await world.content(there)) == (SMALL, None)
    all_rights = acting(world, may(*READ, *WRITE, *REMOVE))
    await browsing(world, all_rights).rename(PATH, "/in/new.csv", overwrite=False)
    assert (await world.content(HERE), await world.content(there)) == (None, SMALL)


async def test_a_rename_to_where_the_session_may_not_write(world: World) -> None:
    """The file keeps its name, and its rename is FAILED at once: no sweep carries it out."""
    await put(world, HERE)
    rights = acting(world, may(*READ, *REMOVE), may(*WRITE, below="in/"))
    with pytest.raises(AccessDenied):
        await browsing(world, rights).rename(PATH, "/out.csv", overwrite=False)
    assert await world.content(HERE) == SMALL
    for shard in range(SHARD_COUNT):
        assert await world.log.inner.pending_renames(shard) == []


async def test_a_directory_is_renamed_file_by_file_with_the_rights_of_the_session(world: World) -> None:
    """A file that may not be removed keeps its name."""
    for name in ("a", "b"):
        await put(world, Location("landing", f"acme/in/{name}"))
    held = {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::landing/acme/in/b"}
    rights = acting(world, may(*READ, *WRITE, *REMOVE), held)
    with pytest.raises(AccessDenied):
        await browsing(world, rights).rename("/in", "/new", overwrite=False)
    assert await world.content(Location("landing", "acme/in/b")) == SMALL
    assert await world.content(Location("landing", "acme/new/b")) is None
    listing_denied = acting(world, may(*READ, *WRITE, *REMOVE, below="new"))
    with pytest.raises(AccessDenied):
        await browsing(world, listing_denied).rename("/in", "/newer", overwrite=False)


async def test_directories_take_the_rights_of_the_session(world: World) -> None:
    """Making, listing, removing."""
    names = browsing(world, acting(world, may("s3:GetObject")))
    with pytest.raises(AccessDenied):
        await names.make_directory("/new")
    with pytest.raises(AccessDenied):
        [entry async for entry in names.list("/")]
    with pytest.raises(AccessDenied):
        await names.remove_directory("/in")
    with pytest.raises(NotFound):
        await browsing(world, acting(world, may(*READ))).remove("/nothing")
