"""Files that are held back: released by sidecars, by sweeps and by administrators; each of them once."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from tidegate.core.acceptance import Duplicates, Rules
from tidegate.core.deliveries import DeliveryStatus
from tidegate.core.errors import AccessDenied, ChangedMeanwhile, IllegalTransition, InvalidSettings, NotFound
from tidegate.core.holding import Holding
from tidegate.core.ids import LogId
from tidegate.core.objects import NewObject
from tidegate.core.renames import Rename
from tidegate.core.sidecars import Sidecar, SidecarKind
from tidegate.core.transfers import TransferRecord, TransferStatus
from tidegate.services import due_rows
from tidegate.services.decisions import Decisions
from tidegate.services.part_sender import Digest
from unit.services.faults import AFTER
from unit.services.rules_world import RulesWorld, key_of
from unit.services.world import GATEWAY, LARGE, SESSION, SMALL, TARGETS, send, turns

S = TransferStatus
BODY = b"name;amount\nann;1\nTRL;1\n"
OK, SHA = Sidecar.with_suffix(".ok"), Sidecar.with_suffix(".sha256")
MANIFEST = Sidecar(SidecarKind.MANIFEST, "m-*.txt")


def digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


async def waiting(world: RulesWorld) -> list[LogId]:
    """Return all that wait, due or not."""
    end = world.clock.now() + timedelta(days=1)
    return [row.log_id for shard in range(16) for row in await world.log.inner.waiting(shard, end)]


class TestSidecarsThatCome:
    @pytest.mark.parametrize(
        ("sidecar", "name", "text"),
        [
            (SHA, "x.csv.sha256", digest(BODY)),
            (OK, "x.csv.ok", b""),
            (MANIFEST, "m-1.txt", digest(SMALL) + b"  gone.csv\n" + digest(BODY) + b"  x.csv\n"),
        ],
        ids=["digest", "presence", "manifest"],
    )
    async def test_the_file_is_released(self, sidecar, name, text):
        """It is COMPLETED with its deliveries, by this gateway and with the reason; nothing waits now."""
        world = RulesWorld(Rules(sidecar=sidecar))
        record = await world.put("x.csv", BODY)
        assert await waiting(world) == [record.log_id]
        world.passes(60)
        sidecar_record = await world.put(name, text)
        released = await world.again(record)
        assert (released.status, released.decided_by) == (S.COMPLETED, "gw-ours")
        assert released.decision == "all rules of its route are met"
        assert released.error == record.error, "why it was held back stays on record"
        assert released.timestamp == world.clock.now()
        assert {each.target for each in await world.deliveries(record.log_id)} == {"archive", "lake"}
        assert [each.version_id for each in await world.deliveries(record.log_id)] == [record.version_id] * 2
        assert len(await world.deliveries(sidecar_record.log_id)) == 2
        assert await waiting(world) == []
        assert world.owed_count == 2

    async def test_a_manifest_releases_all_it_names(self):
        """Each file whose digest is right; the others say what is wrong."""
        world = RulesWorld(Rules(sidecar=MANIFEST))
        records = [await world.put(name, BODY) for name in ("a", "b", "c")]
        lines = [digest(BODY) + b"  a", digest(BODY) + b"  b", digest(SMALL) + b"  c"]
        await world.put("m-1.txt", b"\n".join(lines))
        after = [await world.again(record) for record in records]
        assert [each.status for each in after] == [S.COMPLETED, S.COMPLETED, S.SUSPECT]
        assert "m-1.txt says" in after[2].error

    async def test_a_mismatch_stays_and_is_mended(self):
        """A sidecar of other bytes releases nothing; a right one after it does."""
        world = RulesWorld(Rules(sidecar=SHA))
        record = await world.put("x.csv", BODY)
        await world.put("x.csv.sha256", digest(SMALL))
        held = await world.again(record)
        assert held.status is S.SUSPECT
        assert "x.csv.sha256 says" in held.error
        await world.put("x.csv.sha256", digest(BODY))
        assert (await world.again(record)).status is S.COMPLETED

    async def test_a_sidecar_mends_no_other_rule(self):
        """What is too small stays held back, and does not even wait."""
        world = RulesWorld(Rules(sidecar=OK, minimum_bytes=100))
        record = await world.put("x.csv", BODY)
        assert await waiting(world) == []
        await world.put("x.csv.ok", b"")
        held = await world.again(record)
        assert (held.status, held.look_at) == (S.SUSPECT, None)
        assert held.error == "it has 24 bytes, fewer than the 100 asked for", "the sidecar has come"

    async def test_a_file_that_waits_no_longer(self):
        """A sidecar that comes has it judged again all the same: its rules may be others by now."""
        world = RulesWorld(Rules(sidecar=OK, minimum_bytes=100))
        record = await world.put("x.csv", BODY)
        assert record.look_at is None
        world.routes = RulesWorld(Rules(sidecar=OK)).routes
        world.suspects = world.gateway(GATEWAY)
        world.passes(1)
        await world.put("x.csv.ok", b"")
        assert (await world.again(record)).status is S.COMPLETED

    async def test_a_newer_version_and_its_sidecar(self):
        """The sidecar is the newer version's: that is released, and the older one still waits."""
        world = RulesWorld(Rules(sidecar=OK))
        old, new = await world.put("x.csv", BODY), await world.put("x.csv", SMALL)
        world.passes(1)
        await world.put("x.csv.ok", b"")
        assert (await world.again(new)).status is S.COMPLETED
        world.passes(60)
        assert await world.suspects.look_at_due() == 0
        held = await world.again(old)
        assert held.status is S.SUSPECT
        assert held.error.endswith("may be of the newer version that has its name by now")

    async def test_few_are_looked_at_at_once(self):
        """However many sidecars come at the same time, four files are looked at at a time."""
        world = RulesWorld(Rules(sidecar=OK))
        records = [await world.put(f"{n}", BODY) for n in range(9)]
        world.passes(1)
        gate = world.log.hold("release", call=None)
        for n in range(9):
            await (await world.open(f"{n}.ok")).finish()
        await gate.reached.wait()
        await turns(200)
        assert world.log.count("release") == 4
        gate.go.set()
        await world.suspects.ended()
        assert {(await world.again(each)).status for each in records} == {S.COMPLETED}

    async def test_two_gateways_at_once(self):
        """However many look at the same file at the same time, every delivery is written once."""
        world = RulesWorld(Rules(sidecar=OK))
        record = await world.put("x.csv", BODY)
        world.suspects, quiet = world.gateway("gw-other"), world.suspects
        gate = world.log.hold("release", call=None)
        upload = await world.open("x.csv.ok")
        await upload.finish()
        quiet.renamed(await world_rename(world, record))
        world.passes(60)
        sweeping = asyncio.create_task(quiet.look_at_due())
        await gate.reached.wait()
        gate.go.set()
        released = await sweeping
        await world.suspects.ended()
        await quiet.ended()
        assert released in (0, 1)
        assert (await world.again(record)).status is S.COMPLETED
        assert len(await world.deliveries(record.log_id)) == 2
        assert world.log.count("release") >= 2, "more than one tried"
        assert world.owed_count == 2, "the sidecar's own, and the file's once"


