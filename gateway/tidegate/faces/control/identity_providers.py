"""TestIdentityProvider: what a server's provider says to a login, without one."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TypeAlias

import structlog

from tidegate.core.errors import GatewayError
from tidegate.core.identity_providers import LoginRefused, Question, config_url, user_of
from tidegate.core.servers import Server
from tidegate.faces.control.api import Members, Operation
from tidegate.faces.control.errors import about, invalid
from tidegate.services.identity_providers import Identities

# Raises `NotFound`.
FindServer: TypeAlias = Callable[[str], Awaitable[Server]]

_log = structlog.get_logger("tidegate.api")

# What stands in for an address that nobody gave.
_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - nothing listens there


class IdentityProviderOperations:
    """The operation of the API on identity providers."""

    def __init__(self, server: FindServer, identities: Identities) -> None:
        self._server = server
        self._identities = identities

    def operations(self) -> dict[str, Operation]:
        return {"TestIdentityProvider": self._test}

    async def _test(self, request: Members) -> Members:
        server_id = request["ServerId"]
        with about("Server", server_id):
            server = await self._server(server_id)
        provider = server.identity_provider
        if provider.type == "SERVICE_MANAGED":
            raise invalid(f"{server_id} not configured for external auth")
        question = Question(
            request["UserName"],
            server_id,
            request.get("SourceIp", _ANY_ADDRESS),
            request.get("UserPassword", ""),
            request.get("ServerProtocol", "SFTP"),
        )
        url = config_url(provider.url, question) if provider.type == "API_GATEWAY" else ""
        try:
            answer = await self._identities.answer(server, question)
        except GatewayError as error:
            _log.error("identity provider failed", server=server_id, reason=str(error))
            # AWS's words say no more; whoever administers here reads why.
            failed = f"Internal server error: {error}"
            return _said(HTTPStatus.INTERNAL_SERVER_ERROR, "", failed, url)
        return _said(HTTPStatus.OK, json.dumps(answer), _unusable(answer, question), url)


def _said(status: HTTPStatus, response: str, message: str, url: str) -> Members:
    return {"StatusCode": status.value, "Response": response, "Message": message, "Url": url}


def _unusable(answer: object, question: Question) -> str:
    """Return why an answer that names a Role would let nobody in; AWS's empty text otherwise."""
    try:
        user_of(answer, question, datetime.now(UTC))
    except LoginRefused as refused:
        return refused.reason if isinstance(answer, dict) and answer.get("Role") else ""
    return ""
