"""What a client reads when something fails, and what only the log may know."""

from __future__ import annotations

import asyncio
import re

import asyncssh
import pytest
from structlog.testing import capture_logs

from tidegate.core import errors
from tidegate.core.errors import GatewayError, NotFound, SftpStatus, Unsupported
from tidegate.core.sessions import Session
from tidegate.faces.sftp.answers import answered, answered_stream, as_sftp_error

SESSION = Session("0123456789abcdef", "s-0123456789abcdef0", "acme", "192.0.2.7", "SSH-2.0-x", "SHA256:k")

ARN = "arn:aws:iam::123456789012:role/landing-writer"
SECRETS = (ARN, "s3://landing/acme/secret.csv", "/etc/tidegate/host_key", "AKIAIOSFODNN7EXAMPLE", "hunter2")
DETAIL = f"User: {SECRETS[0]} is not authorized on {SECRETS[1]}, see {SECRETS[2]} with {SECRETS[3]}"
HINT = f"grant it in {ARN}; the password is {SECRETS[4]}"

QUIET = {NotFound: "No such file", Unsupported: "Operation unsupported"}
KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, GatewayError) and kind not in QUIET
]
ODD = [
    Exception(DETAIL),
    RuntimeError(f"An error occurred (AccessDenied) when calling the PutObject operation: {DETAIL}"),
    OSError(13, DETAIL, SECRETS[2]),
    FileNotFoundError(2, "No such file or directory", SECRETS[2]),
    KeyError(ARN),
    UnicodeDecodeError("utf-8", ARN.encode(), 0, 1, HINT),
    TimeoutError(DETAIL),
    ExceptionGroup(DETAIL, [ValueError(HINT)]),
]


class Observed:
    """Whoever is told what became of requests."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def done(self, name: str, args: tuple[object, ...], result: object, started_at: object) -> None:
        self.told.append((name, f"{result!r} of {args!r}"))

    def failed(
        self, name: str, args: tuple[object, ...], told: asyncssh.SFTPError, started_at: object
    ) -> None:
        self.told.append((name, told.reason))


class Files:
    """A session whose every request fails."""

    session = SESSION

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.observed = Observed()

    @answered("OPEN")
    async def open(self, path: bytes, flags: int = 0) -> bytes:
        raise self.error

    @answered_stream("READDIR")
    async def scandir(self, path: bytes):
        yield path
        raise self.error

    @answered("WRITE")
    async def write(self, handle: object) -> None:
        raise self.error


async def by_open(error: BaseException) -> None:
    await Files(error).open(b"/secret.csv")


async def by_scandir(error: BaseException) -> None:
    found = [entry async for entry in Files(error).scandir(b"/secret.csv")]
    raise AssertionError(f"{found} without an error")


async def refusal(way, error: BaseException) -> tuple[asyncssh.SFTPError, list]:
    with capture_logs() as told, pytest.raises(asyncssh.SFTPError) as refused:
        await way(error)
    return refused.value, told


@pytest.fixture(params=[by_open, by_scandir], ids=["answered", "answered_stream"])
def way(request):
    return request.param


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_our_errors(way, kind):
    """A refusal reads as its class says and carries an error id, under which the log has the reason."""
    answer, (told,) = await refusal(way, kind(DETAIL, hint=HINT))
    assert answer.code == kind.status
    if kind.carries_id:
        assert answer.reason == f"{kind.text} (error {told['error_id']})"
    else:
        # Transfer Family's words, which clients and tests compare.
        assert answer.reason == kind.text
    assert re.fullmatch(r"[0-9a-f]{8}", told["error_id"])
    assert not any(secret in answer.reason for secret in SECRETS)
    assert told["detail"] == f"{DETAIL} ({HINT})"
    assert told["kind"] == kind.__name__
    assert (told["session"], told["user"], told["client_ip"]) == (
        "0123456789abcdef",
        "acme",
        "192.0.2.7",
    )
    assert told["subject"] == "b'/secret.csv'"


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
async def test_any_other_error(way, error):
    """An error nobody foresaw is one fixed text to the client, and a traceback to the administrator."""
    answer, (told,) = await refusal(way, error)
    assert answer.code == SftpStatus.FAILURE
    found = re.fullmatch(r"Internal error \(error ([0-9a-f]{8})\)", answer.reason)
    assert found, answer.reason
    assert told["error_id"] == found[1]
    assert told["exc_info"] is error
    assert told["log_level"] == "error"


@pytest.mark.parametrize("kind", QUIET)
async def test_what_clients_match(way, kind):
    """The two texts that clients look for are exact, without an id, and no noise in the log."""
    answer, (told,) = await refusal(way, kind(DETAIL, hint=HINT))
    assert (answer.code, answer.reason) == (kind.status, QUIET[kind])
    assert told["log_level"] == "debug"


async def test_unsupported_in_words(way):
    """What is not offered may be said in a fixed phrase of its own."""
    answer, _ = await refusal(way, Unsupported(DETAIL, text="SETSTAT unsupported"))
    assert (answer.code, answer.reason) == (SftpStatus.OP_UNSUPPORTED, "SETSTAT unsupported")


async def test_missing_behind_a_handle():
    """What is missing behind an open handle is none of the client's files: a failure with an id."""

    async def by_write(error):
        await Files(error).write(object())

    answer, (told,) = await refusal(by_write, NotFound(DETAIL))
    assert answer.code == SftpStatus.FAILURE
    assert re.fullmatch(r"Failure \(error [0-9a-f]{8}\)", answer.reason)
    assert (told["kind"], told["log_level"]) == ("NotFound", "warning")


