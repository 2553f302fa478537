"""The log: one line an event, harmless whatever partners call their files, and no chatter."""

from __future__ import annotations

import io
import json
import logging
import re
import warnings

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from tidegate.logs import configure_logging, escaped

# Clear the screen, new line, bell, C1's own escape, line separator, text turned round, half a character.
NASTY = "a\x1b[2J\n2026 login user=root\r\a\x9b31m\u2028\u202egnp.exe\u2066\ud800\x00\x7f\u200f"
UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def restored():
    """Leave logging as it was found."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("asyncssh", "werkzeug")}
    config = structlog.get_config()
    yield
    structlog.configure(**config)
    root.handlers[:], root.level = handlers, level
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


@pytest.fixture(params=["json", "console"])
def form(request):
    return request.param


@pytest.fixture
def logged(restored, form):
    """Return what is written after a call, as lines."""
    stream = io.StringIO()
    configure_logging(form, "info", stream)

    def logged(act) -> list[str]:
        stream.seek(0)
        stream.truncate()
        # pytest adds handlers of its own, and a report that holds half a character kills xdist's workers.
        root = logging.getLogger()
        root.handlers[:] = [each for each in root.handlers if not type(each).__module__.startswith("_pytest")]
        act(structlog.get_logger("tidegate.test"))
        return stream.getvalue().split("\n")[:-1]

    return logged


def raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught


class TestHarmless:
    def test_partner_text(self, logged):
        """Control characters and escapes in a name are written out: one event is one line of plain text."""
        (line,) = logged(lambda log: log.info("upload ended", path=NASTY, user="acme"))
        assert not UNFIT.search(line)
        assert r"\x1b[2J" in line.replace("\\\\", "\\")

    def test_event_text(self, logged):
        """The event itself is made harmless too."""
        (line,) = logged(lambda log: log.warning(NASTY))
        assert not UNFIT.search(line)

    @pytest.mark.parametrize("value", [[NASTY], (NASTY,), {NASTY: NASTY}, NASTY.encode("utf-8", "replace")])
    def test_text_inside_of_values(self, logged, value):
        """Text in lists, pairs and bytes is written out as well."""
        (line,) = logged(lambda log: log.info("upload ended", value=value))
        assert not UNFIT.search(line)

    def test_exception(self, logged, form):
        """A traceback is shown, and what somebody's text adds to it cannot pass for a line of the log."""
        error = raised(ValueError(NASTY))
        lines = logged(lambda log: log.error("request failed", exc_info=error))
        assert not UNFIT.search("".join(lines))
        assert "ValueError" in "".join(lines)
        if form == "json":
            assert len(lines) == 1
        else:
            assert all(line.startswith("    ") for line in lines[1:])
            assert not any(line.startswith("2026 login") for line in lines)

    def test_library_text(self, logged, form):
        """What libraries log is made harmless, in the same form as our own events, with their name."""
        (line,) = logged(lambda _: logging.getLogger("botocore.x").warning("no %s", NASTY))
        assert not UNFIT.search(line)
        assert "botocore.x" in line
        if form == "json":
            event = json.loads(line)
            assert (event["logger"], event["level"]) == ("botocore.x", "warning")
            assert event["event"].startswith("no a")

    def test_library_exception(self, logged, form):
        """So are their tracebacks, as asyncio logs them for a task nobody awaited."""
        error = raised(KeyError(NASTY))
        lines = logged(lambda _: logging.getLogger("asyncio").error("never retrieved", exc_info=error))
        assert not UNFIT.search("".join(lines))
        assert "KeyError" in "".join(lines)
        assert len(lines) == 1 or all(line.startswith("    ") for line in lines[1:])

    def test_names_stay_readable(self, logged):
        """Letters of any language are left as they are, or as JSON writes them."""
        (line,) = logged(lambda log: log.info("upload ended", path="/größe 💶 報告.csv"))
        text = json.loads(line)["path"] if line.startswith("{") else line
        assert "/größe 💶 報告.csv" in text

    def test_no_values_of_variables(self, logged):
        """A traceback shows code and not the values of variables, which may be secrets."""

        def check(password: str) -> None:
            raise ValueError(len(password))

        with pytest.raises(ValueError, match="7") as caught:
            check("hunter" + "2")
        lines = logged(lambda log: log.error("request failed", exc_info=caught.value))
        assert "check(" in "".join(lines)
        assert "hunter2" not in "".join(lines)


