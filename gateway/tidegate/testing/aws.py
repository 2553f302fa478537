"""The AWS endpoint of a gateway under test, as its tests reach it."""

from __future__ import annotations

from typing import Any

from tidegate.adapters.aws.clients import AwsClients, AwsEndpoint
from tidegate.adapters.aws.directory import DynamoUserDirectory
from tidegate.adapters.aws.guest import guest_client, guest_session
from tidegate.adapters.clock import SystemClock
from tidegate.local.ambient import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tidegate.services.users import Users


class LoopbackAws:
    """Clients of one endpoint, made when first asked for. Close it when done."""

    def __init__(self, endpoint_url: str, region: str) -> None:
        self._endpoint = AwsEndpoint(
            region=region,
            endpoint_url=endpoint_url,
            access_key_id=ACCESS_KEY_ID,
            secret_access_key=SECRET_ACCESS_KEY,
            max_attempts=2,  # it is on this machine: what fails twice fails
        )
        self._session = guest_session(self._endpoint)
        self._clients: dict[str, Any] = {}
        self._ours = AwsClients(self._endpoint, self._session)

    def client(self, service: str) -> Any:
        """Return the boto3 client of a service, the same one each time."""
        if service not in self._clients:
            self._clients[service] = guest_client(self._session, service, self._endpoint)
        return self._clients[service]

    def users(self, table: str, server_id: str) -> Users:
        """Return the service that makes partners."""
        return Users(DynamoUserDirectory(self._ours, table), SystemClock(), server_id)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._ours.close()