@pytest.mark.parametrize("kind", [GatewayError, NotFound, Unsupported, *KINDS])
def test_texts_are_fixed(kind):
    """No class takes its text from the detail, and every status is one that version 3 knows."""
    assert DETAIL not in kind(DETAIL).text
    assert kind("another").text == kind(DETAIL).text
    assert kind.status in (1, 2, 3, 4, 5, 8)


@pytest.mark.parametrize("error", [NotFound(DETAIL), GatewayError(DETAIL), KeyError(ARN)])
async def test_nothing_hangs_on_the_answer(way, error):
    """The exception that asyncssh gets leads back to none of ours when it is shown."""
    answer, _ = await refusal(way, error)
    assert answer.__cause__ is None
    assert answer.__suppress_context__
    assert not any(secret in str(answer) for secret in SECRETS)


async def test_an_sftp_error_of_asyncssh():
    """What is in SFTP's own words already goes out as it is."""
    error = asyncssh.SFTPEOFError()
    assert as_sftp_error(error, "READ", SESSION) is error


async def test_a_cancelled_request(way):
    """A request that is cancelled is not answered."""
    with capture_logs() as told, pytest.raises(asyncio.CancelledError):
        await way(asyncio.CancelledError())
    assert told == []


async def test_a_long_subject():
    """Of a path of any length the log keeps as much as a person would read."""
    _, (told,) = await refusal(lambda error: Files(error).open(b"x" * 250_000), GatewayError(DETAIL))
    assert len(told["subject"]) == 300


async def test_without_a_subject():
    """A request without arguments is refused alike."""
    with capture_logs() as told:
        as_sftp_error(GatewayError(DETAIL), "CLOSE", SESSION)
    assert told[0]["subject"] is None


async def test_answers_pass():
    """What goes well goes through, argument by argument and entry by entry."""

    class Good:
        session = SESSION
        observed = Observed()

        @answered("OPEN")
        async def open(self, path, *, flags):
            return path, flags

        @answered_stream("READDIR")
        async def scandir(self, count):
            for each in range(count):
                yield each

    with capture_logs() as told:
        assert await Good().open(b"/a", flags=3) == (b"/a", 3)
        assert [each async for each in Good().scandir(3)] == [0, 1, 2]
    assert told == []
    assert Good.open.__name__ == "open"
