"""The host keys of one server: made or imported once, opened by every gateway when it starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from tidegate.core.audit import Finding
from tidegate.core.errors import InvalidKey, InvalidSettings, NotFound, TooManyKeys
from tidegate.core.host_keys import (
    MADE_TYPES,
    HostKey,
    PrivateHostKey,
    active,
    encryption_context,
    host_key_id_for,
    new_host_key,
    oldest_first,
    read_host_key,
)
from tidegate.core.limits import TRANSFER_HOST_KEYS_PER_SERVER
from tidegate.core.tags import Tags, tagged
from tidegate.ports.account import Aspect
from tidegate.ports.clock import Clock
from tidegate.ports.host_keys import HostKeys, Vault


class HostKeyRing:
    """The host keys of one server. Private halves leave it to the listener alone."""

    def __init__(self, keys: HostKeys, vault: Vault, clock: Clock, server_id: str) -> None:
        self._keys, self._vault, self._clock = keys, vault, clock
        self._server_id = server_id

    async def kept(self) -> list[HostKey]:
        """Return all keys that are kept, those not in use included."""
        return await self._keys.of_server(self._server_id)

    async def private_keys(self) -> list[bytes]:
        """
        Return the private keys to show to clients, of each type the oldest: PKCS #8, DER.

        Empty if none is kept. Raises `AccessDenied` if KMS does not open one.
        """
        return [await self._opened(key) for key in active(await self.kept())]

    async def waiting_keys(self) -> list[bytes]:
        """Return the others: each will be shown once those of its type before it are gone."""
        kept = await self.kept()
        shown = {key.host_key_id for key in active(kept)}
        return [await self._opened(key) for key in oldest_first(kept) if key.host_key_id not in shown]

    async def get(self, host_key_id: str) -> HostKey:
        """Return a key. Raises `NotFound`."""
        for key in await self.kept():
            if key.host_key_id == host_key_id:
                return key
        raise NotFound(f"there is no host key {host_key_id}")

    async def bring(self, text: str, kms_key_arn: str, description: str = "", tags: Tags = ()) -> HostKey:
        """
        Keep the private key in a text of OpenSSH's or PEM's form.

        Raises:
            InvalidKey: The text holds none that can be used.
            TooManyKeys: The server has as many as it can have.
            AlreadyExists: It has this one.
        """
        count = len(await self.kept())
        if count >= TRANSFER_HOST_KEYS_PER_SERVER:
            raise TooManyKeys(f"the server has {count} host keys, the most it can have", hint="delete one")
        return await self.add(read_host_key(text.encode()), kms_key_arn, description, tags)

    async def change(self, host_key_id: str, change: Callable[[HostKey], HostKey]) -> HostKey:
        """Give a key another description, or other tags. Raises `NotFound`."""
        return await self._keys.change(self._server_id, host_key_id, change)

    async def remove(self, host_key_id: str) -> None:
        """
        Forget a key; the next oldest of its type takes its place.

        Raises:
            NotFound: It is not kept.
            InvalidKey: It is the only one. Nobody could connect any more.
        """
        if [key.host_key_id for key in await self.kept()] == [host_key_id]:
            raise InvalidKey("the only host key of a server cannot be deleted", hint="import another first")
        await self._keys.remove(self._server_id, host_key_id)

    async def add(self, key: PrivateHostKey, kms_key_arn: str, description: str, tags: Tags = ()) -> HostKey:
        """Keep a key, encrypted under this KMS key. Raises `AlreadyExists`."""
        host_key_id = host_key_id_for(self._server_id, key.fingerprint)
        context = encryption_context(self._server_id, host_key_id)
        encrypted = await self._vault.encrypt(kms_key_arn, key.der, context)
        kept = HostKey(
            host_key_id,
            key.type,
            key.fingerprint,
            self._clock.now(),
            description,
            kms_key_arn,
            key.public_key,
            tagged((), tags),
        )
        await self._keys.add(self._server_id, kept, encrypted)
        return kept

    async def _opened(self, key: HostKey) -> bytes:
        encrypted = await self._keys.encrypted(self._server_id, key.host_key_id)
        context = encryption_context(self._server_id, key.host_key_id)
        return await self._vault.decrypt(key.kms_key_id, encrypted, context)


class HostKeysResource:
    """
    The host keys as `setup` sees them.

    Args:
        arn_of: Finds the ARN behind an alias, id or ARN; None if there is no such key.
        kms_key: What their private halves are encrypted under: alias, id or ARN; None: the
            configuration names none, and no key can be kept.
        brought: Keys that somebody brings, by the names of their files: kept in place of new ones.
    """

    name = "host keys"
    asks = "dynamodb:Query"

    def __init__(
        self,
        ring: HostKeyRing,
        arn_of: Callable[[str], Awaitable[str | None]],
        kms_key: str | None,
        brought: Mapping[str, PrivateHostKey] | None = None,
    ) -> None:
        self._ring, self._arn_of, self._kms_key = ring, arn_of, kms_key
        self._brought = brought or {}
        self._finding = partial(Finding, self.name)

    async def missing(self) -> Finding | None:
        if await self._kept():
            return None
        if self._kms_key is None:
            mend = "name a KMS key in sftp.host_key_kms_key, or files in sftp.host_key_files"
            return self._finding("existence", "there are none, and no KMS key to keep them under", mend)
        mend = f"tidegate setup makes {' and '.join(MADE_TYPES)}, or takes yours: --import-host-key FILE"
        return self._finding("existence", "there are none: clients cannot connect", mend, by_setup=True)

    async def create(self) -> None:
        if self._brought:
            await self._import()
            return
        arn = await self._kms_key_arn()
        for kind in MADE_TYPES:
            await self._ring.add(new_host_key(kind), arn, "made by tidegate setup")

    def aspects(self) -> Sequence[Aspect]:
        asks = "dynamodb:Query"
        return (
            Aspect("import", asks, self._not_imported, self._import, "kms:Encrypt dynamodb:PutItem"),
            Aspect("encryption", asks, self._encryption),
        )

    async def _not_imported(self) -> list[Finding]:
        kept = {each.fingerprint for each in await self._kept()}
        return [
            self._finding("import", f"{name} ({key.fingerprint}) is not kept yet", by_setup=True)
            for name, key in self._brought.items()
            if key.fingerprint not in kept
        ]

    async def _import(self) -> None:
        arn = await self._kms_key_arn()
        kept = {each.fingerprint for each in await self._kept()}
        for name, key in self._brought.items():
            if key.fingerprint not in kept:
                await self._ring.add(key, arn, f"imported from {name}")

    async def _encryption(self) -> list[Finding]:
        wanted = await self._arn_of(self._kms_key) if self._kms_key else None
        return [
            self._finding(
                "encryption",
                f"{key.host_key_id} is encrypted by {key.kms_key_id}, not by {self._kms_key}",
                "name its KMS key in sftp.host_key_kms_key: the gateway's role may open that one only",
                "warning",
            )
            for key in await self._kept()
            if wanted is not None and key.kms_key_id != wanted
        ]

    async def _kept(self) -> Sequence[HostKey]:
        try:
            return await self._ring.kept()
        except NotFound:
            return ()  # not even the table is there

    async def _kms_key_arn(self) -> str:
        arn = await self._arn_of(self._kms_key) if self._kms_key else None
        if arn is None:
            raise InvalidSettings(
                f"host keys cannot be kept: there is no KMS key {self._kms_key or ''}".rstrip(),
                hint="name one in sftp.host_key_kms_key",
            )
        return arn
