"""Judging at CLOSE: what is asked of S3 and the log, and what becomes of files that do not meet it."""

from __future__ import annotations

import asyncio
import hashlib
import threading

import pytest

from tidegate.core.acceptance import NO_RULES, Duplicates, Rules
from tidegate.core.errors import AccessDenied, OutcomeUnknown, SentBefore, StoreUnavailable
from tidegate.core.objects import META_OUTCOME, META_TRANSFER_ID, NewObject
from tidegate.core.sidecars import Sidecar, SidecarKind
from tidegate.core.transfers import TransferStatus
from tidegate.services import sidecars as sidecars_service
from tidegate.services.part_sender import Digest
from unit.services.faults import AFTER
from unit.services.rules_world import RulesWorld, key_of
from unit.services.world import LARGE, SESSION, SMALL, World, send, turns

S = TransferStatus
BODY = b"name;amount\nann;1\nTRL;1\n"  # of two parts
OK, SHA = Sidecar.with_suffix(".ok"), Sidecar.with_suffix(".sha256")
MANIFEST = Sidecar(SidecarKind.MANIFEST, "m-*.txt")
FLAG = Rules(duplicates=Duplicates.FLAG)
REJECT = Rules(duplicates=Duplicates.REJECT)


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def foreign(world: World, name: str, body: bytes, **metadata: str) -> None:
    """Put an object beside the files in another way."""
    new = NewObject(key_of(name), None, {key.replace("_", "-"): value for key, value in metadata.items()})
    await world.store.inner.put(new, body, await Digest().take(body))


class TestSizeAndLastLine:
    async def test_what_meets_the_rules_is_completed(self):
        """A file that is all its route asks for is as any other: COMPLETED, with its deliveries."""
        world = RulesWorld(Rules(minimum_bytes=len(BODY), last_line=r"TRL;\d+"))
        record = await world.put("x.csv", BODY)
        assert (record.status, record.error, record.look_at) == (S.COMPLETED, None, None)
        assert len(await world.deliveries(record.log_id)) == 2
        assert world.owed_count == 1

    @pytest.mark.parametrize("body", [SMALL, LARGE], ids=["one PutObject", "parts"])
    async def test_what_does_not_is_held_back(self, body):
        """The client reads OK; the bytes are kept and described; nothing is owed, but known to be."""
        world = RulesWorld(Rules(minimum_bytes=1000))
        record = await world.put("x.csv", body)
        assert record.status is S.SUSPECT
        assert record.error == f"it has {len(body)} bytes, fewer than the 1000 asked for"
        assert (record.size, record.sha256) == (len(body), digest(body))
        assert (record.delivery_targets, record.look_at) == (("archive", "lake"), None)
        assert await world.content(key_of("x.csv"), record.version_id) == body
        assert await world.deliveries(record.log_id) == ()
        assert world.owed_count == 0
        assert world.budget.taken_bytes == 0

    @pytest.mark.parametrize("tail", [b"TRL;1\n", b"TRL;1", b"x\nTRL;1" + b"\r\n" * 30], ids=len)
    @pytest.mark.parametrize("before", [b"", b"a" * 40 + b"\n"], ids=["one PutObject", "parts"])
    async def test_the_last_line_is_found_wherever_it_is_cut(self, before, tail):
        """In the one body, in the last part, or across parts."""
        world = RulesWorld(Rules(last_line=r"TRL;\d+"))
        assert (await world.put("x.csv", before + tail)).status is S.COMPLETED
        assert (await world.put("x.csv", before + tail + b"y")).status is S.SUSPECT

    async def test_bytes_in_hand_are_not_read_again(self):
        """The last line of a file of one PutObject costs no call; of parts that are cut short, one."""
        world = RulesWorld(Rules(last_line=".*"))
        await world.put("x.csv", SMALL)
        assert world.store.count("read") == 0
        await world.put("x.csv", LARGE)
        assert world.store.count("read") == 1

    async def test_other_directories_have_no_rules(self):
        """A route's rules are for its own files."""
        world = RulesWorld(Rules(minimum_bytes=1000))
        upload = await world.begin(world.ruled())
        assert upload.record.path == "/in/report.csv"
        assert world.suspects.judge_of(upload.record) is not None
        elsewhere = await world.ruled().begin(SESSION, "/out/x.csv", key_of("x.csv"))
        assert world.suspects.judge_of(elsewhere.record) is None