async def world_rename(world: RulesWorld, record: TransferRecord) -> Rename:
    """Return a rename that did nothing: only that it is told of is meant."""
    stored = await world.store.inner.head(record.location)
    return Rename.begun(
        SESSION, (record.path, record.path), stored, record.location, "*", GATEWAY, world.clock.now()
    )


class TestWhatMissesEachOther:
    async def test_a_sidecar_between_the_look_and_the_record(self):
        """The file is looked at once more when its record is written, and finds the sidecar."""
        world = RulesWorld(Rules(sidecar=OK))
        upload = await world.open("x.csv")
        await send(upload, BODY)
        gate = world.log.hold("end")
        closing = asyncio.create_task(upload.finish())
        await gate.reached.wait()
        await world.put("x.csv.ok", b"")
        assert (await world.record(upload)).status is S.FINISHING, "nobody could release it then"
        gate.go.set()
        await closing
        await world.suspects.ended()
        assert (await world.record(upload)).status is S.COMPLETED

    async def test_a_gateway_that_dies_before_the_release(self):
        """A sweep of another gateway looks at what waits and is due, and releases it."""
        world = RulesWorld(Rules(sidecar=OK))
        record = await world.put("x.csv", BODY)
        dying = world.suspects
        world.suspects = None
        await (await world.open("x.csv.ok")).finish()
        await dying.ended()
        assert (await world.again(record)).status is S.SUSPECT
        other = world.gateway("gw-other")
        assert await other.look_at_due() == 0, "not due yet"
        world.passes(10)
        assert await other.look_at_due() == 1
        released = await world.again(record)
        assert (released.status, released.decided_by) == (S.COMPLETED, "gw-other")
        assert world.owed_count == 2

    async def test_looks_grow_rare(self):
        """A file that waits for long is looked at hourly, and each look is put off by one write."""
        world = RulesWorld(Rules(sidecar=OK))
        record = await world.put("x.csv", BODY)
        assert world.log.count("hold_back") == 0, "what is new is looked at once more, and not written again"
        for _ in range(200):
            world.passes(3600)
            before = world.log.count("hold_back")
            await world.suspects.look_at_due()
            await world.suspects.look_at_due()
            assert world.log.count("hold_back") == before + 1
        ahead = (await world.again(record)).look_at - world.clock.now()
        assert ahead == timedelta(hours=1)

    async def test_a_look_that_fails_is_made_again(self):
        """S3 that does not answer costs one file one look, and others none; the record says so."""
        world = RulesWorld(Rules(sidecar=OK))
        one, two = await world.put("x.csv", BODY), await world.put("y.csv", BODY)
        world.suspects = None
        for name in ("x.csv.ok", "y.csv.ok"):
            await (await world.open(name)).finish()
        world.passes(60)
        other = world.gateway("gw-other")
        world.store.fail("head", call=1)
        assert await other.look_at_due() == 1
        states = {each.status: each for each in (await world.again(one), await world.again(two))}
        assert states[S.SUSPECT].error == "it could not be looked at: head: no answer"
        world.passes(10)
        assert await other.look_at_due() == 1
        assert {(await world.again(each)).status for each in (one, two)} == {S.COMPLETED}

    async def test_files_of_another_server(self):
        """Gateways of another server have other rules, and leave these alone."""
        world = RulesWorld(Rules(sidecar=OK))
        record = await world.put("x.csv", BODY)
        await world.put("y", b"")
        elsewhere = world.gateway("gw-elsewhere", server_id="s-11111111111111111")
        world.suspects = None
        await (await world.open("x.csv.ok")).finish()
        world.passes(60)
        assert await elsewhere.look_at_due() == 0
        assert (await world.again(record)).status is S.SUSPECT

    async def test_a_version_that_is_gone(self):
        """It says so, and waits no longer."""
        world = RulesWorld(Rules(sidecar=OK), versioned=False)
        record = await world.put("x.csv", BODY)
        await world.store.inner.delete(key_of("x.csv"))
        world.passes(60)
        assert await world.suspects.look_at_due() == 0
        held = await world.again(record)
        assert held.error.startswith("its version is gone")
        assert await waiting(world) == []

    async def test_rules_that_were_changed(self):
        """Whoever judges has the rules of its own configuration: what waits, waits for these."""
        world = RulesWorld(Rules(sidecar=OK))
        record = await world.put("x.csv", BODY)
        world.routes = RulesWorld(Rules(sidecar=SHA)).routes
        world.passes(60)
        await world.gateway("gw-new").look_at_due()
        assert (await world.again(record)).error == "it waits for its sidecar x.csv.sha256"


