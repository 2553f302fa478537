"""Who a user of a server is: out of the directory, or by asking the server's identity provider."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import structlog

from tidegate.core.errors import GatewayError, InvalidName, ProviderFailed
from tidegate.core.identity_providers import LoginRefused, ProvidedUser, Question, user_of
from tidegate.core.limits import TRANSFER_PASSWORD_MAX_CHARS
from tidegate.core.servers import IdentityProvider, Server
from tidegate.core.users import check_user_name
from tidegate.ports.clock import Clock
from tidegate.ports.identity_providers import IdentityProviderCall
from tidegate.services.logins import Logins

# Finds what asks a provider; raises `ProviderFailed` if nothing does.
FindProvider: TypeAlias = Callable[[IdentityProvider], IdentityProviderCall]

_log = structlog.get_logger("tidegate.logins")

# A flood of logins may not become a flood of processes, or of bills.
_AT_ONCE = 32


def no_provider(provider: IdentityProvider) -> IdentityProviderCall:
    """Stand where there are no providers at all."""
    raise ProviderFailed(f"nothing here asks identity providers of type {provider.type}")


class Identities:
    """
    Finds the users of servers.

    Args:
        seconds: How long a provider may take to answer.
    """

    def __init__(
        self, logins: Logins, clock: Clock, find: FindProvider = no_provider, seconds: float = 15
    ) -> None:
        self._logins = logins
        self._clock = clock
        self._find = find
        self._seconds = seconds
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def user_with_keys(self, server: Server, user_name: str, client_ip: str) -> ProvidedUser:
        """
        Return the user with the keys that it may log in with, as of now.

        Raises:
            LoginRefused: There is none, or the provider refused or failed.
            GatewayError: The directory cannot be read.
        """
        if server.identity_provider.type == "SERVICE_MANAGED":
            user = await self._logins.user(user_name)
            if user is None:
                raise LoginRefused("no partner of this name")
            return ProvidedUser(user)
        return await self._asked(server, Question(_name(user_name), server.server_id, client_ip))

    async def user_with_password(
        self, server: Server, user_name: str, password: str, client_ip: str
    ) -> ProvidedUser:
        """
        Return the user that this password belongs to.

        Raises:
            LoginRefused: It is none's, or the provider refused or failed.
        """
        if server.identity_provider.type == "SERVICE_MANAGED":
            raise LoginRefused("partners of this server have no passwords")
        # Without a password the question would be which keys there are, and its answer lets nobody in.
        if not password:
            raise LoginRefused("the password is empty")
        if len(password) > TRANSFER_PASSWORD_MAX_CHARS:
            raise LoginRefused(f"the password is longer than {TRANSFER_PASSWORD_MAX_CHARS} characters")
        question = Question(_name(user_name), server.server_id, client_ip, password)
        return await self._asked(server, question)

    async def answer(self, server: Server, question: Question) -> object:
        """
        Return what the server's provider answers, whatever that means.

        Raises:
            ProviderFailed: It cannot be asked, failed, or took too long.
        """
        provider = server.identity_provider
        if provider.type == "AWS_DIRECTORY_SERVICE":
            raise ProviderFailed(
                "the server's users are in an AWS directory, which this gateway does not ask",
                hint="give the server another identity provider",
            )
        try:
            async with asyncio.timeout(self._seconds), self._room:
                return await self._find(provider).ask(question)
        except TimeoutError:
            raise ProviderFailed(f"no answer within {self._seconds:g} s") from None

    async def _asked(self, server: Server, question: Question) -> ProvidedUser:
        try:
            answer = await self.answer(server, question)
        except GatewayError as error:
            provider = server.identity_provider
            _log.error(
                "identity provider failed",
                server=server.server_id,
                provider=provider.function or provider.url or provider.type,
                user=question.user_name,
                reason=str(error),
            )
            raise LoginRefused(f"the identity provider failed: {error}") from error
        return user_of(answer, question, self._clock.now())


def _name(user_name: str) -> str:
    # It becomes part of URLs and of keys.
    try:
        return check_user_name(user_name)
    except InvalidName as error:
        raise LoginRefused("no user can have this name") from error