class TestCost:
    async def test_no_rules_no_calls(self):
        """A route without rules costs a file not one call more than no route at all."""
        plain, ruled = World(), RulesWorld(NO_RULES)
        for world, uploads in ((plain, plain.uploads()), (ruled, ruled.ruled())):
            upload = await world.begin(uploads)
            await send(upload, LARGE)
            await upload.finish()
            await ruled.suspects.ended()
        assert ruled.calls == plain.calls

    async def test_no_sidecars_few_looks(self):
        """Without a route that asks for sidecars the index is asked once, and then once an hour."""
        world = RulesWorld(Rules(minimum_bytes=1))
        for _ in range(119):
            assert await world.suspects.look_at_due() == 0
            world.passes(60)
        assert world.log.count("waiting") == 2 * 16

    async def test_a_name_with_many_versions(self):
        """However many there are, a file is compared after one page of them."""
        world = RulesWorld(FLAG)
        first = await world.put("x.csv", BODY)
        asked = []
        inner = world.store.inner.versions

        async def versions(*args, **kwargs):
            found = await inner(*args, **kwargs)
            asked.append(len(found))
            return found

        world.store.inner.versions = versions
        for _ in range(150):
            await foreign(world, "x.csv", b"half", tidegate_outcome="partial")
        assert (await world.put("x.csv", BODY)).status is S.COMPLETED, "of the last five none is whole"
        assert max(asked) == 100
        assert first.status is S.COMPLETED


