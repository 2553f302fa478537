"""
What a client shows to log in: keys, passwords, or a key and then a password.

Which of them a server takes, its identity provider says; a server with users of its own takes keys alone.
Where both are wanted the key comes first, and asyncssh is kept from ending there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

import asyncssh

from tidegate.core.identity_providers import LoginRefused, ProvidedUser
from tidegate.core.ids import KeyId
from tidegate.core.servers import Server
from tidegate.core.users import SshPublicKey, User
from tidegate.services.identity_providers import Identities

Shown: TypeAlias = tuple[User, SshPublicKey]

# Stands where somebody logged in and showed no key.
NO_KEY = SshPublicKey(KeyId(""), "", "", "", datetime(1970, 1, 1, tzinfo=UTC))

# A provider is asked once for all keys of a name, and once for each password: nobody needs more.
_MOST_QUESTIONS = 8

# RFC 4252, section 1.
_LOGIN_SERVICE = b"ssh-userauth"

_KEY_METHODS = ("PUBLIC_KEY", "PUBLIC_KEY_OR_PASSWORD", "PUBLIC_KEY_AND_PASSWORD")
_PASSWORD_METHODS = ("PASSWORD", "PUBLIC_KEY_OR_PASSWORD", "PUBLIC_KEY_AND_PASSWORD")


class Proofs:
    """What one connection has shown so far."""

    def __init__(self, identities: Identities, server: Server, client_ip: str) -> None:
        self._identities = identities
        self._server = server
        self._client_ip = client_ip
        provider = server.identity_provider
        self._is_own = provider.type == "SERVICE_MANAGED"
        self._method = "PUBLIC_KEY" if self._is_own else provider.sftp_authentication_methods
        self._user_name = ""
        self._answer: ProvidedUser | LoginRefused | None = None
        self._questions = 0
        self._tried: Shown | None = None
        self.key = NO_KEY  # the one that was proven, where more is wanted

    def claim(self, user_name: str) -> None:
        """Begin anew: the client says that it is somebody else."""
        self._user_name, self._answer, self._tried, self.key = user_name, None, None, NO_KEY

    @property
    def is_of_directory(self) -> bool:
        """Whether users are those of the directory, and no provider is asked."""
        return self._is_own

    def is_outdated(self, server: Server) -> bool:
        """Tell whether somebody else knows the users of the server by now."""
        return server.identity_provider != self._server.identity_provider

    @property
    def takes_keys(self) -> bool:
        """Whether a key can be shown now."""
        return self._method in _KEY_METHODS and self.key is NO_KEY

    @property
    def takes_passwords(self) -> bool:
        """Whether a password can be shown now."""
        waits = self._method == "PUBLIC_KEY_AND_PASSWORD" and self.key is NO_KEY
        return self._method in _PASSWORD_METHODS and not waits

    @property
    def method(self) -> str:
        """What was shown last, in SSH's word: `publickey` or `password`."""
        by_password = self._tried is not None and (self._tried[1] is NO_KEY or self.key is not NO_KEY)
        return "password" if by_password else "publickey"

    @property
    def lacks(self) -> str:
        """Why somebody who showed nothing wrong is not in."""
        if self.key is not NO_KEY:
            return "the key was accepted, and no password followed"
        if self.takes_passwords:
            return "no key or password was shown" if self.takes_keys else "no password was shown"
        return "no key was offered"

    async def by_key(self, user_name: str, fingerprint: str) -> Shown:
        """
        Return whose key it is; the client has yet to sign with it.

        Raises:
            LoginRefused: It is nobody's of this name.
            GatewayError: The directory cannot be read.
        """
        self._begin(user_name)
        found = await self._with_keys()
        for key in found.user.keys:
            if key.fingerprint == fingerprint:
                self._tried = found.user, key
                return self._tried
        if self._is_own:
            raise LoginRefused("the key is not one of this partner's")
        others = f"; of others: {'; '.join(found.unusable_keys)}" if found.unusable_keys else ""
        raise LoginRefused(f"the key is not one of the identity provider's answer{others}")

    async def by_password(self, user_name: str, password: str) -> Shown:
        """
        Return whose password it is.

        Raises:
            LoginRefused: It is not that of this name.
        """
        self._begin(user_name)
        self._count()
        found = await self._identities.user_with_password(
            self._server, self._user_name, password, self._client_ip
        )
        self._tried = found.user, self.key
        return self._tried

    def is_all(self) -> bool:
        """Note that what was tried last has been proven, and tell whether nothing more is wanted."""
        if self._method != "PUBLIC_KEY_AND_PASSWORD" or self.key is not NO_KEY:
            return True
        assert self._tried is not None
        self.key = self._tried[1]
        return False

    def _begin(self, user_name: str) -> None:
        self._tried = None
        # Nothing that was proven of one name is of use to another.
        if user_name != self._user_name:
            self.claim(user_name)

    async def _with_keys(self) -> ProvidedUser:
        if self._is_own:
            # Read each time: a key that was removed a moment ago opens nothing.
            return await self._identities.user_with_keys(self._server, self._user_name, self._client_ip)
        if self._answer is None:
            self._count()
            try:
                self._answer = await self._identities.user_with_keys(
                    self._server, self._user_name, self._client_ip
                )
            except LoginRefused as refused:
                self._answer = refused
        if isinstance(self._answer, LoginRefused):
            raise self._answer
        return self._answer

    def _count(self) -> None:
        self._questions += 1
        if self._questions > _MOST_QUESTIONS:
            raise LoginRefused("the identity provider was asked too often in this connection")


def end_when(conn: asyncssh.SSHServerConnection, is_all: Callable[[], bool]) -> None:
    """
    Have a connection log in only once `is_all` says so; until then a proof is a partial success.

    asyncssh sends success after the first proof, and has no word for more: what sends it is replaced, on this
    connection (asyncssh 2.24.1; pinned by tests/sftp/test_identity_providers.py).
    """
    succeed = conn.send_userauth_success

    async def proven() -> None:
        if is_all():
            await succeed()
        else:
            conn.send_userauth_failure(True)

    conn.send_userauth_success = proven  # type: ignore[method-assign]


def let_try_again(conn: asyncssh.SSHServerConnection) -> None:
    """
    Have a client that was refused ask for the service of logins once more.

    paramiko does before each key and password. OpenSSH's server lets it, and asyncssh ends the connection
    at the second time (asyncssh 2.24.1; pinned by tests/sftp/test_identity_providers.py).
    """
    fail = conn.send_userauth_failure

    def failed(partial_success: bool) -> None:
        fail(partial_success)
        conn._next_service = _LOGIN_SERVICE  # noqa: SLF001

    conn.send_userauth_failure = failed  # type: ignore[method-assign]
