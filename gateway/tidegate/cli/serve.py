"""`tidegate serve`: a gateway over AWS, or over any endpoint that speaks S3 and DynamoDB."""

from __future__ import annotations

import asyncio
import os
import sys

import click

from tidegate.core.errors import Misuse
from tidegate.logs import configure_logging
from tidegate.serving import run_serve
from tidegate.settings.loader import load
from tidegate.settings.sources import SOURCE_VARIABLE


@click.command(short_help="Run a gateway over AWS, or what speaks its APIs.")
@click.option(
    "--config",
    metavar="FILE",
    help=f"Configuration; - is standard input. Without it: the YAML in {SOURCE_VARIABLE}.",
)
def serve(config: str | None) -> None:
    """
    Run a gateway over AWS, or any endpoint that speaks S3, DynamoDB and KMS, until Ctrl-C or SIGTERM.

    Buckets, tables and keys must be there: what is missing is named, and nothing is made.
    """
    if config is None and not os.environ.get(SOURCE_VARIABLE):
        raise Misuse("serve needs a configuration", hint=f"--config FILE, or YAML in {SOURCE_VARIABLE}")
    loaded = load(config, os.environ, sys.stdin)
    configure_logging(loaded.settings.logging.format, loaded.settings.logging.level)
    asyncio.run(run_serve(loaded))