class TestLooksThatEndWithoutADecision:
    """Each is put off, with its reason: what fails each time must not stand in front of others."""

    async def test_another_object_in_its_place(self):
        """Without versions nothing is left of it: said, put off, and given up after a week."""
        world = RulesWorld(Rules(sidecar=OK), versioned=False)
        record = await world.put("x.csv", BODY)
        await world.put("x.csv", SMALL)
        world.passes(60)
        await world.suspects.look_at_due()
        held = await world.again(record)
        assert "is another object than the record's" in held.error
        assert held.look_at > world.clock.now()
        world.passes(7 * 86400)
        await world.suspects.look_at_due()
        held = await world.again(record)
        assert held.error.endswith("; it is not current any more, and after 7 days waits no longer")
        assert held.look_at is None

    async def test_a_target_that_is_gone(self):
        """Nothing can be owed to it: the record says so, and the file is looked at again."""
        world = RulesWorld(Rules(sidecar=OK))
        record = await world.put("x.csv", BODY)
        world.suspects = None
        await (await world.open("x.csv.ok")).finish()
        world.passes(60)
        world.decisions = replace(world.decisions, targets=TARGETS[:1])
        assert await world.gateway("gw-other").look_at_due() == 0
        held = await world.again(record)
        assert held.status is S.SUSPECT
        assert "which is not configured" in held.error
        assert held.look_at > world.clock.now()
        world.decisions = replace(world.decisions, targets=TARGETS)
        world.passes(60)
        assert await world.gateway("gw-other").look_at_due() == 1

    async def test_a_refusal(self):
        """A look that was refused once is made again, and the file released when all is well."""
        world = RulesWorld(Rules(sidecar=OK))
        record = await world.put("x.csv", BODY)
        world.passes(20)
        world.store.fail("head", AccessDenied("not yours"), when=lambda at, *_: at.key.endswith(".ok"))
        assert await world.suspects.look_at_due() == 0
        held = await world.again(record)
        assert held.error == "it could not be judged: not yours"
        assert held.look_at > world.clock.now()
        world.suspects, ours = None, world.suspects
        await (await world.open("x.csv.ok")).finish()
        world.passes(60)
        assert await ours.look_at_due() == 1

    async def test_a_release_that_cannot_be_written(self):
        """While the record is SUSPECT it is put off, whatever stood in the way."""
        world = RulesWorld(Rules(sidecar=OK))
        record = await world.put("x.csv", BODY)
        world.suspects, ours = None, world.suspects
        await (await world.open("x.csv.ok")).finish()
        world.passes(60)
        world.log.fail("release", ChangedMeanwhile("somebody is at it"))
        assert await ours.look_at_due() == 0
        held = await world.again(record)
        assert (held.status, held.error) == (S.SUSPECT, "it could not be looked at: somebody is at it")
        assert held.look_at > world.clock.now()

    async def test_a_decision_that_was_faster(self):
        """Then nothing is written over it."""
        world = RulesWorld(Rules(sidecar=OK))
        record = await world.put("x.csv", BODY)
        world.passes(60)
        gate = world.store.hold("head")
        looking = asyncio.create_task(world.suspects.look_at_due())
        await gate.reached.wait()
        discarded = await world.decisions.discard(record.log_id, "ann", "no")
        gate.go.set()
        assert await looking == 0
        assert await world.again(record) == discarded

    async def test_a_file_that_is_not_current_any_more(self):
        """It is looked at for a week and no longer; one that is current waits on."""
        world = RulesWorld(Rules(sidecar=OK))
        old = await world.put("x.csv", BODY)
        new = await world.put("x.csv", SMALL)
        world.passes(7 * 86400 - 60)
        await world.suspects.look_at_due()
        assert (await world.again(old)).look_at is not None
        world.passes(3600)
        await world.suspects.look_at_due()
        assert (await world.again(old)).look_at is None
        assert (await world.again(new)).look_at > world.clock.now()

    async def test_a_rename_that_is_under_way(self):
        """While the file has no name for a moment, its version is not taken to be gone for good."""
        world = RulesWorld(Rules(sidecar=OK), versioned=False)
        record = await world.put("x.csv.tmp", BODY)
        rename = await world_rename(world, record)
        await world.log.inner.intend(rename)
        await world.store.inner.delete(record.location)
        world.passes(60)
        await world.suspects.look_at_due()
        assert (await world.again(record)).look_at > world.clock.now()


