"""
Stopping a gateway at a named step, from another process.

Everything a gateway does that lasts goes through two ports: the object store and the transfer log. So
their methods name the steps: `upload_part.before` is reached when a part is about to be sent,
`complete.after` when COMPLETED and the deliveries are durable and the client has read nothing yet.

At each step the gateway connects to a Unix socket, writes a line `STEP SUBJECT`, and waits for an
answer. Whoever listens may answer at once, later, or kill the gateway instead: it is then dead exactly
there. Only a hidden option of the command line turns this on; the code that is stopped knows nothing.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

from tidegate.backend import Backend
from tidegate.core.objects import META_TRANSFER_ID, NewObject

OPERATIONS = frozenset(
    {
        # the transfer log
        "start",
        "set_upload_id",
        "finishing",
        "complete",
        "end",
        "take_over",
        # the log of kept uploads
        "keep",
        "continue_kept",
        # the log of renames
        "intend",
        "settle_rename",
        "take_over_rename",
        # the log of suspects
        "hold_back",
        "release",
        "drop",
        # the delivery queue
        "claim",
        "settle",
        "move_held",
        "replay",
        "discard",
        # the object store
        "put",
        "create_multipart",
        "upload_part",
        "copy_part",
        "complete_multipart",
        "abort_multipart",
        "versions",
        "copy",
        "delete",
    }
)


def ask_before_steps(backend: Backend, socket: Path) -> None:
    """Let every step of this backend ask the listener on `socket` before it goes on."""
    backend.store = cast(Any, Stepped(backend.store, socket))
    backend.log = cast(Any, Stepped(backend.log, socket))


class Stepped:
    """A port whose operations ask before and after."""

    def __init__(self, inner: object, socket: Path) -> None:
        self._inner = inner
        self._socket = socket

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in OPERATIONS:
            return found

        async def asking(*args: Any, **kwargs: Any) -> Any:
            subject = _subject(args)
            await _ask(self._socket, f"{name}.before", subject)
            result = await found(*args, **kwargs)
            await _ask(self._socket, f"{name}.after", subject)
            return result

        return asking


async def _ask(socket: Path, step: str, subject: str) -> None:
    # A connection each: steps of several uploads wait at the same time, and none for another.
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket))
    except OSError:
        return  # nobody listens any more
    try:
        writer.write(f"{step} {subject}\n".encode())
        await writer.drain()
        await reader.readline()
    except OSError:
        return
    finally:
        writer.close()


def _subject(args: tuple[Any, ...]) -> str:
    """Return what the step is about: the LogID where there is one, else the object."""
    for arg in args:
        if isinstance(arg, NewObject):
            return arg.metadata.get(META_TRANSFER_ID, str(arg.location))
        log_id = getattr(arg, "log_id", None)
        if log_id is not None:
            return str(log_id)
    return str(args[0]) if args else ""
