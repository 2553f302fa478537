"""
The command `tidegate`: finds its verbs, and turns errors into one clear line and an exit code.

0 done, 1 refused or failed, 2 wrong usage. A traceback is a bug.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import entry_points
from io import TextIOWrapper

import click

from tidegate import __version__
from tidegate.core.errors import GatewayError, Misuse
from tidegate.logs import configure_logging, escaped

_OWN = {
    "apply": "tidegate.cli.apply",
    "config": "tidegate.cli.config",
    "deliveries": "tidegate.cli.deliveries",
    "diff": "tidegate.cli.diff",
    "doctor": "tidegate.cli.doctor",
    "export": "tidegate.cli.export",
    "local": "tidegate.cli.local",
    "serve": "tidegate.cli.serve",
    "servers": "tidegate.cli.servers",
    "setup": "tidegate.cli.setup",
    "transfers": "tidegate.cli.transfers",
}
# Verbs of other rooms (keys/) join by this entry-point group.
_GROUP = "tidegate.commands"
# How click says that half a command was given, since 8.2; before, it printed the help itself.
_HELP: type[Exception] | tuple[()] = getattr(click.exceptions, "NoArgsIsHelpError", ())


class Verbs(click.Group):
    """Loads a verb when it is asked for: boto3 and moto are slow to import, and `--help` needs neither."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted([*_OWN, *(point.name for point in entry_points(group=_GROUP))])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name in _OWN:
            found = getattr(import_module(_OWN[cmd_name]), cmd_name)
        else:
            points = entry_points(group=_GROUP, name=cmd_name)
            found = next(iter(points)).load() if points else None
        return found if isinstance(found, click.Command) else None


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tidegate")
def cli() -> None:
    """An SFTP gateway to S3 that behaves like AWS Transfer Family."""


def main() -> None:
    """Run the command line and exit."""
    if isinstance(sys.stdout, TextIOWrapper):
        # A name that this terminal has no characters for is no reason to fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    # To standard error, so that output stays parsable; those that run on set it up as they are told.
    configure_logging("auto", "warning")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command line; return the exit code."""
    try:
        cli.main(arguments, prog_name="tidegate", standalone_mode=False)
    except click.ClickException as error:
        if isinstance(error, _HELP):
            error.show()
        else:
            _complain(error.format_message(), _usage_hint(error))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        # Ctrl-C is how these two end, also while they are still starting.
        return 0 if arguments[:1] in (["local"], ["serve"]) else 1
    except GatewayError as error:
        _complain(error.detail, error.hint)
        return 2 if isinstance(error, Misuse) else 1
    except OSError as error:
        _complain(": ".join(str(part) for part in (error.filename, error.strerror or error) if part))
        return 1
    return 0


def _usage_hint(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{context.command_path} --help tells more" if context else ""


def _complain(text: str, hint: str = "") -> None:
    for line in text.splitlines():
        click.echo(f"tidegate: {escaped(line)}", err=True)
    if hint:
        click.echo(f"  to mend it: {escaped(hint)}", err=True)