class TestSidecars:
    @pytest.mark.parametrize(
        ("sidecar", "name", "text"),
        [
            (SHA, "x.csv.sha256", f"{digest(BODY)}  x.csv\n"),
            (OK, "x.csv.ok", ""),
            (MANIFEST, "m-1.txt", f"{digest(SMALL)}  y.csv\n{digest(BODY)}  x.csv\n"),
        ],
        ids=["digest", "presence", "manifest"],
    )
    async def test_a_sidecar_that_came_first(self, sidecar, name, text):
        """Then the file is judged at its own CLOSE; and the sidecar is delivered like any file."""
        world = RulesWorld(Rules(minimum_bytes=5, sidecar=sidecar, last_line="TRL.*"))
        first = await world.put(name, text.encode())
        assert first.status is S.COMPLETED, "sidecars are asked nothing"
        assert len(await world.deliveries(first.log_id)) == 2
        assert (await world.put("x.csv", BODY)).status is S.COMPLETED

    @pytest.mark.parametrize("sidecar", [SHA, OK, MANIFEST], ids=["digest", "presence", "manifest"])
    async def test_a_sidecar_that_is_missing(self, sidecar):
        """The file waits, says for what, and is looked at again."""
        world = RulesWorld(Rules(sidecar=sidecar))
        record = await world.put("x.csv", BODY)
        assert record.status is S.SUSPECT
        assert record.error.startswith("it waits for its sidecar")
        assert record.look_at > world.clock.now()

    async def test_a_sidecar_of_other_bytes(self):
        """A mismatch is said with both digests, and a better sidecar may still come."""
        world = RulesWorld(Rules(sidecar=SHA))
        await world.put("x.csv.sha256", digest(SMALL).encode())
        record = await world.put("x.csv", BODY)
        assert (
            record.error
            == f"its SHA-256 is {digest(BODY)}, and its sidecar x.csv.sha256 says {digest(SMALL)}"
        )
        assert record.look_at is not None

    async def test_half_a_sidecar(self):
        """What came of a dropped upload is no sidecar, though the object is there."""
        world = RulesWorld(Rules(sidecar=OK))
        upload = await world.open("x.csv.ok")
        await send(upload, b"o")
        await upload.abandon("gone")
        assert await world.content(key_of("x.csv.ok")) == b"o"
        assert (await world.put("x.csv", BODY)).status is S.SUSPECT

    async def test_a_sidecar_that_is_too_large(self):
        """What cannot be a sidecar is not read."""
        world = RulesWorld(Rules(sidecar=SHA))
        await foreign(world, "x.csv.sha256", b"0" * (1024 * 1024 + 1))
        record = await world.put("x.csv", BODY)
        assert record.error == "its sidecar x.csv.sha256 is too large to be one"
        assert world.store.count("read") == 0

    async def test_a_sidecar_without_a_digest(self):
        """That is said, and a better one may still come."""
        world = RulesWorld(Rules(sidecar=SHA))
        await world.put("x.csv.sha256", b"to follow")
        record = await world.put("x.csv", BODY)
        assert record.error == "its sidecar x.csv.sha256 has no SHA-256 for it"
        assert record.look_at is not None

    async def test_few_sidecars_are_read_at_once(self):
        """However many files are closed at the same time, the memory for sidecars is that of four."""
        world = RulesWorld(Rules(sidecar=SHA))
        uploads = []
        for n in range(9):
            await world.put(f"{n}.sha256", digest(SMALL).encode())
            upload = await world.open(f"{n}")
            await send(upload, SMALL)
            uploads.append(upload)
        gate = world.store.hold("read", call=None)
        before = world.store.count("read")
        closing = [asyncio.create_task(each.finish()) for each in uploads]
        await gate.reached.wait()
        await turns()
        assert world.store.count("read") == before + 4
        gate.go.set()
        await asyncio.gather(*closing)
        assert {(await world.record(each)).status for each in uploads} == {S.COMPLETED}

    async def test_yesterdays_ok_is_not_for_todays_file(self):
        """One without a digest counts for one version: not if it is older than another version."""
        world = RulesWorld(Rules(sidecar=OK))
        await world.put("x.csv.ok", b"")
        world.passes(5)
        assert (await world.put("x.csv", BODY)).status is S.COMPLETED
        world.passes(86400)
        record = await world.put("x.csv", SMALL)
        assert record.status is S.SUSPECT
        assert record.error.endswith("x.csv.ok is older than it, and may be of the version before")
        world.passes(5)
        await world.put("x.csv.ok", b"")
        assert (await world.again(record)).status is S.COMPLETED

    async def test_half_a_manifest(self):
        """What came of a dropped upload names nothing."""
        world = RulesWorld(Rules(sidecar=MANIFEST))
        await foreign(world, "m-1.txt", f"{digest(BODY)}  x.csv".encode(), tidegate_outcome="partial")
        assert (await world.put("x.csv", BODY)).status is S.SUSPECT

    async def test_a_digest_in_capitals(self):
        """A wrong digest in x.csv.SHA256 holds back as one in x.csv.sha256 does."""
        world = RulesWorld(Rules(sidecar=Sidecar.with_suffix(".SHA256")))
        await foreign(world, "x.csv.SHA256", digest(SMALL).encode())
        assert (await world.put("x.csv", BODY)).status is S.SUSPECT

    async def test_junk_manifests_do_not_stop_the_loop(self):
        """They are taken apart in another thread, and once each."""
        world = RulesWorld(Rules(sidecar=MANIFEST))
        for n in range(3):
            await foreign(world, f"m-{n}.txt", b"ab\n" * 300_000)
        threads = set()
        parse = sidecars_service.read_text
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                sidecars_service, "read_text", lambda body: threads.add(threading.get_ident()) or parse(body)
            )
            for name in ("x.csv", "y.csv", "z.csv"):
                assert (await world.put(name, BODY)).status is S.SUSPECT
        assert threads
        assert threading.get_ident() not in threads
        assert world.store.count("read") == 3

    async def test_a_manifest_of_other_bytes_is_read_anew(self):
        """What is remembered of one is not taken for another of the same name, with versions or without."""
        for versioned in (True, False):
            world = RulesWorld(Rules(sidecar=MANIFEST), versioned=versioned)
            await world.put("m-1.txt", f"{digest(SMALL)}  x.csv".encode())
            assert (await world.put("x.csv", BODY)).status is S.SUSPECT
            await world.put("m-1.txt", f"{digest(BODY)}  x.csv".encode())
            assert (await world.put("x.csv", BODY)).status is S.COMPLETED

    async def test_little_is_remembered_of_manifests(self):
        """Of more names than fit, the manifests that were read last are remembered."""
        world = RulesWorld(Rules(sidecar=MANIFEST))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sidecars_service, "_MOST_REMEMBERED_NAMES", 3)
            for n in range(2):
                await foreign(world, f"m-{n}.txt", f"{digest(BODY)}  a{n}\n{digest(BODY)}  b{n}".encode())
            for name in ("a1", "b1", "a0", "b0", "x", "a1"):
                world.passes(1)
                await world.put(name, BODY)
            remembered = world.suspects._sidecars._remembered
            assert remembered._names <= 3
            assert remembered._names == sum(map(len, remembered._said.values()))

    async def test_the_newest_manifest_that_names_it_counts(self):
        """Older manifests, and those of other files, are passed over."""
        world = RulesWorld(Rules(sidecar=MANIFEST))
        await foreign(world, "m-9.txt", f"{digest(SMALL)}  x.csv".encode())
        world.passes(1)
        await foreign(world, "m-1.txt", f"{digest(BODY)}  x.csv".encode())
        world.passes(1)
        await foreign(world, "m-5.txt", f"{digest(SMALL)}  y.csv".encode())
        assert (await world.put("x.csv", BODY)).status is S.COMPLETED