class TestTheIndex:
    async def test_none_keeps_others_from_their_turn(self):
        """Rows that are never put off fill pages, all in front: a fresh file is looked at all the same."""
        world = RulesWorld(Rules(sidecar=OK))
        elsewhere = [
            replace(await world.put(f"{n}", b"x"), server_id="s-11111111111111111") for n in range(8)
        ]
        transfers = world.log.inner._transfers
        for other in elsewhere:
            transfers[other.log_id] = other
        fresh = await world.put("x.csv", BODY)
        world.suspects = None
        await (await world.open("x.csv.ok")).finish()
        world.passes(60)
        ours = world.gateway("gw-other")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(due_rows, "_PAGE", 2)
            patch.setattr("tidegate.services.due_rows.OPEN_WORK_SHARDS", 1)
            patch.setattr("tidegate.adapters.memory.suspects.shard_of", lambda _: 0)
            assert await ours.look_at_due() == 1
            assert (await world.again(fresh)).status is S.COMPLETED
            before = world.log.count("story")
            assert await ours.look_at_due() == 0
            assert world.log.count("story") == before, "others' rows are known by now"

    async def test_a_sweep_is_not_held_up(self):
        """After ten seconds the rest is left to the next sweep, which goes on there."""
        world = RulesWorld(Rules(sidecar=OK))
        records = [await world.put(f"{n}", BODY) for n in range(9)]
        world.passes(60)
        slow = world.log.inner.hold_back

        async def hold_back(*args):
            world.passes(4)
            await slow(*args)

        world.log.inner.hold_back = hold_back
        looked = []
        for _ in range(3):
            before = world.log.count("hold_back")
            await world.suspects.look_at_due()
            looked.append(world.log.count("hold_back") - before)
        assert looked == [3, 3, 3]
        assert not {each.look_at for each in records} & {
            (await world.again(each)).look_at for each in records
        }

    async def test_a_rule_that_was_taken_away(self):
        """What waits for it is released, though no route asks for sidecars any more."""
        world = RulesWorld(Rules(sidecar=OK))
        record = await world.put("x.csv", BODY)
        world.routes = RulesWorld(Rules()).routes
        world.passes(60)
        assert await world.gateway("gw-new").look_at_due() == 1
        assert (await world.again(record)).status is S.COMPLETED


