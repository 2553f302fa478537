"""Following files by command: lists, filters, the whole story, and what is printed while it happens."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tidegate.backend import Backend
from tidegate.cli.target import resolve
from tidegate.core.ids import GatewayId, new_log_id
from tidegate.core.objects import META_TRANSFER_ID, Location, StoredObject
from tidegate.core.renames import Rename, RenameStatus
from tidegate.core.sessions import Session
from tidegate.core.transfers import Direction, TransferRecord, TransferStatus

MEMBERS = [
    "LogID",
    "Direction",
    "Status",
    "UserName",
    "Path",
    "Bytes",
    "Sha256",
    "StartedAt",
    "Timestamp",
    "ClientIp",
    "ClientVersion",
    "KeyFingerprint",
    "SessionId",
    "ServerId",
    "Bucket",
    "ObjectKey",
    "VersionId",
    "ETag",
    "KmsKeyId",
    "Superseded",
    "DeliveryTargets",
    "GatewayId",
    "Error",
    "DecidedBy",
    "Decision",
]
DELIVERY_MEMBERS = [
    "Target",
    "Status",
    "SourceBucket",
    "ObjectKey",
    "DestinationBucket",
    "DestinationKey",
    "VersionId",
    "ETag",
    "Attempts",
    "Timestamp",
    "DueAt",
    "Error",
]
UGLY = "/out/\x1b]0;owned\x07\x1b[31mred\nline\u202etxt"


def record(user_name: str, path: str, status: TransferStatus, age: timedelta) -> TransferRecord:
    began = datetime.now(UTC) - age
    return TransferRecord(
        log_id=new_log_id(int(began.timestamp() * 1000)),
        direction=Direction.UPLOAD,
        status=status,
        user_name=user_name,
        server_id="s-0123456789abcdef0",
        session_id="0123456789abcdef",
        client_ip="192.0.2.7",
        client_version="SSH-2.0-test",
        key_fingerprint="SHA256:x",
        path=path,
        bucket="tidegate-landing",
        object_key=f"{user_name}{path}",
        started_at=began,
        timestamp=began,
        gateway_id=GatewayId("gw-test"),
        size=0 if status is TransferStatus.COMPLETED else None,
        error="a part failed" if status is TransferStatus.FAILED else None,
    )


HOUR = timedelta(hours=1)
RECORDS = [
    record("beta", "/in/old.csv", TransferStatus.COMPLETED, 60 * 24 * HOUR),
    record("beta", "/in/b.csv", TransferStatus.FAILED, 5 * HOUR),
    record("gamma", "/in/c.csv", TransferStatus.COMPLETED, 4 * HOUR),
    record("gamma", UGLY, TransferStatus.PARTIAL, 3 * HOUR),
    record("beta", "/out/e.csv", TransferStatus.STARTED, 2 * HOUR),
]


@pytest.fixture(scope="module")
def backend(gateway: Any) -> Iterator[Backend]:
    """The gateway's tables, to put records there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.environ", {})
        opened = Backend(resolve(gateway.state_dir, None, None).settings)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def recorded(gateway: Any, backend: Backend) -> Any:
    """The gateway, with some transfers in the past, one of an ugly name, and a file just now."""

    async def write() -> None:
        for each in RECORDS:
            await backend.log.start(each)

    asyncio.run(write())
    gateway.upload(b"a,b\n", "in/new.csv")
    return gateway


@pytest.fixture
def listed(tidegate: Callable[..., Any], recorded: Any) -> Callable[..., list[str]]:
    """Return the paths of the records that are listed with these options, newest first."""

    def paths(*words: str) -> list[str]:
        rows = tidegate("transfers", "list", "--output", "json", *words, *recorded.target).json
        return [row["Path"] for row in rows]

    return paths


# --- list -----------------------------------------------------------------------------------


def test_the_newest_come_first_and_the_oldest_not_at_all(listed: Callable[..., list[str]]) -> None:
    """Without options, the last 31 days are listed."""
    assert listed() == ["/in/new.csv", "/out/e.csv", UGLY, "/in/c.csv", "/in/b.csv"]


