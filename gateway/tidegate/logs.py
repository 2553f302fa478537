"""
The log on standard error: JSON, or lines for people at a terminal.

Partners choose the names in it, so every text is made harmless: control characters are escaped in
both forms, in our own events, in what libraries log, and in tracebacks. No event carries a key body or
a secret to begin with.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# Control characters, what ends lines or turns text round, and halves of characters no stream can write.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# Texts of several lines, made by us and not by partners: their line ends stay.
_SEVERAL_LINES = frozenset({"exception", "stack"})


def configure_logging(
    form: Literal["auto", "json", "console"], level: str, stream: TextIO | None = None
) -> None:
    """Set up all logging of this process. `auto` is console at a terminal and JSON elsewhere."""
    stream = stream or sys.stderr
    console = form == "console" or (form == "auto" and stream.isatty())
    renderer: Processor = (
        # Not the richer traceback, which shows the values of variables.
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        if console
        else structlog.processors.JSONRenderer()
    )
    describe: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _harmless,
    ]
    structlog.configure(
        processors=[*describe, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    # Libraries speak only when something is wrong: what they log at INFO is ours to say, once.
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *describe],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("asyncssh").setLevel(logging.ERROR)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)


def escaped(text: str) -> str:
    """Return the text with control and direction-changing characters written out."""
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def _harmless(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: _made_harmless(name, value) for name, value in event.items() if value is not None}


def _made_harmless(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if name in _SEVERAL_LINES:
        # Indented, so that a line end in somebody's text cannot make it look like a line of the log.
        return "\n".join(f"    {escaped(line)}" for line in value.split("\n"))
    return escaped(value)