class TestRenames:
    async def test_a_sidecar_that_gets_its_name_by_a_rename(self):
        """Clients send sidecars under temporary names, too."""
        world = RulesWorld(Rules(sidecar=OK))
        record = await world.put("x.csv", BODY)
        temporary = await world.put("x.csv.ok.filepart", b"")
        assert temporary.status is S.SUSPECT, "under that name it is a file like any other"
        world.passes(1)
        await world.rename(temporary, "x.csv.ok")
        assert (await world.again(record)).status is S.COMPLETED
        assert (await world.again(temporary)).status is S.SUSPECT

    async def test_a_file_that_gets_its_name_by_a_rename(self):
        """It is judged under its new name, and owed under that: its deliveries name what is there now."""
        world = RulesWorld(Rules(sidecar=SHA))
        await world.put("x.csv.sha256", digest(LARGE))
        record = await world.put("x.csv.filepart", LARGE)
        assert record.error == "it waits for its sidecar x.csv.filepart.sha256"
        await world.rename(record, "x.csv")
        released = await world.again(record)
        assert (released.status, released.superseded) == (S.COMPLETED, False)
        deliveries = await world.deliveries(record.log_id)
        assert {each.source for each in deliveries} == {key_of("x.csv")}
        assert {each.destination.key for each in deliveries} == {"2026/acme/in/x.csv", "acme/in/x.csv"}
        current = await world.object(key_of("x.csv"))
        assert {each.version_id for each in deliveries} == {current.version_id}

    @pytest.mark.parametrize("by_hand", [False, True])
    async def test_a_rename_while_it_is_placed(self, by_hand):
        """It is not owed under a name it has left: a look is made again, and a person is told to."""
        world = RulesWorld(Rules(sidecar=SHA))
        await world.put("y.csv.sha256", digest(BODY))
        record = await world.put("x.csv", BODY)
        world.suspects, ours = world.gateway("gw-other"), world.suspects
        await world.store.inner.put(
            NewObject(key_of("x.csv.sha256"), None, {}), digest(BODY), await Digest().take(digest(BODY))
        )
        world.passes(60)
        gate = world.store.hold("head", when=lambda at, *_: at == key_of("x.csv"))
        if by_hand:
            deciding = asyncio.create_task(world.decisions.release(record.log_id, "ann", ""))
        else:
            deciding = asyncio.create_task(ours.look_at_due())
        await gate.reached.wait()
        left = world.log.hold("release")
        renaming = asyncio.create_task(world.rename(record, "y.csv"))
        await left.reached.wait()
        gate.go.set()
        if by_hand:
            with pytest.raises(ChangedMeanwhile, match="was renamed meanwhile"):
                await deciding
        else:
            assert await deciding == 0
        left.go.set()
        await renaming
        assert (await world.again(record)).status is S.COMPLETED
        assert {each.source for each in await world.deliveries(record.log_id)} == {key_of("y.csv")}

    async def test_a_rename_between_the_look_and_the_release(self):
        """What was owed as HELD for the name it had a moment ago follows it, and is due."""
        world = RulesWorld(Rules(minimum_bytes=100), holding=Holding(("*.filepart",), 60))
        world.decisions = replace(world.decisions, held=world.held())
        record = await world.put("x.csv.filepart", BODY)
        gate = world.log.hold("release")
        releasing = asyncio.create_task(world.decisions.release(record.log_id, "ann", ""))
        await gate.reached.wait()
        await world.rename(record, "x.csv")
        gate.go.set()
        await releasing
        deliveries = await world.deliveries(record.log_id)
        assert {each.status for each in deliveries} == {DeliveryStatus.PENDING}
        assert {each.source for each in deliveries} == {key_of("x.csv")}

    @pytest.mark.parametrize("first_holds", [False, True])
    async def test_renamed_twice(self, first_holds):
        """What one rename has let go none after it holds again."""
        world = RulesWorld(Rules(minimum_bytes=100), holding=Holding(("*.filepart",), 60))
        record = await world.put("x.filepart", BODY)
        await world.rename(record, "y", holds=first_holds)
        world.passes(1)
        await world.rename(replace(record, object_key=key_of("y").key), "z.filepart", holds=True)
        await world.decisions.release(record.log_id, "ann", "")
        states = {each.status for each in await world.deliveries(record.log_id)}
        assert states == {DeliveryStatus.HELD if first_holds else DeliveryStatus.PENDING}

    @pytest.mark.parametrize("is_renamed", [False, True])
    async def test_a_temporary_name(self, is_renamed):
        """What is released under a temporary name is owed as HELD; once it was renamed, at once."""
        world = RulesWorld(Rules(minimum_bytes=100), holding=Holding(("*.filepart",), 60))
        record = await world.put("x.csv.filepart", BODY)
        if is_renamed:
            await world.rename(record, "x.csv")
        await world.decisions.release(record.log_id, "ann", "")
        states = {each.status for each in await world.deliveries(record.log_id)}
        assert states == {DeliveryStatus.PENDING if is_renamed else DeliveryStatus.HELD}