class TestDuplicates:
    async def test_the_same_content_under_the_same_name(self):
        """It is flagged, with the file that came before; other content is not."""
        world = RulesWorld(FLAG)
        first = await world.put("x.csv", BODY)
        second = await world.put("x.csv", BODY)
        assert (first.status, second.status) == (S.COMPLETED, S.SUSPECT)
        assert second.error == (
            f"it has the same content as /in/x.csv of 2026-03-09 14:05:59 ({first.log_id})"
        )
        assert (await world.put("x.csv", BODY + b"x")).status is S.COMPLETED
        assert (await world.put("x.csv", BODY)).status is S.COMPLETED, "other content came between"

    async def test_the_same_content_after_a_removal(self):
        """What was picked up and removed came before, all the same."""
        world = RulesWorld(FLAG)
        await world.put("x.csv", BODY)
        await world.store.inner.delete(key_of("x.csv"))
        assert (await world.put("x.csv", BODY)).status is S.SUSPECT

    async def test_half_a_file_is_not_the_same(self):
        """What a dropped upload left is passed over, and so are empty files."""
        world = RulesWorld(FLAG)
        await world.put("x.csv", BODY)
        half = await world.open()
        await send(half, BODY[:5])
        await half.abandon("gone")
        assert (await world.put("x.csv", BODY)).status is S.SUSPECT
        again = await world.open()
        await send(again, BODY[:5])
        await again.finish()
        assert (await world.record(again)).status is S.COMPLETED, "only half of a file had these bytes"
        await world.put("y.csv", b"")
        assert (await world.put("y.csv", b"")).status is S.COMPLETED

    @pytest.mark.parametrize(("outcome", "status"), [("partial", S.COMPLETED), ("complete", S.SUSPECT)])
    async def test_a_version_whose_record_has_expired(self, outcome, status):
        """Then its metadata tell its digest, and whether it is whole."""
        world = RulesWorld(FLAG)
        await foreign(world, "x.csv", BODY, tidegate_outcome=outcome, tidegate_sha256=digest(BODY))
        assert (await world.put("x.csv", BODY)).status is status

    async def test_what_was_discarded_may_come_again(self):
        """After a discard the same file is not one that came before."""
        world = RulesWorld(Rules(minimum_bytes=1, last_line="TRL.*", duplicates=Duplicates.REJECT))
        first = await world.put("x.csv", SMALL)
        assert first.status is S.SUSPECT
        _, error = await world.refused("x.csv", SMALL)
        assert isinstance(error, SentBefore)
        await world.decisions.discard(first.log_id, "ann", "no trailer")
        assert (await world.put("x.csv", SMALL)).status is S.SUSPECT

    @pytest.mark.parametrize("body", [SMALL, LARGE], ids=["one PutObject", "parts"])
    @pytest.mark.parametrize("versioned", [True, False])
    async def test_reject(self, body, versioned):
        """CLOSE fails before anything is published: the old version stays current, no part is left."""
        world = RulesWorld(REJECT, versioned=versioned)
        first = await world.put("x.csv", body)
        record, error = await world.refused("x.csv", body)
        assert isinstance(error, SentBefore)
        assert (record.status, record.delivery_targets) == (S.FAILED, ())
        assert first.log_id in record.error
        assert (await world.object(key_of("x.csv"))).transfer_id == first.log_id
        assert not world.store.open_uploads
        assert world.budget.taken_bytes == 0

    async def test_two_at_the_same_moment(self):
        """Both pass the first look; the later version is held back by the second, so one is delivered."""
        world = RulesWorld(REJECT)
        one, two = await world.open(), await world.open()
        await send(one, SMALL)
        await send(two, SMALL)
        gate = world.store.hold(
            "put", when=lambda new, *_, **__: new.metadata[META_TRANSFER_ID] == one.record.log_id
        )
        closing = asyncio.create_task(one.finish())
        await gate.reached.wait()
        await two.finish()
        gate.go.set()
        await closing
        states = [(await world.record(each)).status for each in (one, two)]
        assert states == [S.SUSPECT, S.COMPLETED], "the one that was stored last is held back"

    @pytest.mark.parametrize("versioned", [True, False])
    async def test_flag_without_versions(self, versioned):
        """Where nothing is left of the version before, it is compared before it is replaced."""
        world = RulesWorld(FLAG, versioned=versioned)
        await world.put("x.csv", BODY)
        assert (await world.put("x.csv", BODY)).status is S.SUSPECT

    async def test_other_names_of_the_last_days(self):
        """The partner's files of so many days are compared; older ones and those of others are not."""
        world = RulesWorld(Rules(duplicates=Duplicates.FLAG, duplicate_days=2))
        first = await world.put("x.csv", BODY)
        world.passes(86400)
        second = await world.put("y.csv", BODY)
        assert second.error == (
            f"it has the same content as /in/x.csv of 2026-03-09 14:05:59 ({first.log_id})"
        )
        assert (await world.put("z.csv", SMALL)).status is S.COMPLETED
        world.passes(86400 * 3)
        assert (await world.put("w.csv", BODY)).status is S.COMPLETED

    async def test_other_names_do_not_count_unless_asked(self):
        """Without days, only the same name is compared."""
        world = RulesWorld(FLAG)
        await world.put("x.csv", BODY)
        world.passes(1)
        assert (await world.put("y.csv", BODY)).status is S.COMPLETED


