"""`tidegate local`: everything in one process, to try and to test against."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import cast

import click

from tidegate.cli.kinds import endpoint_url
from tidegate.cli.target import STATE_DIR_VARIABLE
from tidegate.core.behaviour import PRESETS, Preset
from tidegate.local.run import LocalOptions, run_local
from tidegate.local.state_dir import DEFAULT_NAME
from tidegate.logs import configure_logging
from tidegate.settings.loader import load
from tidegate.settings.sources import SOURCE_VARIABLE

_PORT = click.IntRange(0, 65535)


@click.command(short_help="Run a gateway with everything it needs, here.")
@click.option(
    "--sftp-port", metavar="PORT", type=_PORT, help="SFTP port; 0 takes a free one.  [default: 2222]"
)
@click.option(
    "--aws-port",
    metavar="PORT",
    type=_PORT,
    default=4566,
    show_default=True,
    help="Port of the embedded AWS endpoint; 0 takes a free one.",
)
@click.option(
    "--aws-endpoint-url",
    metavar="URL",
    type=endpoint_url,
    help="Use this S3, DynamoDB and KMS, and embed none.",
)
@click.option(
    "--state-dir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=DEFAULT_NAME,
    envvar=STATE_DIR_VARIABLE,
    show_default=True,
    help=f"Where host and demo keys are kept (or {STATE_DIR_VARIABLE}).",
)
@click.option(
    "--ready-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="JSON, written once everything listens, and removed at the end.",
)
@click.option(
    "--config",
    metavar="FILE",
    help=f"Configuration; - is standard input. Without it: the YAML in {SOURCE_VARIABLE}, or defaults.",
)
@click.option(
    "--preset",
    metavar="PRESET",
    type=click.Choice(list(PRESETS)),
    help=f"Whose behaviour: {' or '.join(PRESETS)}.  [default: transfer-family]",
)
# For fault tests: a listener on this Unix socket may stop the gateway at any step of its work.
@click.option("--steps-socket", type=click.Path(path_type=Path), hidden=True)
def local(  # noqa: PLR0913, PLR0917 - an option each
    sftp_port: int | None,
    aws_port: int,
    aws_endpoint_url: str | None,
    state_dir: Path,
    ready_file: Path | None,
    config: str | None,
    preset: str | None,
    steps_socket: Path | None,
) -> None:
    """
    Run a gateway with everything it needs, on this machine, until Ctrl-C.

    No account, no Docker: S3, DynamoDB and KMS are emulated in this process, and what they hold is gone
    when it ends.
    """
    loaded = load(config, os.environ, sys.stdin)
    configure_logging(loaded.settings.logging.format, loaded.settings.logging.level)
    options = LocalOptions(
        loaded=loaded,
        state_dir=state_dir,
        aws_port=aws_port,
        sftp_port=sftp_port,
        aws_endpoint_url=aws_endpoint_url,
        ready_file=ready_file,
        preset=cast("Preset | None", preset),
        steps_socket=steps_socket,
    )
    asyncio.run(run_local(options))
