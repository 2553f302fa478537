"""The Transfer Family API of the embedded endpoint: its threads ask, the gateway's loop answers."""

from __future__ import annotations

import asyncio
import concurrent.futures

from tidegate.adapters.aws.probes import AwsProbes
from tidegate.adapters.aws.service_model import transfer_model
from tidegate.assembly import Gateway
from tidegate.core.arns import Arns
from tidegate.core.errors import GatewayError
from tidegate.core.signatures import ApiRequest, any_caller
from tidegate.faces.control.api import TransferApi
from tidegate.faces.control.protocol import Answer, unavailable
from tidegate.faces.control.security_policies import security_policy_operations
from tidegate.faces.control.servers import ServerFacts, ServerOperations
from tidegate.faces.control.tags import TagOperations
from tidegate.faces.control.users import UserOperations
from tidegate.services.servers import ServerRecord

# What boto3 waits for an answer before it asks again.
_PATIENCE_SECONDS = 60.0


class LocalTransferApi:
    """Answers once a gateway is there; until then it says that it is not, and clients try again."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._gateway: Gateway | None = None
        self._api: TransferApi | None = None

    def serve(self, gateway: Gateway) -> None:
        """From now on, answer for this gateway."""
        self._gateway = gateway

    def from_thread(self, request: ApiRequest) -> Answer:
        """Return the answer to a request. Not to be called on the loop."""
        if self._gateway is None:
            return unavailable()
        asked = asyncio.run_coroutine_threadsafe(self._answer(self._gateway, request), self._loop)
        try:
            return asked.result(_PATIENCE_SECONDS)
        except (TimeoutError, concurrent.futures.CancelledError):
            asked.cancel()
            return unavailable()

    async def _answer(self, gateway: Gateway, request: ApiRequest) -> Answer:
        if self._api is None:
            # Asked for when it is needed first: most who start a gateway never call this API.
            try:
                caller = await AwsProbes(gateway.backend.clients).caller()
            except GatewayError:
                return unavailable()
            self._api = transfer_api(gateway, account_id=caller.split(":")[4])
        return await self._api.answer(request)


def transfer_api(gateway: Gateway, account_id: str) -> TransferApi:
    """Return the API of a gateway that listens; it takes any credential."""
    backend, server_id = gateway.backend, gateway.server_id
    users, record = backend.users(server_id), ServerRecord(backend.directory, server_id)
    arns = Arns(backend.settings.aws.region, account_id)
    facts = ServerFacts(
        gateway.listener.host_keys[0].fingerprint,
        gateway.behaviour.security_policy,
        gateway.behaviour.setstat != "refuse",
        lambda: "STOPPING" if gateway.is_draining else "ONLINE",
    )
    operations = {
        **ServerOperations(record, users, arns, facts).operations(),
        **UserOperations(users, arns).operations(),
        **TagOperations(record, users, arns).operations(),
        **security_policy_operations(),
    }
    return TransferApi(transfer_model(), operations, any_caller)