class TestDecisions:
    async def test_release(self):
        """COMPLETED with what it owes, in one transaction, and who did it and why."""
        world = RulesWorld(Rules(minimum_bytes=100))
        record = await world.put("x.csv", BODY)
        world.passes(5)
        after = await world.decisions.release(record.log_id, "ann@ops", "small month")
        assert after == await world.again(record)
        assert (after.status, after.decided_by, after.decision) == (S.COMPLETED, "ann@ops", "small month")
        assert (after.timestamp, after.error) == (world.clock.now(), record.error)
        deliveries = await world.deliveries(record.log_id)
        assert {each.status for each in deliveries} == {DeliveryStatus.PENDING}
        assert len(deliveries) == 2

    async def test_release_again(self):
        """Once it is released a second release changes nothing, and a discard is refused."""
        world = RulesWorld(Rules(minimum_bytes=100))
        record = await world.put("x.csv", BODY)
        first = await world.decisions.release(record.log_id, "ann", "")
        assert await world.decisions.release(record.log_id, "bob", "me too") == first
        with pytest.raises(IllegalTransition, match="is COMPLETED, and not held back"):
            await world.decisions.discard(record.log_id, "bob", "no")

    async def test_discard(self):
        """FAILED and never owed; the version stays where it is."""
        world = RulesWorld(Rules(minimum_bytes=100))
        record = await world.put("x.csv", BODY)
        after = await world.decisions.discard(record.log_id, "ann", "half a file")
        assert (after.status, after.decided_by, after.decision) == (S.FAILED, "ann", "half a file")
        assert (after.delivery_targets, after.version_id) == ((), record.version_id)
        assert await world.content(key_of("x.csv")) == BODY
        assert await world.decisions.discard(record.log_id, "bob", "too") == after
        with pytest.raises(IllegalTransition, match="is FAILED"):
            await world.decisions.release(record.log_id, "bob", "")

    async def test_what_was_never_held_back(self):
        """A transfer in any other state is refused with its state; an unknown one is not found."""
        world = RulesWorld(Rules(minimum_bytes=1))
        record = await world.put("x.csv", BODY)
        for decide in (world.decisions.release, world.decisions.discard):
            with pytest.raises(IllegalTransition, match="is COMPLETED"):
                await decide(record.log_id, "ann", "x")
            with pytest.raises(NotFound):
                await decide(LogId("0" * 26), "ann", "x")

    async def test_superseded(self):
        """What is not the current version any more is marked, and delivered no less."""
        world = RulesWorld(Rules(minimum_bytes=20))
        record = await world.put("x.csv", SMALL)
        assert (await world.put("x.csv", BODY)).status is S.COMPLETED
        after = await world.decisions.release(record.log_id, "ann", "")
        assert (after.status, after.superseded) == (S.COMPLETED, True)
        assert len(await world.deliveries(record.log_id)) == 2

    @pytest.mark.parametrize("change", ["removed", "replaced"])
    async def test_what_is_gone_cannot_be_released(self, change):
        """Without its version there is nothing to deliver; it stays SUSPECT, and can be discarded."""
        world = RulesWorld(Rules(minimum_bytes=20), versioned=False)
        record = await world.put("x.csv", SMALL)
        await world.store.inner.delete(key_of("x.csv"))
        if change == "replaced":
            await world.put("x.csv", BODY)
        with pytest.raises((NotFound, ChangedMeanwhile)):
            await world.decisions.release(record.log_id, "ann", "")
        assert await world.again(record) == record
        assert (await world.decisions.discard(record.log_id, "ann", "gone")).status is S.FAILED

    async def test_a_target_that_is_not_configured(self):
        """Nothing that is owed is dropped without a word."""
        world = RulesWorld(Rules(minimum_bytes=100))
        record = await world.put("x.csv", BODY)
        fewer = Decisions(world.store, world.log, world.log, world.clock, TARGETS[:1])
        with pytest.raises(InvalidSettings, match="owes a copy to lake"):
            await fewer.release(record.log_id, "ann", "")
        assert (await world.again(record)).status is S.SUSPECT

    @pytest.mark.parametrize("decide", ["release", "discard"])
    async def test_a_lost_answer(self, decide):
        """A decision whose answer was lost is found on record by the next try."""
        world = RulesWorld(Rules(minimum_bytes=100))
        record = await world.put("x.csv", BODY)
        method = "release" if decide == "release" else "drop"
        world.log.fail(method, ChangedMeanwhile("it was us"), moment=AFTER)
        after = await getattr(world.decisions, decide)(record.log_id, "ann", "x")
        assert after.decided_by == "ann"

    async def test_release_against_discard(self):
        """Of two that decide otherwise at once, one is told that it came too late."""
        world = RulesWorld(Rules(minimum_bytes=100))
        record = await world.put("x.csv", BODY)
        done = await asyncio.gather(
            world.decisions.release(record.log_id, "ann", ""),
            world.decisions.discard(record.log_id, "bob", "x"),
            return_exceptions=True,
        )
        failures = [each for each in done if isinstance(each, Exception)]
        assert [type(each) for each in failures] == [ChangedMeanwhile]
        deliveries = await world.deliveries(record.log_id)
        assert len(deliveries) == (2 if (await world.again(record)).status is S.COMPLETED else 0)

    async def test_what_came_later_is_no_earlier_file(self):
        """A file that waited is not held against one of the same content that came after it."""
        world = RulesWorld(Rules(duplicates=Duplicates.FLAG, duplicate_days=7, sidecar=OK))
        first = await world.put("x.csv", BODY)
        world.passes(1)
        second = await world.put("y.csv", BODY)
        world.passes(1)
        await world.put("x.csv.ok", b"")
        await world.put("y.csv.ok", b"")
        assert (await world.again(first)).status is S.COMPLETED
        assert (await world.again(second)).status is S.SUSPECT

    async def test_duplicates_are_released_by_hand_alone(self):
        """A flagged file waits for nobody but an administrator."""
        world = RulesWorld(Rules(duplicates=Duplicates.FLAG, sidecar=OK))
        first = await world.put("x.csv", BODY)
        world.passes(1)
        await world.put("x.csv.ok", b"")
        assert (await world.again(first)).status is S.COMPLETED
        second = await world.put("x.csv", BODY)
        world.passes(1)
        await world.put("x.csv.ok", b"")
        assert (await world.again(second)).status is S.SUSPECT
        assert (await world.decisions.release(second.log_id, "ann", "")).status is S.COMPLETED