@pytest.mark.parametrize(
    ("words", "paths"),
    [
        (["--partner", "beta"], ["/out/e.csv", "/in/b.csv", "/in/old.csv"]),
        (["--partner", "beta", "--since", "1w"], ["/out/e.csv", "/in/b.csv"]),
        (["--status", "failed"], ["/in/b.csv"]),
        (["--status", "COMPLETED", "--since", "5h"], ["/in/new.csv", "/in/c.csv"]),
        (["--path", "/out/*"], ["/out/e.csv", UGLY]),
        (["--path", "*.csv", "--partner", "gamma"], ["/in/c.csv"]),
        (["--path", "/in"], []),
        (["--limit", "2"], ["/in/new.csv", "/out/e.csv"]),
        (["--since", "150m"], ["/in/new.csv", "/out/e.csv"]),
        (["--since", "90000s", "--limit", "1"], ["/in/new.csv"]),
        (["--since", "70d"], ["/in/new.csv", "/out/e.csv", UGLY, "/in/c.csv", "/in/b.csv", "/in/old.csv"]),
        (["--partner", "nobody"], []),
    ],
)
def test_filters_leave_what_was_asked_for(
    listed: Callable[..., list[str]], words: list[str], paths: list[str]
) -> None:
    """By partner, age, state and path, alone and together."""
    assert listed(*words) == paths


def test_since_takes_a_date_and_a_time(listed: Callable[..., list[str]]) -> None:
    """ISO 8601 with a zone, without one (which is UTC), and a date alone."""
    moment = RECORDS[3].started_at - timedelta(minutes=1)
    for text in (
        moment.isoformat(),
        moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        moment.replace(tzinfo=None).isoformat(),
        moment.astimezone(datetime.strptime("+0530", "%z").tzinfo).isoformat(),
    ):
        assert listed("--since", text) == ["/in/new.csv", "/out/e.csv", UGLY]
    assert listed("--since", "2999-01-01") == []
    assert "/in/b.csv" in listed("--since", (moment - timedelta(days=2)).date().isoformat())


def test_tables_show_nothing_a_terminal_would_obey(tidegate: Callable[..., Any], recorded: Any) -> None:
    """A partner's file name can neither colour nor rename the terminal, nor begin a row of its own."""
    said = tidegate("transfers", "list", *recorded.target)
    assert len(said.rows) == 5
    assert said.out.isprintable() is False  # for its line ends alone
    assert said.out.replace("\n", "").isprintable()
    assert said.rows[2].endswith(r"  /out/\x1b]0;owned\x07\x1b[31mred\nline\u202etxt")


def test_json_has_the_documented_members(tidegate: Callable[..., Any], recorded: Any) -> None:
    """Every record has every member, whatever its state, in one order."""
    rows = tidegate("transfers", "list", "--output", "json", *recorded.target).json
    assert all(list(row) == MEMBERS for row in rows)
    assert (rows[0]["Bytes"], rows[0]["Status"], rows[0]["DeliveryTargets"]) == (4, "COMPLETED", ["private"])
    assert (rows[-1]["Bytes"], rows[-1]["Error"], rows[-1]["Superseded"]) == (None, "a part failed", False)


def test_nothing_found_is_said(tidegate: Callable[..., Any], recorded: Any) -> None:
    """An empty table is a sentence; empty JSON is an empty list."""
    words = ("transfers", "list", "--partner", "nobody", *recorded.target)
    assert tidegate(*words).out == "no transfers\n"
    assert tidegate(*words, "--output", "json").out == "[]\n"


def test_the_endpoint_alone_is_enough(tidegate: Callable[..., Any], recorded: Any) -> None:
    """With default names, --endpoint-url finds what --state-dir finds."""
    by_state = tidegate("transfers", "list", *recorded.target)
    by_url = tidegate("transfers", "list", "--endpoint-url", recorded.url)
    assert by_url.out == by_state.out
    assert "acme" in tidegate("partners", "list", "--endpoint-url", recorded.url).out


