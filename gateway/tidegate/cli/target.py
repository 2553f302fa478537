"""
Which gateway a command is about: a local one's state directory, an endpoint, or a configuration.

Commands about partners may be about a server of Transfer Family, too.

One of them must be named. With none the command ends with code 2, and never reaches for whatever
AWS credentials happen to be around.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import textwrap
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import SecretStr

from tidegate.adapters.clock import SystemClock
from tidegate.backend import Backend
from tidegate.cli.kinds import endpoint_url as endpoint_url_type
from tidegate.cli.kinds import server_id as server_id_type
from tidegate.cli.transfer_target import TransferEndpoint, over_transfer, transfer_endpoint
from tidegate.core.errors import GatewayError, InvalidSettings, Misuse, NotFound, StoreUnavailable, Throttled
from tidegate.local.ambient import ACCESS_KEY_ID, SECRET_ACCESS_KEY, ignore_ambient_aws, refuse_real_aws
from tidegate.local.state_dir import DEFAULT_NAME, is_described, read_description
from tidegate.ports.directory import UserDirectory
from tidegate.services.users import Users
from tidegate.settings.loader import load
from tidegate.settings.model import Settings
from tidegate.settings.routes import RouteSettings
from tidegate.settings.sections import BehaviourSettings, DeliverySettings, SweepSettings, UploadSettings

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

STATE_DIR_VARIABLE = "TIDEGATE_STATE_DIR"
_CHOICE = f"name one: --state-dir DIR (or {STATE_DIR_VARIABLE}), --endpoint-url URL, or --config FILE"
# A local gateway answers at once or not at all: nobody should wait for it as long as for AWS.
_IMPATIENT = {"connect_timeout_seconds": 2, "read_timeout_seconds": 10, "max_attempts": 1}


@dataclass(frozen=True, slots=True)
class Target:
    """
    The gateway a command is about.

    Args:
        description: For people, in the line commands print before they change something.
        options: How a command line names it again, ready to paste; empty if the environment does.
        silence: What to do if it does not answer.
        state_dir: That of a running local gateway; None for the others.
        facts: What a running local gateway says of itself; empty for the others.
        transfer: Where the users are if not in our directory; nothing else of the gateway is known then.
    """

    settings: Settings
    description: str
    options: str
    silence: str = ""
    state_dir: Path | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    transfer: TransferEndpoint | None = None

    @property
    def is_endpoint_only(self) -> bool:
        """Whether only a URL is known, and nothing of how the gateway there is configured."""
        return self.options.startswith("--endpoint-url")

    def command(self, words: str) -> str:
        """Return a command line about this gateway, such as `tidegate keys list acme --state-dir DIR`."""
        return f"tidegate {words} {self.options}".rstrip()


def target_options(command: F) -> F:
    """Add the options that name a target, and pass the command a `Target` as its first argument."""

    @_gateway_options
    @wraps(command)
    def wrapper(
        *args: Any, state_dir: Path | None, endpoint_url: str | None, config: str | None, **kwargs: Any
    ) -> Any:
        return command(resolve(state_dir, endpoint_url, config), *args, **kwargs)

    return wrapper  # type: ignore[return-value]


def partner_target_options(command: F) -> F:
    """Do as `target_options`, for a command about partners: they may be a Transfer endpoint's, too."""

    @_gateway_options
    @click.option(
        "--transfer", is_flag=True, help="A server of AWS Transfer Family, or of its API elsewhere."
    )
    @click.option("--server-id", metavar="ID", type=server_id_type, help="With --transfer: which one.")
    @click.option("--profile", metavar="NAME", help="With --transfer: the AWS profile to ask with.")
    @click.option("--region", metavar="REGION", help="With --transfer: in place of the profile's.")
    @wraps(command)
    def wrapper(
        *args: Any,
        state_dir: Path | None,
        endpoint_url: str | None,
        config: str | None,
        transfer: bool,
        server_id: str | None,
        profile: str | None,
        region: str | None,
        **kwargs: Any,
    ) -> Any:
        if transfer:
            if state_dir is not None or config is not None:
                raise Misuse("--transfer is in place of --state-dir and --config", hint="leave one kind out")
            target = _of_transfer(transfer_endpoint(server_id, profile, region, endpoint_url))
        elif server_id or profile or region:
            raise Misuse("--server-id, --profile and --region go with --transfer", hint="add --transfer")
        else:
            target = resolve(state_dir, endpoint_url, config)
        return command(target, *args, **kwargs)

    return wrapper  # type: ignore[return-value]