@given(st.text())
def test_escaped_is_plain_and_tells_texts_apart(text):
    """What is escaped holds nothing unfit, and what was fit is as it was."""
    assert not UNFIT.search(escaped(text))
    if not UNFIT.search(text):
        assert escaped(text) == text


class TestForm:
    def test_json(self, restored):
        """JSON lines carry level, time and the facts that were given; what is not known is left out."""
        stream = io.StringIO()
        configure_logging("json", "info", stream)
        structlog.get_logger().info("upload ended", bytes=5, user="acme", reason=None)
        event = json.loads(stream.getvalue())
        assert event.pop("timestamp").endswith("Z")
        assert event == {"event": "upload ended", "level": "info", "bytes": 5, "user": "acme"}

    def test_auto(self, restored):
        """By itself it is lines for people at a terminal, and JSON elsewhere."""
        terminal, file = Terminal(), io.StringIO()
        for stream in (terminal, file):
            configure_logging("auto", "info", stream)
            structlog.get_logger().info("upload ended")
        assert not terminal.getvalue().startswith("{")
        assert file.getvalue().startswith("{")

    def test_no_colours_in_a_file(self, restored):
        """Console lines that go to a file hold no escape sequences; at a terminal only our own."""
        file, terminal = io.StringIO(), Terminal()
        for stream in (file, terminal):
            configure_logging("console", "info", stream)
            structlog.get_logger().info("upload ended", path=NASTY)
        assert "\x1b" not in file.getvalue()
        assert "\x1b" in terminal.getvalue()
        assert "\x1b[2J" not in terminal.getvalue()

    def test_nothing_warns(self, restored, logged):
        """Logging an exception causes no warning of the logging library itself."""
        error = raised(ValueError("x"))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            logged(lambda log: log.error("request failed", exc_info=error))

    def test_configured_again(self, restored):
        """Configuring twice writes each event once."""
        stream = io.StringIO()
        for _ in range(2):
            configure_logging("json", "info", stream)
        logging.getLogger("botocore").warning("once")
        structlog.get_logger().info("once")
        assert stream.getvalue().count("once") == 2


class TestLevels:
    @pytest.mark.parametrize(
        ("level", "expected"),
        [("debug", "debug info warning error"), ("info", "info warning error"), ("error", "error")],
    )
    def test_ours(self, restored, level, expected):
        """Events below the level are not written."""
        stream = io.StringIO()
        configure_logging("json", level, stream)
        log = structlog.get_logger()
        for each in ("debug", "info", "warning", "error"):
            getattr(log, each)("event")
        assert [json.loads(line)["level"] for line in stream.getvalue().split("\n")[:-1]] == expected.split()

    def test_libraries(self, restored):
        """Libraries speak only when something is wrong, even where we log everything."""
        stream = io.StringIO()
        configure_logging("json", "debug", stream)
        for name in ("asyncssh", "asyncssh.sftp", "botocore", "boto3", "urllib3", "werkzeug", "asyncio"):
            for level in (logging.DEBUG, logging.INFO):
                logging.getLogger(name).log(level, "chatter")
        for name in ("asyncssh", "werkzeug"):
            logging.getLogger(name).warning("chatter")
        assert stream.getvalue() == ""
        for name in ("asyncssh", "botocore", "werkzeug"):
            logging.getLogger(name).error("something is wrong")
        assert stream.getvalue().count("something is wrong") == 3
