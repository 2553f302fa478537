"""A listener in the test's own process, with everything it stands on in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncssh

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.directory import MemoryUserDirectory
from tidegate.adapters.memory.objects import MemoryObjectStore
from tidegate.adapters.memory.transfer_log import MemoryTransferLog
from tidegate.core.behaviour import PRESETS
from tidegate.core.ids import GatewayId, KeyId
from tidegate.core.objects import Storage
from tidegate.core.parts import PartSchedule
from tidegate.core.routes import Routes
from tidegate.core.servers import Server
from tidegate.core.users import Home, SshPublicKey, User
from tidegate.faces.sftp.context import FaceContext
from tidegate.faces.sftp.limits import FaceLimits, Guard
from tidegate.faces.sftp.listener import ListenerSettings, SftpListener
from tidegate.services.browsing import Browsing
from tidegate.services.buffers import BufferBudget
from tidegate.services.downloads import Downloads
from tidegate.services.hashes import Hashes
from tidegate.services.held import Held
from tidegate.services.identity_providers import FindProvider, Identities, no_provider
from tidegate.services.intake import Backends, Landing, Uploads
from tidegate.services.logins import Logins
from tidegate.services.quotas import PlaceLimits, Places, Rates
from tidegate.services.refusals import Refusals
from tidegate.services.renames import Renames
from tidegate.services.rights import HomeRights, Rights
from tidegate.services.uploads import UploadSettings

SERVER, AT = "s-0123456789abcdef0", datetime(2026, 3, 9, tzinfo=UTC)
MIB = 1024 * 1024


class House:
    """A listener with everything it stands on in memory, and one partner."""

    def __init__(
        self,
        folder: Path,
        store: MemoryObjectStore | None = None,
        server: Server | None = None,
        find_provider: FindProvider = no_provider,
        rights: Rights | None = None,
        **listening: Any,
    ) -> None:
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        host_key = asyncssh.generate_private_key("ssh-ed25519")
        host_key.write_private_key(folder / "host")
        clock = ManualClock(AT)
        self.log = log = MemoryTransferLog(clock)
        self.store = store = store or MemoryObjectStore(["landing"], clock=clock)
        self.directory = MemoryUserDirectory()
        self.logins = logins = Logins(self.directory, log, clock, SERVER)
        backends = Backends(store, log, clock, GatewayId("gw-0123456789abcdef"))
        routes = Routes((), Storage(None))
        renames = Renames(backends, log, routes, Held(store, log, log, clock))
        settings = UploadSettings(PartSchedule(8 * MIB, 8 * MIB), 2 * MIB, 2, False)
        budget = BufferBudget(100 * MIB)
        self.uploads = Uploads(
            backends, budget, settings, Landing(routes, ()), one_writer=True, on_owed=lambda: None
        )
        downloads = Downloads(store, log, clock, backends.gateway_id, BufferBudget(0), MIB)
        self.refusals = Refusals(logins, clock)
        self.guard = Guard(
            FaceLimits(10, 128, 1800),
            Places(PlaceLimits(50, 50, 50)),
            Rates(None, None, clock),
            self.refusals,
        )
        context = FaceContext(
            server or Server(SERVER),
            PRESETS["partner-safe"],
            logins,
            self.uploads,
            downloads,
            lambda tree, session, acting: Browsing(tree, session, acting, renames, routes),
            routes,
            store,
            self.guard,
            Hashes(store, log),
            Identities(logins, clock, find_provider, seconds=5),
            rights or HomeRights(store),
        )
        self.listener = SftpListener(
            context, ListenerSettings("127.0.0.1", 0, [folder / "host"], **listening)
        )

    async def add_partner(self) -> None:
        body = " ".join(self.key.export_public_key().decode().split()[:2])
        known = SshPublicKey(KeyId("key-1"), body, self.key.get_fingerprint(), "", AT)
        await self.directory.add_user(User(SERVER, "acme", Home.chroot("/landing/acme"), AT, (known,)))

    def connect(self, key: asyncssh.SSHKey | None = None, **options: Any) -> asyncssh.misc._ACMWrapper:
        where = {} if "sock" in options else {"host": "127.0.0.1", "port": self.listener.port}
        return asyncssh.connect(
            **where,
            username="acme",
            client_keys=[key or self.key],
            known_hosts=None,
            agent_path=None,
            config=None,
            **options,
        )

    async def all_gone(self) -> None:
        async with asyncio.timeout(20):
            while self.guard.places.taken:  # noqa: ASYNC110 - a listener has no event for it
                await asyncio.sleep(0)
            await self.uploads.all_ended()


@asynccontextmanager
async def house_in(
    folder: Path,
    store: MemoryObjectStore | None = None,
    server: Server | None = None,
    find_provider: FindProvider = no_provider,
    rights: Rights | None = None,
    **listening: Any,
) -> AsyncIterator[House]:
    house = House(folder, store, server, find_provider, rights, **listening)
    await house.add_partner()
    await house.listener.start()
    try:
        yield house
    finally:
        await house.listener.drain(0, asyncio.Event())
        await house.refusals.said()