# --- show -----------------------------------------------------------------------------------


def test_the_story_of_a_file_has_its_deliveries(tidegate: Callable[..., Any], recorded: Any) -> None:
    """`show` prints the record without what is unknown, and the state of each delivery."""
    log_id = tidegate("transfers", "list", "--limit", "1", "--output", "json", *recorded.target).json[0][
        "LogID"
    ]
    words = ("transfers", "show", log_id, *recorded.target)

    def delivered() -> Any:
        story = tidegate(*words, "--output", "json").json
        return story if story["Deliveries"][0]["Status"] == "DELIVERED" else None

    story = recorded.until(delivered)
    assert list(story) == [*MEMBERS, "Deliveries", "Renames"]
    assert list(story["Deliveries"][0]) == DELIVERY_MEMBERS
    assert story["Deliveries"][0]["DestinationBucket"] == "tidegate-private"
    assert story["Deliveries"][0]["VersionId"] == story["VersionId"]
    said = tidegate(*words)
    assert "Sha256" in said.out
    assert "Superseded" not in said.out
    assert "DELIVERED" in said.out
    assert said.out.replace("\n", "").isprintable()


def test_a_file_that_owes_nothing_has_no_deliveries(tidegate: Callable[..., Any], recorded: Any) -> None:
    """A failed upload has a story too."""
    said = tidegate("transfers", "show", RECORDS[1].log_id, *recorded.target)
    assert "a part failed" in said.out
    assert said.out.endswith("no deliveries\n")
    assert "Bytes" not in said.out


def test_an_empty_file_has_a_size(tidegate: Callable[..., Any], recorded: Any) -> None:
    """No bytes are told from an unknown number of them."""
    lines = tidegate("transfers", "show", RECORDS[2].log_id, *recorded.target).out.splitlines()
    assert ["Bytes", "0"] in [line.split() for line in lines]


def test_an_unknown_transfer_is_said_to_be_unknown(tidegate: Callable[..., Any], recorded: Any) -> None:
    """A LogID of the right form that nobody has is told from a text that is none."""
    said = tidegate("transfers", "show", "0" * 26, *recorded.target)
    assert (said.code, said.err) == (1, f"tidegate: no transfer has the LogID {'0' * 26}\n")
    said = tidegate("transfers", "show", "", *recorded.target)
    assert said.err.startswith("tidegate: '' is no LogID\n")
    assert "transfers list shows them" in said.err


# --- follow ---------------------------------------------------------------------------------