def _gateway_options(command: F) -> F:
    for option in reversed(_GATEWAY_OPTIONS):
        command = option(command)
    return command


_GATEWAY_OPTIONS = (
    click.option(
        "--state-dir",
        metavar="DIR",
        type=click.Path(path_type=Path),
        help=f"The local gateway of this state directory (or {STATE_DIR_VARIABLE}).",
    ),
    click.option(
        "--endpoint-url",
        metavar="URL",
        type=endpoint_url_type,
        help="The local gateway with this AWS endpoint.",
    ),
    click.option("--config", metavar="FILE", help="The gateway of this configuration; - is standard input."),
)


def resolve(state_dir: Path | None, endpoint_url: str | None, config: str | None) -> Target:
    """Return the one target that was named. Raises `Misuse` for none or several."""
    if sum(each is not None for each in (state_dir, endpoint_url, config)) > 1:
        raise Misuse("more than one gateway is named", hint=_CHOICE)
    if state_dir is not None:
        return _of_state_dir(state_dir, f"--state-dir {shlex.quote(str(state_dir))}")
    if endpoint_url is not None:
        return _of_endpoint(endpoint_url)
    if config is not None:
        return _of_config(config)
    if os.environ.get(STATE_DIR_VARIABLE):
        return _of_state_dir(Path(os.environ[STATE_DIR_VARIABLE]), "")
    # Only said, never taken: a command must not depend on where it happens to be called.
    here = f"the one that runs here is --state-dir {DEFAULT_NAME}" if is_described(Path(DEFAULT_NAME)) else ""
    raise Misuse("which gateway?", hint=here or _CHOICE)


def with_backend(target: Target, work: Callable[[Backend], Awaitable[T]]) -> T:
    """Run `work` over the target's endpoint, and let go of it."""

    async def run() -> T:
        backend = Backend(target.settings)
        try:
            return await work(backend)
        except StoreUnavailable as error:
            raise _unavailable(target, error) from error
        except NotFound as error:
            raise await _explained(target, backend, error) from error
        finally:
            backend.close()

    return asyncio.run(run())


def with_users(target: Target, work: Callable[[Users], Awaitable[T]]) -> T:
    """Run `work` over the users of the target's server."""

    async def over(directory: UserDirectory, server_id: str) -> T:
        return await work(Users(directory, SystemClock(), server_id))

    return with_directory(target, over)


def with_directory(target: Target, work: Callable[[UserDirectory, str], Awaitable[T]]) -> T:
    """Run `work` over the directory of the target's server, and its id."""
    if target.transfer is not None:
        return _with_transfer_directory(target, target.transfer, work)

    async def over(backend: Backend) -> T:
        return await work(backend.directory, await server_id_of(target, backend))

    return with_backend(target, over)


def _with_transfer_directory(
    target: Target, endpoint: TransferEndpoint, work: Callable[[UserDirectory, str], Awaitable[T]]
) -> T:
    try:
        return over_transfer(endpoint, work)
    except Throttled:
        raise
    except StoreUnavailable as error:
        raise _unavailable(target, error) from error


