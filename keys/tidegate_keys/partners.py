"""`tidegate partners`: who may log in, and where their files go."""

from __future__ import annotations

from typing import Any

import click

from tidegate.assembly import Backend
from tidegate.cli.output import at, output_option, print_members, print_rows
from tidegate.cli.target import Target, announce, server_id_of, target_options, with_backend
from tidegate.core.paths import home_from_target
from tidegate.core.users import User, check_user_name
from tidegate.services.users import Users
from tidegate_keys.for_partner import for_partner_text
from tidegate_keys.pasting import read_key


@click.group()
def partners() -> None:
    """Manage who may log in."""


@partners.command()
@target_options
@click.argument("name")
@click.option("--home", metavar="/BUCKET/PREFIX", help="Where files go (/LANDING BUCKET/NAME).")
@click.option("--key", "key_files", metavar="FILE", multiple=True, help="Public key file, or -; repeatable.")
def add(target: Target, name: str, home: str | None, key_files: tuple[str, ...]) -> None:
    """Add the partner NAME."""
    check_user_name(name)
    wanted = home_from_target(home or f"/{target.settings.landing.bucket}/{name}")
    pasted = [read_key(file) for file in key_files]
    announce(target)

    async def work(users: Users) -> User:
        return await users.add(name, wanted, pasted)

    added = _with_users(target, work)
    click.echo(f"added {added.user_name}, home {added.home.target}, {len(added.keys)} keys")
    if not added.keys:
        click.echo(f"nobody can log in yet: tidegate keys add {name} --key FILE", err=True)


@partners.command(name="list")
@target_options
@output_option
def list_partners(target: Target, output: str) -> None:
    """List all partners."""

    async def work(users: Users) -> list[User]:
        return await users.all()

    rows = [_members(user) for user in _with_users(target, work)]
    columns = ["UserName", "HomeDirectory", "Keys", "CreatedAt"]
    shown = [{**row, "Keys": len(row["Keys"])} for row in rows] if output == "table" else rows
    print_rows(shown, columns, output, "no partners")


@partners.command()
@target_options
@click.argument("name")
@click.option("--for-partner", is_flag=True, help="Print the text to send to the partner.")
@output_option
def show(target: Target, name: str, for_partner: bool, output: str) -> None:
    """Show the partner NAME."""

    async def work(users: Users) -> User:
        return await users.get(name)

    user = _with_users(target, work)
    if for_partner:
        click.echo(for_partner_text(target, user))
    elif output == "json":
        print_members(_members(user), output)
    else:
        print_members({**_members(user), "Keys": None}, output)
        click.echo()
        columns = ["SshPublicKeyId", "Fingerprint", "Algorithm", "Comment", "DateImported"]
        print_rows(_members(user)["Keys"], columns, output, "no keys")


@partners.command()
@target_options
@click.argument("name")
def remove(target: Target, name: str) -> None:
    """Remove the partner NAME and its keys. Files and records stay."""
    announce(target)

    async def work(users: Users) -> None:
        await users.remove(name)

    _with_users(target, work)
    click.echo(f"removed {name}; its files and records stay")


def _with_users(target: Target, work: Any) -> Any:
    async def over(backend: Backend) -> Any:
        return await work(backend.users(await server_id_of(target, backend)))

    return with_backend(target, over)


def _members(user: User) -> dict[str, Any]:
    return {
        "UserName": user.user_name,
        "HomeDirectoryType": user.home.type.value,
        "HomeDirectory": user.home.target,
        "ServerId": user.server_id,
        "CreatedAt": at(user.created_at),
        "Keys": [
            {
                "SshPublicKeyId": key.key_id,
                "Fingerprint": key.fingerprint,
                "Algorithm": key.algorithm,
                "Comment": key.comment,
                "DateImported": at(key.imported_at),
            }
            for key in user.keys
        ],
    }
