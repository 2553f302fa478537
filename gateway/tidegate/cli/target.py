"""
Which gateway a command is about: a local one's state directory, an endpoint, or a configuration.

One of them must be named. With none the command ends with code 2, and never reaches for whatever
AWS credentials happen to be around.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import SecretStr

from tidegate.assembly import Backend
from tidegate.core.errors import InvalidSettings, Misuse
from tidegate.local.ambient import ACCESS_KEY_ID, SECRET_ACCESS_KEY, ignore_ambient_aws, refuse_real_aws
from tidegate.local.state_dir import read_description
from tidegate.settings.loader import load
from tidegate.settings.model import Settings

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

STATE_DIR_VARIABLE = "TIDEGATE_STATE_DIR"
_CHOICE = f"name one: --state-dir DIR (or {STATE_DIR_VARIABLE}), --endpoint-url URL, or --config FILE"


@dataclass(frozen=True, slots=True)
class Target:
    """
    The gateway a command is about.

    Args:
        description: For people, in the line commands print before they change something.
        facts: What a running local gateway says of itself; empty for the others.
    """

    settings: Settings
    description: str
    facts: dict[str, Any]


def target_options(command: F) -> F:
    """Add the options that name a target, and pass the command a `Target` as its first argument."""

    @click.option("--state-dir", type=click.Path(path_type=Path), help="Directory of a local gateway.")
    @click.option("--endpoint-url", help="AWS endpoint of a local gateway.")
    @click.option("--config", help="Configuration file of a gateway, or - for standard input.")
    @wraps(command)
    def wrapper(
        *args: Any, state_dir: Path | None, endpoint_url: str | None, config: str | None, **kwargs: Any
    ) -> Any:
        return command(resolve(state_dir, endpoint_url, config), *args, **kwargs)

    return wrapper  # type: ignore[return-value]


def resolve(state_dir: Path | None, endpoint_url: str | None, config: str | None) -> Target:
    """Return the one target that was named. Raises `Misuse` for none or several."""
    named = [each for each in (state_dir, endpoint_url, config) if each is not None]
    if len(named) > 1:
        raise Misuse("more than one gateway is named", hint=_CHOICE)
    if not named and os.environ.get(STATE_DIR_VARIABLE):
        state_dir = Path(os.environ[STATE_DIR_VARIABLE])
    if state_dir is not None:
        return _of_state_dir(state_dir)
    if endpoint_url is not None:
        refuse_real_aws(endpoint_url)
        settings = _local(Settings(), endpoint_url, "us-east-1")
        return Target(settings, f"the gateway at {endpoint_url}", {})
    if config is not None:
        loaded = load(config, os.environ, sys.stdin)
        where = loaded.settings.aws.endpoint_url or f"AWS, Region {loaded.settings.aws.region}"
        return Target(loaded.settings, f"the gateway of {loaded.source} ({where})", {})
    raise Misuse("which gateway?", hint=_CHOICE)


def with_backend(target: Target, work: Callable[[Backend], Awaitable[T]]) -> T:
    """Run `work` over the target's endpoint, and let go of it."""

    async def run() -> T:
        backend = Backend(target.settings)
        try:
            return await work(backend)
        finally:
            backend.close()

    return asyncio.run(run())


async def server_id_of(target: Target, backend: Backend) -> str:
    """Return the id of the target's server: as configured, or the only one of its directory."""
    if target.settings.server_id:
        return target.settings.server_id
    found = await backend.directory.server_ids()
    if len(found) == 1:
        return found[0]
    raise InvalidSettings(
        f"the directory table {target.settings.tables.directory} holds {len(found)} servers",
        hint="say which with server_id in the configuration",
    )


def announce(target: Target) -> None:
    """Say what is about to be changed. To standard error, so that output stays parsable."""
    click.echo(f"target: {target.description}", err=True)


def _of_state_dir(path: Path) -> Target:
    facts = read_description(path)
    settings = _local(Settings(), facts["aws_endpoint_url"], facts["region"])
    tables = settings.tables.model_copy(
        update={"transfers": facts["transfers_table"], "directory": facts["directory_table"]}
    )
    landing = settings.landing.model_copy(update={"bucket": facts["landing_bucket"]})
    settings = settings.model_copy(
        update={"tables": tables, "landing": landing, "server_id": facts["server_id"]}
    )
    return Target(settings, f"the local gateway of {path} ({facts['aws_endpoint_url']})", facts)


def _local(settings: Settings, url: str, region: str) -> Settings:
    ignore_ambient_aws()
    aws = settings.aws.model_copy(
        update={
            "endpoint_url": url,
            "region": region,
            "access_key_id": SecretStr(ACCESS_KEY_ID),
            "secret_access_key": SecretStr(SECRET_ACCESS_KEY),
        }
    )
    return settings.model_copy(update={"aws": aws})
