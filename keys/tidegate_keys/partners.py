"""`tidegate partners`: who may log in, and where their files go."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import click

from tidegate.backend import Backend
from tidegate.cli.kinds import partner_name, role_arn
from tidegate.cli.output import output_option, print_json, print_members, print_rows
from tidegate.cli.target import (
    Target,
    announce,
    partner_target_options,
    server_id_of,
    with_backend,
    with_users,
)
from tidegate.core.errors import GatewayError, Misuse
from tidegate.core.homes import for_user
from tidegate.core.host_keys import HostKey, active
from tidegate.core.users import Home, User
from tidegate.services.users import NewUser, Users
from tidegate_keys.for_partner import for_partner_text
from tidegate_keys.homes import home_options, wanted_home
from tidegate_keys.members import KEY_COLUMNS, MAPPING_COLUMNS, user_members
from tidegate_keys.pasting import read_key


@click.group()
def partners() -> None:
    """Manage who may log in, and where their files go."""


@partners.command(short_help="Add a partner.")
@partner_target_options
@click.argument("name", type=partner_name)
@home_options
@click.option(
    "--key", "files", metavar="FILE", multiple=True, help="Public key file; - is standard input. Repeatable."
)
@click.option(
    "--role", metavar="ARN", type=role_arn, default="", help="IAM role that it works under; AWS wants one."
)
def add(target: Target, name: str, files: tuple[str, ...], role: str, **home: Any) -> None:
    """Add the partner NAME: 3 to 100 letters, digits, _ . @ or -."""
    if target.transfer and not (home["home"] or home["directories"] or home["mapped_files"]):
        raise Misuse("a server of Transfer Family has no landing bucket", hint="say --home /BUCKET/PREFIX")
    wanted = wanted_home(f"/{target.settings.landing.bucket}/{name}", **home)
    new = NewUser(name, wanted, tuple(read_key(file) for file in files), role=role)
    announce(target)
    added, missing_buckets = _added(target, new)
    count = len(added.keys)
    click.echo(f"added {name}, home {added.home}, {count} {'key' if count == 1 else 'keys'}")
    for bucket in missing_buckets:
        click.echo(f"there is no bucket {bucket} yet: uploads fail until there is", err=True)
    if not added.keys:
        click.echo(f"nobody can log in yet: {target.command(f'keys add {name} --key FILE')}", err=True)


def _added(target: Target, new: NewUser) -> tuple[User, list[str]]:
    """Add a partner, and return it with the buckets of its home that are not there."""

    async def in_ours(backend: Backend) -> tuple[User, list[str]]:
        added = await backend.users(await server_id_of(target, backend)).create(new)
        return added, [bucket for bucket in _buckets(added) if await _is_missing(backend, bucket)]

    async def at_aws(users: Users) -> tuple[User, list[str]]:
        # Who may make users there need not see buckets: nothing is said of them.
        return await users.create(new), []

    return with_users(target, at_aws) if target.transfer else with_backend(target, in_ours)


@partners.command(name="list", short_help="List all partners.")
@partner_target_options
@output_option
def list_partners(target: Target, output: str) -> None:
    """List all partners. JSON has their keys, too."""

    async def work(users: Users) -> list[User]:
        return await users.all()

    users = with_users(target, work)
    rows = [user_members(user) for user in users]
    if output == "table":
        said = [{"HomeDirectory": str(user.home), "Keys": len(user.keys)} for user in users]
        rows = [row | short for row, short in zip(rows, said, strict=True)]
    print_rows(rows, ["UserName", "HomeDirectory", "Keys", "CreatedAt"], output, "no partners")


@partners.command(short_help="Show a partner and its keys.")
@partner_target_options
@click.argument("name", type=partner_name)
@click.option("--for-partner", is_flag=True, help="Print the text to send to the partner.")
@output_option
def show(target: Target, name: str, for_partner: bool, output: str) -> None:
    """Show the partner NAME with its keys, or what to tell it."""
    if for_partner and target.transfer:
        raise Misuse("--for-partner is for our own gateways: it tells their host key", hint="leave it out")

    async def work(users: Users) -> User:
        return await users.get(name)

    user = with_users(target, work)
    members = user_members(user)
    if for_partner:
        kept = [] if target.facts or target.is_endpoint_only else with_backend(target, _kept_host_keys)
        click.echo(for_partner_text(target, user, kept))
    elif output == "json":
        print_json(members)
    else:
        mappings = members["HomeDirectoryMappings"]
        print_members({**members, "Keys": None, "HomeDirectoryMappings": None})
        click.echo()
        if user.home != Home.chroot(user.home.target) and mappings:
            print_rows(mappings, MAPPING_COLUMNS, output, "no mappings")
            click.echo()
        print_rows(members["Keys"], KEY_COLUMNS, output, "no keys")


async def _kept_host_keys(backend: Backend) -> list[HostKey]:
    """Return the host keys that all gateways of the server show, if the configuration names no files."""
    settings = backend.settings
    if settings.sftp.host_key_files or settings.server_id is None:
        return []
    return active(await backend.host_keys(settings.server_id).kept())


@partners.command(short_help="Remove a partner and its keys.")
@partner_target_options
@click.argument("name", type=partner_name)
def remove(target: Target, name: str) -> None:
    """Remove the partner NAME and its keys. Its files and records stay."""
    announce(target)

    async def work(users: Users) -> None:
        await users.remove(name)

    with_users(target, work)
    click.echo(f"removed {name}; its files and records stay")


def _buckets(user: User) -> list[str]:
    # As stored: the variable may stand in a bucket's name.
    return sorted({target.split("/")[1] for target in for_user(user.home, user.user_name).targets})


async def _is_missing(backend: Backend, bucket: str) -> bool:
    # Who may write the directory may not be allowed to look at buckets: then nothing is said of them.
    with suppress(GatewayError):
        return not await backend.provisioner.has_bucket(bucket)
    return False