class TestFaults:
    async def test_judging_that_gets_no_answer(self):
        """The object is stored, so the outcome is unknown, the record open, and the sweep's to judge."""
        world = RulesWorld(Rules(sidecar=OK))
        world.store.fail("head")
        record, error = await world.refused("x.csv", SMALL)
        assert isinstance(error, OutcomeUnknown)
        assert record.status is S.STARTED
        assert await world.content(key_of("x.csv")) == SMALL

    async def test_judging_that_is_refused(self):
        """Where S3 says no, the file is held back, and looked at again: a policy may be mended."""
        world = RulesWorld(Rules(sidecar=OK))
        world.store.fail("head", AccessDenied("not yours"), call=None, when=lambda at, *_: ".ok" in at.key)
        record = await world.put("x.csv", SMALL)
        assert (record.status, record.error) == (S.SUSPECT, "it could not be judged: not yours")
        assert record.look_at is not None

    async def test_looking_for_duplicates_that_gets_no_answer(self):
        """Before anything is published a failure is a plain one."""
        world = RulesWorld(REJECT)
        world.store.fail("versions")
        record, error = await world.refused("x.csv", SMALL)
        assert isinstance(error, StoreUnavailable)
        assert record.status is S.FAILED
        assert await world.object(key_of("x.csv")) is None

    @pytest.mark.parametrize("moment", ["before", AFTER])
    async def test_a_lost_answer_of_the_record(self, moment):
        """SUSPECT is written once more, or found written: the client reads OK either way."""
        world = RulesWorld(Rules(minimum_bytes=100))
        world.log.fail("end", moment=moment)
        assert (await world.put("x.csv", SMALL)).status is S.SUSPECT

    async def test_a_record_that_cannot_be_written(self):
        """Then the outcome is unknown, and the sweep finds the record open."""
        world = RulesWorld(Rules(minimum_bytes=100))
        world.log.fail("end", call=None)
        record, error = await world.refused("x.csv", SMALL)
        assert isinstance(error, OutcomeUnknown)
        assert record.status is S.STARTED

    async def test_what_was_dropped_is_not_judged(self):
        """A dropped upload is PARTIAL, whatever the rules."""
        world = RulesWorld(Rules(minimum_bytes=1, duplicates=Duplicates.REJECT))
        await world.put("x.csv", SMALL)
        upload = await world.open()
        await send(upload, SMALL)
        await upload.abandon("gone")
        assert (await world.record(upload)).status is S.PARTIAL
        assert (await world.object(key_of("x.csv"))).metadata[META_OUTCOME] == "partial"
