"""`tidegate local`: everything in one process, to try and to test against."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import click

from tidegate.cli.target import STATE_DIR_VARIABLE
from tidegate.core.behaviour import PRESETS
from tidegate.local.run import LocalOptions, run_local
from tidegate.local.state_dir import DEFAULT_NAME
from tidegate.logs import configure_logging
from tidegate.settings.loader import load


@click.command()
@click.option("--sftp-port", type=click.IntRange(0, 65535), help="SFTP port (2222); 0 takes a free one.")
@click.option(
    "--aws-port",
    type=click.IntRange(0, 65535),
    default=4566,
    show_default=True,
    help="Port of the embedded AWS endpoint; 0 takes a free one.",
)
@click.option("--aws-endpoint-url", help="Use this S3, DynamoDB and KMS instead of the embedded one.")
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_NAME,
    envvar=STATE_DIR_VARIABLE,
    show_default=True,
    help="Where host and demo keys are kept.",
)
@click.option(
    "--ready-file", type=click.Path(dir_okay=False, path_type=Path), help="JSON, written once all listen."
)
@click.option("--config", help="Configuration file, or - for standard input.")
@click.option("--preset", type=click.Choice(list(PRESETS)), help="Whose behaviour (transfer-family).")
def local(
    sftp_port: int | None,
    aws_port: int,
    aws_endpoint_url: str | None,
    state_dir: Path,
    ready_file: Path | None,
    config: str | None,
    preset: str | None,
) -> None:
    """Run a gateway with everything it needs, on this machine, until Ctrl-C."""
    loaded = load(config, os.environ, sys.stdin)
    configure_logging(loaded.settings.logging.format, loaded.settings.logging.level)
    options = LocalOptions(
        loaded=loaded,
        state_dir=state_dir,
        aws_port=aws_port,
        sftp_port=sftp_port,
        aws_endpoint_url=aws_endpoint_url,
        ready_file=ready_file,
        preset=preset,  # type: ignore[arg-type]
    )
    asyncio.run(run_local(options))
