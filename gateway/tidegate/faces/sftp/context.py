"""What every connection of one SFTP listener needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tidegate.core.behaviour import Behaviour
from tidegate.core.paths import HomeTree
from tidegate.core.routes import Routes
from tidegate.core.servers import Server
from tidegate.core.sessions import Session
from tidegate.faces.sftp.limits import Guard
from tidegate.ports.objects import ObjectStore
from tidegate.services.activities import UNTOLD, Activities
from tidegate.services.browsing import Browsing
from tidegate.services.downloads import Downloads
from tidegate.services.hashes import Hashes
from tidegate.services.identity_providers import Identities
from tidegate.services.intake import Uploads
from tidegate.services.logins import Logins
from tidegate.services.rights import Rights


class Answering:
    """The sessions that have taken up a request and not answered it yet."""

    def __init__(self) -> None:
        self._busy: set[object] = set()
        self._none = asyncio.Event()
        self._none.set()

    def begin(self, session: object) -> None:
        self._busy.add(session)
        self._none.clear()

    def end(self, session: object) -> None:
        """Note that a session has answered, or has ended. May be repeated."""
        self._busy.discard(session)
        if not self._busy:
            self._none.set()

    async def none(self) -> None:
        """Return at the first moment at which every answer has been given."""
        await self._none.wait()


@dataclass(slots=True)
class FaceContext:
    """Services and behaviour of one server."""

    # What the directory says of it; replaced when that changes, for connections that come after.
    server: Server
    behaviour: Behaviour
    logins: Logins
    uploads: Uploads
    downloads: Downloads
    browsing: Callable[[HomeTree, Session, ObjectStore], Browsing]
    routes: Routes
    store: ObjectStore  # the gateway's own; a session's is `rights`'
    guard: Guard
    hashes: Hashes
    identities: Identities
    rights: Rights
    activities: Activities = UNTOLD
    # Endings go on after their connection is gone, so they belong to the server and not to it.
    endings: set[asyncio.Task[None]] = field(default_factory=set)
    answering: Answering = field(default_factory=Answering)

    @property
    def server_id(self) -> str:
        return self.server.server_id

    def end_later(self, ending: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run an ending in the background; `ended` waits for it."""
        task = asyncio.create_task(ending)
        self.endings.add(task)
        task.add_done_callback(self.endings.discard)
        return task

    async def ended(self) -> None:
        """Return when all endings so far have run."""
        while self.endings:
            await asyncio.wait(set(self.endings))
