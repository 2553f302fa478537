"""A Lambda function in the test's own process, and an SFTP client for what it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paramiko

from tidegate.backend import Backend
from tidegate.core.errors import StoreUnavailable
from tidegate.settings.model import Settings
from tidegate.testing.gateway import LocalGateway
from tidegate.testing.partners import Partner
from tidegate_handlers.deliver import deliver
from tidegate_handlers.runtime import Runtime
from tidegate_handlers.sweep import sweep


class Invocation:
    """What Lambda tells of an invocation: here, a time that stands still, or is as told."""

    def __init__(self, *seconds: float) -> None:
        self._left = list(seconds or (60,))

    def get_remaining_time_in_millis(self) -> int:
        return int((self._left.pop(0) if len(self._left) > 1 else self._left[0]) * 1000)


class Function:
    """A function over the gateway's endpoint: one process, any number of invocations."""

    def __init__(self, gateway: LocalGateway, **deliveries: Any) -> None:
        aws = {"region": gateway.region, "endpoint_url": gateway.endpoint_url, "max_attempts": 1}
        keys = {"access_key_id": "test", "secret_access_key": "test"}
        settings = Settings.model_validate(
            {
                "server_id": gateway.server_id,
                "aws": {**aws, **keys},
                "deliveries": {"owner": "handlers", **deliveries},
                "sweep": {"lease_seconds": 0.2},
            }
        )
        self.runtime = Runtime(Backend(settings))

    def deliver(self, event: object, context: Invocation | None = None) -> Any:
        """Invoke the one function."""
        return asyncio.run(deliver(self.runtime, event, context or Invocation()))

    def sweep(self, context: Invocation | None = None) -> dict[str, int]:
        """Invoke the other."""
        return asyncio.run(sweep(self.runtime, context or Invocation()))

    @contextmanager
    def without_s3(self, call: str, *, hangs: bool = False) -> Iterator[None]:
        """Let S3 not answer one kind of call: it fails, or it hangs."""

        async def unanswered(*_: object, **__: object) -> None:
            if hangs:
                await asyncio.Event().wait()
            raise StoreUnavailable("S3 does not answer")

        store: Any = self.runtime.backend.store
        setattr(store, call, unanswered)
        try:
            yield
        finally:
            delattr(store, call)


@contextmanager
def sftp(gateway: LocalGateway, partner: Partner) -> Iterator[tuple[paramiko.Transport, paramiko.SFTPClient]]:
    transport = paramiko.Transport((gateway.sftp_host, gateway.sftp_port))
    try:
        key = paramiko.Ed25519Key.from_private_key_file(str(partner.private_key_path))
        transport.connect(username=partner.user_name, pkey=key)
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        yield transport, client
    finally:
        transport.close()
