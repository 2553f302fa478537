"""The Transfer API between the endpoint's threads and the gateway's loop, where the gateway cannot answer."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from tidegate import control
from tidegate.core.errors import StoreUnavailable
from tidegate.core.signatures import ApiRequest, any_caller
from tidegate.faces.control import bridge
from tidegate.local.transfer import LocalTransferApi

REQUEST = ApiRequest("POST", "/", "", {"x-amz-target": "TransferService.ListServers"}, b"")


class Clients:
    """AWS clients whose calls fail, or never end."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error
        self.sts = SimpleNamespace(get_caller_identity=None)

    async def run(self, *_: Any, **__: Any) -> Any:
        if self._error:
            raise self._error
        await asyncio.Event().wait()


async def answered(clients: Clients | None) -> str:
    """Return the name of the error that a thread reads."""
    api = LocalTransferApi(asyncio.get_running_loop())
    if clients:
        gateway = SimpleNamespace(backend=SimpleNamespace(clients=clients), server_id="s-0123456789abcdef0")
        fleet: Any = SimpleNamespace(first=gateway)
        api.serve(fleet)
    answer = await asyncio.to_thread(api.from_thread, REQUEST)
    assert answer.status == "500 Internal Server Error"
    return str(json.loads(answer.body)["__type"])


@pytest.mark.parametrize("clients", [None, Clients(StoreUnavailable("STS is out"))])
async def test_a_gateway_that_is_not_there_or_cannot_work(clients: Clients | None) -> None:
    """Clients read an error that they try again after."""
    assert await answered(clients) == "ServiceUnavailableException"


async def test_a_gateway_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread does not wait for ever."""
    monkeypatch.setattr(bridge, "_PATIENCE_SECONDS", 0.05)
    assert await answered(Clients(None)) == "ServiceUnavailableException"


async def test_the_first_requests_make_one_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its locks are of use only if nobody has another."""
    made: list[SimpleNamespace] = []

    async def make(*_: Any) -> SimpleNamespace:
        made.append(SimpleNamespace(answer=answered_by))
        await asyncio.sleep(0)
        return made[-1]

    async def answered_by(_: ApiRequest) -> str:
        return "answered"

    monkeypatch.setattr(control, "transfer_api", make)
    fleet: Any = None
    api = control.ApiOnDemand(fleet, any_caller, control.ApiRules(lambda _: 0, may_delete_first=True))
    answers: list[Any] = await asyncio.gather(*(api.answer(REQUEST) for _ in range(5)))
    assert (answers, len(made)) == (["answered"] * 5, 1)
