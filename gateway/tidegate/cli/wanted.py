"""What a file asks of a target: read for `apply` and `diff` in the same way."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import click

from tidegate.adapters.aws.transfer_directory import TransferUserDirectory
from tidegate.cli.kinds import role_arn
from tidegate.cli.target import Target
from tidegate.cli.workflows_in_file import Settled, settle
from tidegate.core.errors import InvalidSettings, Misuse
from tidegate.local.state_dir import StateDirectory
from tidegate.partners_file import wanted_server, wanted_users
from tidegate.ports.directory import UserDirectory
from tidegate.services.users import WantedUser
from tidegate.settings.loader import LoadedSettings, load
from tidegate.settings.sources import STDIN
from tidegate.settings.workflows import WorkflowSettings

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What a file asks of a target.

    Args:
        users: Each with the keys it is to have.
        server: Members of the server, by name.
        workflows: Definitions of those it names.
        without_key: Names of those whose key a local gateway would make first.
    """

    users: list[WantedUser]
    server: dict[str, Any]
    workflows: tuple[WorkflowSettings, ...]
    without_key: list[str]

    async def settled(self, directory: UserDirectory) -> Settled:
        """Return what is asked of the server, with the ids that its workflows have there."""
        if isinstance(directory, TransferUserDirectory):
            return await settle(directory, self.server, self.workflows)
        return Settled(self.server)


def role_option(command: F) -> F:
    """Add the option for partners that a file gives no role."""
    option = click.option(
        "--role",
        metavar="ARN",
        type=role_arn,
        help="IAM role of partners that FILE gives none; AWS wants one for each.",
    )
    return option(command)


def wanted_by(file: str, target: Target, role: str | None, *, dry_run: bool) -> Wanted:
    """
    Return what the file asks of the target.

    Args:
        role: Of partners that the file gives none.
        dry_run: Make no keys that are not there yet.

    Raises:
        InvalidSettings: The file cannot be used, or not for this target.
    """
    if file == STDIN and target.options == f"--config {STDIN}":
        raise Misuse("standard input cannot be both FILE and --config", hint="give one of them as a file")
    loaded = load(file, os.environ, sys.stdin)
    users = wanted_users(loaded.settings, loaded.source)
    _refuse_other_landing(target, loaded)
    if role:
        users = [_with_role(user, role) for user in users]
    settings = loaded.settings
    # AWS may have newer policies than we know of.
    server = settings.server.members if target.transfer else wanted_server(settings, loaded.source)
    without_key: list[str] = []
    if target.state_dir is not None:
        users, without_key = _with_demo_keys(users, StateDirectory(target.state_dir), dry_run=dry_run)
    return Wanted(users, server, settings.workflows, without_key)


def _with_role(user: WantedUser, role: str) -> WantedUser:
    if user.members.get("role"):
        return user
    return replace(user, members={**user.members, "role": role})


def _refuse_other_landing(target: Target, loaded: LoadedSettings) -> None:
    """Raise `InvalidSettings` if homes that FILE leaves to a default would lie in a foreign bucket."""
    landing = loaded.settings.landing
    partners = loaded.settings.partners
    homeless = [each.name for each in partners if each.home is None and not each.mappings]
    if not homeless or target.is_endpoint_only:
        return
    if target.transfer is not None:
        if "bucket" not in landing.model_fields_set:
            raise InvalidSettings(
                f"{loaded.source}: {homeless[0]} has no home, and the file does not say where uploads land",
                hint="set landing.bucket, or give each partner a home",
            )
    elif landing.bucket != target.settings.landing.bucket:
        raise InvalidSettings(
            f"{loaded.source}: {homeless[0]} has no home, and would get one in {landing.bucket}, its "
            f"landing.bucket; that of {target.description} is {target.settings.landing.bucket}",
            hint="let FILE extend the configuration of the gateway, or give each partner a home",
        )


def _with_demo_keys(
    wanted: Sequence[WantedUser], state: StateDirectory, *, dry_run: bool
) -> tuple[list[WantedUser], list[str]]:
    """Return the users, each with a key, and the names of those whose key a dry run does not make."""
    users, not_made = [], []
    for user in wanted:
        if user.keys:
            users.append(user)
        elif dry_run and not state.partner_key_file(user.user_name).exists():
            users.append(user)
            not_made.append(user.user_name)
        else:
            users.append(replace(user, keys=(state.partner_key(user.user_name)[1],)))
    return users, not_made
