"""
A Transfer endpoint as the target of a command: AWS by a profile, or another gateway by its URL.

Credentials are always named: by a profile, or those of tests, which only this machine is sent.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tidegate.adapters.aws.clients import AwsClients, AwsEndpoint, profile_session
from tidegate.adapters.aws.transfer_directory import TransferUserDirectory
from tidegate.core.errors import InvalidSettings, Misuse
from tidegate.local.ambient import ACCESS_KEY_ID, SECRET_ACCESS_KEY, ignore_ambient_aws

T = TypeVar("T")

_LOCAL_REGION = "us-east-1"
# AWS throttles administering to a few requests a second, over which a large file takes minutes.
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class TransferEndpoint:
    """
    Where a Transfer Family API is, and which of its servers is meant.

    Args:
        server_id: None is the only one there.
        profile: The AWS profile that says who asks; None for credentials of tests.
        region: None is the profile's.
    """

    server_id: str | None
    profile: str | None
    region: str | None
    endpoint_url: str | None

    @property
    def description(self) -> str:
        """For people, in the line commands print before they change something."""
        server = f"the server {self.server_id}" if self.server_id else "the only server"
        where = self.endpoint_url or "AWS"
        who = f", profile {self.profile}" if self.profile else ""
        return f"{server} of {where}{who}{f', Region {self.region}' if self.region else ''}"

    @property
    def options(self) -> str:
        """How a command line names it again."""
        named = {
            "--server-id": self.server_id,
            "--profile": self.profile,
            "--region": self.region,
            "--endpoint-url": self.endpoint_url,
        }
        words = [f"{name} {shlex.quote(value)}" for name, value in named.items() if value]
        return " ".join(["--transfer", *words])


def transfer_endpoint(
    server_id: str | None, profile: str | None, region: str | None, endpoint_url: str | None
) -> TransferEndpoint:
    """Return the endpoint that options name. Raises `Misuse` if they do not say whose credentials to use."""
    if profile is None and endpoint_url is None:
        raise Misuse(
            "which AWS account? --transfer never uses credentials that happen to be around",
            hint="name a profile: --profile NAME; or another gateway: --endpoint-url URL",
        )
    if profile is None and not _is_loopback(endpoint_url or ""):
        raise Misuse(
            f"{endpoint_url} is not on this machine, and nothing says whose credentials to send there",
            hint="name a profile: --profile NAME",
        )
    return TransferEndpoint(server_id, profile, region, endpoint_url)


def over_transfer(
    endpoint: TransferEndpoint, work: Callable[[TransferUserDirectory, str], Awaitable[T]]
) -> T:
    """Run `work` over the users of the endpoint, with the id of the server that is meant."""

    async def run() -> T:
        clients = _clients(endpoint)
        try:
            directory = TransferUserDirectory(clients)
            return await work(directory, endpoint.server_id or await _only_server(directory))
        finally:
            clients.close()

    return asyncio.run(run())


async def _only_server(directory: TransferUserDirectory) -> str:
    found = await directory.server_ids()
    if len(found) == 1:
        return found[0]
    there = ", ".join(found[:10]) or "none"
    raise InvalidSettings(f"there are {len(found)} servers ({there})", hint="say which: --server-id ID")


def _clients(endpoint: TransferEndpoint) -> AwsClients:
    if endpoint.profile is None:
        ignore_ambient_aws()
        return AwsClients(
            AwsEndpoint(
                region=endpoint.region or _LOCAL_REGION,
                endpoint_url=endpoint.endpoint_url,
                access_key_id=ACCESS_KEY_ID,
                secret_access_key=SECRET_ACCESS_KEY,
                connect_timeout_seconds=2,
                max_attempts=3,
            )
        )
    session: Any = profile_session(endpoint.profile, endpoint.region)
    where = AwsEndpoint(
        region=session.region_name, endpoint_url=endpoint.endpoint_url, max_attempts=_ATTEMPTS
    )
    return AwsClients(where, session)


def _is_loopback(url: str) -> bool:
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
