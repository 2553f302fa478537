"""An identity provider that is a command: the event as JSON on its input, the answer on its output."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from contextlib import suppress

from tidegate.core.errors import ProviderFailed
from tidegate.core.identity_providers import Question

_MAX_ANSWER_BYTES = 4 * 1024 * 1024
_LET_GO_SECONDS = 1.0


class CommandProvider:
    """
    The port `IdentityProviderCall` over a command, run once for each question.

    What it writes to its error output goes where the gateway's own does.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)

    async def ask(self, question: Question) -> object:
        name = self._command[0]
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_MAX_ANSWER_BYTES,
                # A group of its own, so that nothing it starts outlives it.
                start_new_session=True,
            )
        except OSError as error:
            raise ProviderFailed(f"{name} cannot be run: {error.strerror}") from None
        try:
            content = await _talk(process, json.dumps(question.event()).encode())
            code = await process.wait()
        finally:
            await _end(process)
        if code != 0:
            raise ProviderFailed(f"{name} ended with exit code {code}")
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise ProviderFailed(f"{name} wrote no JSON") from None


async def _talk(process: asyncio.subprocess.Process, event: bytes) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    # A command that answers without reading has closed its input by then.
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(event)
        await process.stdin.drain()
    process.stdin.close()
    content = bytearray()
    while piece := await process.stdout.read(_MAX_ANSWER_BYTES):
        content += piece
        if len(content) > _MAX_ANSWER_BYTES:
            raise ProviderFailed(f"the command wrote more than {_MAX_ANSWER_BYTES:,} bytes")
    return bytes(content)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what is left of the command, and let go of its pipes."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    # What has left the group may hold the pipes open for as long as it likes.
    with suppress(TimeoutError):
        await asyncio.wait_for(process.communicate(), _LET_GO_SECONDS)
