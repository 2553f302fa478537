"""Open directories: entries are fetched as READDIRs ask for them, and given out in bounded answers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncssh
from asyncssh import SFTPName

# OpenSSH's client gives up at an answer of 256 KiB; a hundred of the longest names and their lines fill one.
ANSWER_BYTES = 64 * 1024
ANSWER_NAMES = 128


class Listing:
    """
    One open directory.

    Its READDIRs come one after the other, whatever a client has in flight: they wait in the lane of the
    handle. So each entry is in exactly one answer.
    """

    def __init__(self, names: AsyncIterator[SFTPName]) -> None:
        self._names = names
        self._failure: asyncssh.SFTPError | None = None

    async def next(self) -> list[SFTPName]:
        """
        Return the next entries; none, for ever, after the last.

        Raises:
            SFTPError: The directory could not be read on. From then on it is raised by every call: a client
                that has several READDIRs in flight must not take what follows for the end of the directory.
        """
        if self._failure is not None:
            raise self._failure
        try:
            return await self._some()
        except asyncssh.SFTPError as error:
            self._failure = error
            raise

    async def _some(self) -> list[SFTPName]:
        found: list[SFTPName] = []
        size = 0
        async for name in self._names:
            found.append(name)
            size += len(name.filename) + len(name.longname)
            if len(found) == ANSWER_NAMES or size >= ANSWER_BYTES:
                break
        return found
