"""Activities as lines of a file, or of standard output."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from tidegate.core.activities import Activity
from tidegate.core.activity_lines import as_json, structured_members
from tidegate.core.arns import Arns
from tidegate.core.errors import StoreUnavailable
from tidegate.core.events import timestamp
from tidegate.ports.activities import Written


class ActivityLines:
    """
    `ActivitySink` that writes the JSON of structured logs, one line each.

    Nothing beside the line says when it was, as CloudWatch Logs does: so each ends in a member `time`.

    Args:
        write_text: Blocks, for ever perhaps: whoever reads a pipe may have stopped. So it has a thread, which
            keeps no process from ending.
        arns: Returns the ARNs of the account.
    """

    batch_size = 1000
    linger_seconds = 0.0

    def __init__(
        self, name: str, write_text: Callable[[str], None], arns: Callable[[], Awaitable[Arns]]
    ) -> None:
        self.name = name
        self._write_text = write_text
        self._arns = arns

    def wants(self, activity: Activity) -> bool:  # noqa: ARG002 - it has all of them
        return True

    async def write(self, batch: Sequence[Activity]) -> Written:
        arns = await self._arns()
        text = "".join(f"{line_of(each, arns)}\n" for each in batch)
        try:
            await _in_thread(lambda: self._write_text(text))
        except (OSError, ValueError) as error:
            raise StoreUnavailable(f"{self.name}: {error}") from error
        return Written()


def line_of(activity: Activity, arns: Arns) -> str:
    """Return the line, without its end."""
    members = structured_members(activity, arns.server(activity.server.server_id))
    return as_json({**members, "time": timestamp(activity.at)})


def to_file(path: Path) -> Callable[[str], None]:
    """Return what appends to a file. It is opened each time, so that it can be moved away and begun anew."""

    def append(text: str) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)

    return append


def to_stdout(text: str) -> None:
    """Write to standard output."""
    sys.stdout.write(text)
    sys.stdout.flush()


async def _in_thread(call: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def tell(error: BaseException | None) -> None:
        if not done.done():
            done.set_exception(error) if error else done.set_result(None)

    def run() -> None:
        error: BaseException | None = None
        try:
            call()
        except (OSError, ValueError) as raised:
            error = raised
        with suppress(RuntimeError):  # the loop is closed: nobody waits for it any more
            loop.call_soon_threadsafe(tell, error)

    threading.Thread(target=run, name="activity-lines", daemon=True).start()
    await done
