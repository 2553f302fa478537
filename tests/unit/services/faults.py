"""
What stands between a service and a port to make things go wrong at a chosen call.

`Faulty` notes each call, and where told to fails or holds it: `before` it took effect, as when a
connection is refused, or after, as when only the answer is lost.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tidegate.core.errors import StoreUnavailable
from tidegate.services.buffers import BufferBudget

BEFORE, AFTER = "before", "after"


@dataclass
class Gate:
    """A call that is held: `reached` when it has come so far, and going on once `go` is set."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def hold(self) -> None:
        self.reached.set()
        await self.go.wait()


@dataclass
class Fault:
    """
    What happens to some calls of one method.

    Args:
        call: Which call of the method, from 1; None for every one.
        when: Called with the arguments of the call; whether they are meant.
    """

    method: str
    moment: str
    act: Callable[[], Any]
    call: int | None = 1
    when: Callable[..., bool] = lambda *_, **__: True
    seen: int = 0

    def meets(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        if method != self.method or not self.when(*args, **kwargs):
            return False
        self.seen += 1
        return self.call in (None, self.seen)


class Faulty:
    """
    Holds a port and is one, with faults.

    Attributes:
        calls: The names of the methods called so far, in order.
    """

    def __init__(self, inner: Any, calls: list[str] | None = None) -> None:
        self.inner = inner
        self.calls = [] if calls is None else calls
        self._faults: list[Fault] = []

    def fail(
        self,
        method: str,
        error: Exception | None = None,
        *,
        moment: str = BEFORE,
        call: int | None = 1,
        when: Callable[..., bool] = lambda *_, **__: True,
    ) -> None:
        """Let a call of `method` raise, `BEFORE` or `AFTER` it took effect."""
        raised = error or StoreUnavailable(f"{method}: no answer")

        async def act() -> None:
            raise raised

        self._faults.append(Fault(method, moment, act, call, when))

    def hold(
        self,
        method: str,
        *,
        moment: str = BEFORE,
        call: int | None = 1,
        when: Callable[..., bool] = lambda *_, **__: True,
    ) -> Gate:
        """Let a call of `method` wait until the gate that is returned opens."""
        gate = Gate()
        self._faults.append(Fault(method, moment, gate.hold, call, when))
        return gate

    def heal(self) -> None:
        """From now on nothing fails."""
        self._faults.clear()

    def count(self, method: str) -> int:
        return self.calls.count(method)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def called(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            met = [fault for fault in self._faults if fault.meets(name, args, kwargs)]
            await self._act(met, BEFORE)
            result = await method(*args, **kwargs)
            await self._act(met, AFTER)
            return result

        return called

    async def _act(self, faults: list[Fault], moment: str) -> None:
        for fault in faults:
            if fault.moment == moment:
                await fault.act()


class CheckedBudget(BufferBudget):
    """A budget that breaks the test the moment it is overdrawn, or gives back more than was taken."""

    def __init__(self, total_bytes: int) -> None:
        super().__init__(total_bytes)
        self.peak_bytes = 0

    @property
    def _taken(self) -> int:
        return self._checked

    @_taken.setter
    def _taken(self, count: int) -> None:
        assert 0 <= count <= self.total_bytes, f"{count} of {self.total_bytes} bytes are taken"
        self._checked = count
        self.peak_bytes = max(getattr(self, "peak_bytes", 0), count)