class Following:
    """`transfers list --follow` as a process, its lines one by one."""

    def __init__(self, gateway: Any, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tidegate", "transfers", "list", "--follow", *words, *gateway.target],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Following:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def interrupted(self) -> tuple[int, str]:
        """Press Ctrl-C; return the exit code and what was complained of."""
        self.process.send_signal(signal.SIGINT)
        _, err = self.process.communicate(timeout=30)
        return self.process.returncode, err


def test_following_shows_what_comes_until_ctrl_c(recorded: Any, backend: Backend) -> None:
    """First what is there, oldest first; then each new state on a line; Ctrl-C ends it with exit code 0."""
    with Following(recorded, "--since", "200m") as following:
        assert following.line().rstrip().endswith(r"gamma  /out/\x1b]0;owned\x07\x1b[31mred\nline\u202etxt")
        assert "/out/e.csv" in following.line()
        assert "/in/new.csv" in following.line()
        recorded.upload(b"newer", "in/newer.csv")
        words = following.line().split()
        assert words[2:] == ["UPLOAD", "COMPLETED", "5", "acme", "/in/newer.csv"]
        still_open = RECORDS[4]
        ended = still_open.timestamp + timedelta(seconds=1)
        asyncio.run(backend.log.end(still_open.owner, TransferStatus.FAILED, ended, error="gone"))
        assert following.line().split()[1:4] == [still_open.log_id, "UPLOAD", "FAILED"]
        assert following.interrupted() == (0, "")


def test_following_one_state_as_json(recorded: Any, backend: Backend, tmp_path: Path) -> None:
    """`--status` shows a transfer once it gets there, though it was not listed before; an object a line."""
    opened = record("delta", "/in/slow.csv", TransferStatus.STARTED, 2 * HOUR)
    asyncio.run(backend.log.start(replace(opened, started_at=datetime.now(UTC))))
    with Following(recorded, "--status", "ABANDONED", "--output", "json") as following:
        # The first line can only come once following has begun: this one is there to tell.
        begun = record("delta", "/in/first.csv", TransferStatus.ABANDONED, timedelta())
        asyncio.run(backend.log.start(begun))
        assert json.loads(following.line())["Path"] == "/in/first.csv"
        asyncio.run(backend.log.end(opened.owner, TransferStatus.ABANDONED, datetime.now(UTC)))
        line = json.loads(following.line())
        assert (line["Path"], line["Status"]) == ("/in/slow.csv", "ABANDONED")
        assert list(line) == MEMBERS
        assert following.interrupted() == (0, "")


# --- renames --------------------------------------------------------------------------------

RENAME_MEMBERS = [
    "RenameId",
    "Status",
    "UserName",
    "Path",
    "NewPath",
    "ClientIp",
    "SessionId",
    "SourceBucket",
    "ObjectKey",
    "VersionId",
    "ETag",
    "DestinationBucket",
    "DestinationKey",
    "RequestedAt",
    "Timestamp",
    "GatewayId",
    "Error",
]


def intended(backend: Backend, log_id: str, new_path: str) -> str:
    """Put a rename on record, of a transfer or, without a LogID, of a foreign object; return its LogID."""
    metadata = {META_TRANSFER_ID: log_id} if log_id else {}
    stored = StoredObject(Location("tidegate-landing", "acme/a"), 1, '"e"', "v1", metadata=metadata)
    session = Session("0123456789abcdef", "s-0123456789abcdef0", "acme", "192.0.2.7", "SSH-2.0-x", "SHA256:x")
    target = Location("tidegate-landing", "acme/b")
    rename = Rename.begun(
        session, ("/a", new_path), stored, target, "*", GatewayId("gw-test"), datetime.now(UTC)
    )
    asyncio.run(backend.log.intend(rename))
    asyncio.run(backend.log.settle_rename(rename.settled(RenameStatus.FAILED, datetime.now(UTC), "no")))
    return rename.log_id


def test_the_story_of_a_file_has_its_renames(
    tidegate: Callable[..., Any], recorded: Any, backend: Backend
) -> None:
    """Below the deliveries, with nothing in a name that a terminal would obey; in JSON always a list."""
    log_id = RECORDS[1].log_id
    words = ("transfers", "show", log_id, *recorded.target)
    assert tidegate(*words, "--output", "json").json["Renames"] == []
    intended(backend, log_id, UGLY)
    [rename] = tidegate(*words, "--output", "json").json["Renames"]
    assert list(rename) == RENAME_MEMBERS
    assert (rename["Path"], rename["NewPath"], rename["Status"]) == ("/a", UGLY, "FAILED")
    said = tidegate(*words)
    assert "NewPath" in said.out
    assert said.out.replace("\n", "").isprintable()


def test_of_a_file_that_came_in_another_way_what_is_known_is_shown(
    tidegate: Callable[..., Any], recorded: Any, backend: Backend
) -> None:
    """Its renames, under a LogID without a transfer; what needs a transfer says that there is none."""
    log_id = intended(backend, "", "/b")
    words = (log_id, *recorded.target)
    story = tidegate("transfers", "show", *words, "--output", "json").json
    assert (story["LogID"], story["Deliveries"], len(story["Renames"])) == (log_id, [], 1)
    said = tidegate("transfers", "show", *words)
    assert (said.code, "no transfer is on record" in said.out, "/b" in said.out) == (0, True, True)
    verified = tidegate("transfers", "verify", *words)
    assert verified.code == 1
    assert "no transfer is on record" in verified.err
