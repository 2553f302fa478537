"""
The log on standard error: JSON, or lines for people at a terminal.

Partners choose the names in it, so every text is made harmless: control characters are escaped in
both forms, and no event carries a key body or a secret to begin with.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def configure_logging(
    form: Literal["auto", "json", "console"], level: str, stream: TextIO | None = None
) -> None:
    """Set up all logging of this process. `auto` is console at a terminal and JSON elsewhere."""
    stream = stream or sys.stderr
    console = form == "console" or (form == "auto" and stream.isatty())
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty())
        if console
        else structlog.processors.JSONRenderer()
    )
    finish: list[Processor] = [] if console else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _harmless,
            *finish,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    # Libraries speak only when something is wrong: what they log at INFO is ours to say, once.
    logging.basicConfig(stream=stream, level=logging.WARNING, format="%(name)s: %(message)s", force=True)
    logging.getLogger("asyncssh").setLevel(logging.ERROR)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)


def escaped(text: str) -> str:
    """Return the text with control and direction-changing characters written out."""
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def _harmless(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: _made_harmless(value) for name, value in event.items() if value is not None}


def _made_harmless(value: Any) -> Any:
    return escaped(value) if isinstance(value, str) else value