async def server_id_of(target: Target, backend: Backend) -> str:
    """Return the id of the target's server: as configured, or the only one of its directory."""
    if target.settings.server_id:
        return target.settings.server_id
    found = await backend.directory.servers()
    # Others may be there that the Transfer API made: it manages them.
    configured = [server for server in found if server.is_configured] or found
    if len(configured) == 1:
        return configured[0].server_id
    raise InvalidSettings(
        f"the directory table {target.settings.tables.directory} holds {len(configured)} servers",
        hint="say which: by --state-dir, or by a --config with server_id",
    )


def announce(target: Target) -> None:
    """Say what is about to be changed. To standard error, so that output stays parsable."""
    click.echo(f"target: {target.description}", err=True)


def _of_state_dir(path: Path, options: str) -> Target:
    facts = read_description(path)
    settings = _local(Settings(), facts["aws_endpoint_url"], facts["region"])
    tables = settings.tables.model_copy(
        update={"transfers": facts["transfers_table"], "directory": facts["directory_table"]}
    )
    landing = settings.landing.model_copy(update={"bucket": facts["landing_bucket"]})
    settings = settings.model_copy(
        update={
            "tables": tables,
            "landing": landing,
            "server_id": facts["server_id"],
            "preset": facts["preset"],
            "uploads": UploadSettings.model_validate(facts["uploads"]),
            "behaviour": BehaviourSettings.model_validate(facts["behaviour"]),
            "sweep": SweepSettings.model_validate(facts["sweep"]),
            "deliveries": DeliverySettings.model_validate(facts["deliveries"]),
            "routes": tuple(RouteSettings.model_validate(each) for each in facts["routes"]),
        }
    )
    return Target(
        settings,
        f"the local gateway of {path} ({facts['aws_endpoint_url']})",
        options,
        "it seems to have ended without a word; start it again: tidegate local",
        path,
        facts,
    )


def _of_endpoint(url: str) -> Target:
    refuse_real_aws(url, "--config FILE")
    return Target(
        _local(Settings(), url, "us-east-1"),
        f"the gateway at {url}",
        f"--endpoint-url {shlex.quote(url)}",
        "does one run there? tidegate local prints its URL",
    )


def _of_transfer(endpoint: TransferEndpoint) -> Target:
    return Target(
        Settings(),
        endpoint.description,
        endpoint.options,
        "does one run there? look at --endpoint-url, and at the network between here and there",
        transfer=endpoint,
    )


def _of_config(source: str) -> Target:
    loaded = load(source, os.environ, sys.stdin)
    where = loaded.settings.aws.endpoint_url or f"AWS, Region {loaded.settings.aws.region}"
    return Target(
        loaded.settings,
        f"the gateway of {loaded.source} ({where})",
        f"--config {shlex.quote(source)}",
        "look at aws.endpoint_url and aws.region, and at the network between here and there",
    )


def _local(settings: Settings, url: str, region: str) -> Settings:
    ignore_ambient_aws()
    aws = settings.aws.model_copy(
        update={
            "endpoint_url": url,
            "region": region,
            "access_key_id": SecretStr(ACCESS_KEY_ID),
            "secret_access_key": SecretStr(SECRET_ACCESS_KEY),
            **_IMPATIENT,
        }
    )
    return settings.model_copy(update={"aws": aws})


def _unavailable(target: Target, error: StoreUnavailable) -> StoreUnavailable:
    # Whatever listens there may have answered with a whole web page.
    said = textwrap.shorten(error.detail, 200, placeholder=" ...")
    return StoreUnavailable(
        f"{target.description} does not answer as AWS does: {said}", hint=error.hint or target.silence
    )


async def _explained(target: Target, backend: Backend, error: NotFound) -> GatewayError:
    """Return a better error if what is missing is not the thing asked for, but the table it would be in."""
    tables = target.settings.tables
    try:
        for name in (tables.directory, tables.transfers):
            if not await backend.provisioner.has_table(name):
                return InvalidSettings(
                    f"{target.description} has no table {name}",
                    hint="is it the endpoint of a tidegate gateway, and are its tables called so?",
                )
    except GatewayError:
        # Whoever may not describe tables still gets the first error.
        return error
    return error
