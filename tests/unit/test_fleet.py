"""The servers of a process: what becomes of each when rows change and calls fail, all of it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tidegate import fleet as module
from tidegate.adapters.memory.directory import MemoryUserDirectory
from tidegate.assembly import Gateway
from tidegate.core.behaviour import PRESETS
from tidegate.core.errors import InvalidSettings, StoreUnavailable
from tidegate.core.servers import Server
from tidegate.fleet import Fleet
from tidegate.shared import HostKeySources

FIRST, OTHER = "s-00000000000000001", "s-00000000000000002"


class Listener:
    """Listens in words alone; `may_drain` lets a drain end that nobody hurries."""

    def __init__(self, server: Server) -> None:
        self.context = SimpleNamespace(server=server)
        self.port, self.has_started = 2222, False
        self.may_drain = asyncio.Event()
        self.may_drain.set()
        self.checks = 0
        self.looks_up = False
        self.starts = 0
        self.fails: Exception | None = None

    async def start(self) -> None:
        self.starts += 1
        if self.fails:
            raise self.fails
        self.has_started = True

    async def drain(self, _: float, hurried: asyncio.Event) -> None:
        self.has_started = False
        waits = [asyncio.create_task(each.wait()) for each in (self.may_drain, hurried)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()

    async def end_revoked(self, _: Callable[..., Awaitable[bool]]) -> bool:
        self.checks += 1
        return not self.looks_up


class Observation:
    """Who is told of sessions, as the fleet knows them."""

    async def stop(self) -> None: ...


class Told:
    """A gateway as the fleet knows one."""

    def __init__(self, house: House, server: Server) -> None:
        self.backend = SimpleNamespace(
            directory=house.directory,
            settings=SimpleNamespace(shutdown=SimpleNamespace(grace_seconds=60)),
        )
        self.behaviour = PRESETS["partner-safe"]
        self.listener = Listener(server)
        self.logins = None
        self.observation = Observation()
        self.is_stopped = False
        self.fails: Exception | None = None

    @property
    def server(self) -> Server:
        return cast(Server, self.listener.context.server)

    @property
    def server_id(self) -> str:
        return self.server.server_id

    def renew(self, server: Server, _: HostKeySources) -> None:
        self.listener.context.server = server

    async def start(self) -> None:
        if self.fails:
            raise self.fails
        if self.server.wanted == "ONLINE":
            await self.listener.start()

    async def stop(self, hurried: asyncio.Event) -> None:
        await self.listener.drain(60, hurried)
        self.is_stopped = True


class House:
    """A directory with two servers, and a fleet over it."""

    def __init__(self) -> None:
        self.directory = MemoryUserDirectory()
        self.made: list[Told] = []
        self.fails: Exception | None = None
        self.keys_fail: Exception | None = None
        self.first = Told(self, Server.configured(FIRST))

    async def open(self) -> Fleet:
        await self.directory.register_server(FIRST)
        await self.directory.add_server(Server(OTHER))
        await self.first.start()
        return Fleet(cast(Gateway, self.first), self._make, self._host_keys)

    async def _make(self, server: Server) -> Gateway:
        self.made.append(Told(self, server))
        self.made[-1].fails = self.fails
        return cast(Gateway, self.made[-1])

    async def _host_keys(self, _: Server) -> HostKeySources:
        if self.keys_fail:
            raise self.keys_fail
        return HostKeySources(())

    async def change(self, server_id: str, **members: Any) -> None:
        await self.directory.change_server(server_id, lambda server: replace(server, **members))


async def turns(count: int = 50) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_stop_needs_no_host_keys() -> None:
    """A server that is to stop does, also while KMS opens no host key that another change asks for."""
    house = House()
    fleet = await house.open()
    await fleet.reconcile()
    house.keys_fail = StoreUnavailable("KMS does not answer")
    await house.change(OTHER, wanted="OFFLINE", pre_login_banner="closed")
    await fleet.reconcile()
    assert not house.made[0].listener.has_started


async def test_revocations_wait_for_no_host_keys() -> None:
    """Whoever lost access is looked for, also while KMS opens no host key."""
    house = House()
    fleet = await house.open()
    await fleet.reconcile()
    house.keys_fail = StoreUnavailable("KMS does not answer")
    await house.change(OTHER, pre_login_banner="new")
    house.directory._note_revocation(OTHER)
    await fleet.reconcile()
    assert house.made[0].listener.checks == 1
    await fleet.reconcile()
    assert house.made[0].listener.checks == 1


async def test_a_login_under_way_is_looked_at_again() -> None:
    """It may have read of its key before that was removed, and be in after the look."""
    house = House()
    fleet = await house.open()
    house.first.listener.looks_up = True
    house.directory._note_revocation(FIRST)
    await fleet.reconcile()
    house.first.listener.looks_up = False
    await fleet.reconcile()
    await fleet.reconcile()
    assert house.first.listener.checks == 2


@pytest.mark.parametrize("ending", ["stop", "delete"])
async def test_revocations_wait_for_no_drain(ending: str) -> None:
    """Whoever lost access is looked for while a server lets uploads end; of a deleted one that is all."""
    house = House()
    fleet = await house.open()
    await fleet.reconcile()
    listener = house.made[0].listener
    listener.may_drain.clear()
    if ending == "stop":
        await house.change(OTHER, wanted="OFFLINE")
        await fleet._look()
        await turns()
        house.directory._note_revocation(OTHER)
    else:
        await house.directory.remove_server(OTHER)
    await fleet._look()
    await turns()
    assert listener.checks == 1
    listener.may_drain.set()
    await fleet._settled()


async def test_revocations_are_looked_for_while_the_process_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploads may be let end for minutes, and a key that is removed meanwhile is of no use."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    house = House()
    fleet = await house.open()
    fleet.start()
    await fleet.reconcile()
    house.first.listener.may_drain.clear()
    stopping = asyncio.create_task(fleet.stop(asyncio.Event()))
    await turns()
    house.directory._note_revocation(FIRST)
    async with asyncio.timeout(10):
        while not house.first.listener.checks:  # noqa: ASYNC110 - it looks when it likes
            await asyncio.sleep(0.005)
    house.first.listener.may_drain.set()
    await stopping
    assert house.first.is_stopped


async def test_a_hurry_reaches_what_drains_already() -> None:
    """Who does not wait for uploads at the end of a process does not wait for those of a stopped server."""
    house = House()
    fleet = await house.open()
    await fleet.reconcile()
    house.made[0].listener.may_drain.clear()
    await house.change(OTHER, wanted="OFFLINE")
    await fleet._look()
    await turns()
    hurried = asyncio.Event()
    stopping = asyncio.create_task(fleet.stop(hurried))
    await turns()
    assert house.first.is_stopped, "it waits for no other server"
    hurried.set()
    async with asyncio.timeout(10):
        await stopping
    assert house.made[0].is_stopped


async def test_what_is_reset_is_not_let_end() -> None:
    """Back to the first server alone, at once, also while another drains."""
    house = House()
    fleet = await house.open()
    await fleet.reconcile()
    house.made[0].listener.may_drain.clear()
    await house.change(OTHER, wanted="OFFLINE")
    await fleet._look()
    await turns()
    async with asyncio.timeout(10):
        await fleet.only_the_first()
    assert list(fleet.gateways) == [FIRST]


@pytest.mark.parametrize("fault", [InvalidSettings("the port is taken"), ValueError("not foreseen")])
async def test_what_could_not_begin_is_tried_again(fault: Exception) -> None:
    """By itself after twenty looks, and once another server is gone, which may have had its port."""
    house = House()
    fleet = await house.open()
    house.fails = fault
    await fleet.reconcile()
    assert fleet.state(Server(OTHER)) == "START_FAILED"
    house.fails = None
    await fleet.reconcile()
    assert fleet.state(Server(OTHER)) == "START_FAILED"
    for _ in range(20):
        await fleet.reconcile()
    assert fleet.state(Server(OTHER)) == "ONLINE"
    assert len(house.made) == 2


async def test_what_cannot_begin_again_is_not_said_to_be_starting() -> None:
    """A port that was lost while a server was stopped is asked for once a minute, and not at each look."""
    house = House()
    fleet = await house.open()
    await fleet.reconcile()
    await house.change(OTHER, wanted="OFFLINE")
    await fleet.reconcile()
    listener = house.made[0].listener
    listener.fails = InvalidSettings("the port is taken")
    await house.change(OTHER, wanted="ONLINE")
    await fleet.reconcile()
    await fleet.reconcile()
    assert (fleet.state(Server(OTHER)), listener.starts) == ("START_FAILED", 2)
    listener.fails = None
    fleet.wake()
    await fleet.reconcile()
    assert fleet.state(Server(OTHER)) == "ONLINE"


async def test_a_server_begins_where_another_ended() -> None:
    """The port of a server that was replaced is free a moment later."""
    house = House()
    fleet = await house.open()
    await fleet.reconcile()
    house.fails = InvalidSettings("the port is taken")
    third = "s-00000000000000003"
    await house.directory.add_server(Server(third))
    await fleet.reconcile()
    house.fails = None
    await house.directory.remove_server(OTHER)
    await fleet.reconcile()
    await fleet.reconcile()
    assert fleet.state(Server(third)) == "ONLINE"


async def test_no_fault_ends_the_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that nobody can read is logged, and the next look comes."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    house = House()
    fleet = await house.open()
    servers = house.directory.servers
    faults = [KeyError("WantedState"), StoreUnavailable("no answer")]

    async def unreadable() -> list[Server]:
        if faults:
            raise faults.pop()
        return await servers()

    monkeypatch.setattr(house.directory, "servers", unreadable)
    fleet.start()
    async with asyncio.timeout(10):
        while OTHER not in fleet.gateways:  # noqa: ASYNC110 - it looks when it likes
            await asyncio.sleep(0.005)
    await fleet.stop(asyncio.Event())


async def test_one_gateway_that_cannot_stop_keeps_no_other_from_it() -> None:
    """All are stopped, and then it is told."""
    house = House()
    fleet = await house.open()
    await fleet.reconcile()

    async def stop(_: asyncio.Event) -> None:
        raise OSError("no more")

    house.first.stop = stop  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no more"):
        await fleet.stop(asyncio.Event())
    assert house.made[0].is_stopped
