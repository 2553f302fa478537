"""Renaming in fault stories: the way a client does it, and which step of a rename is meant."""

from __future__ import annotations

import asyncssh

from support.fault_house import LANDING, Gateway


async def rename(gateway: Gateway, old: str, new: str) -> str:
    """Rename the way a client does; return what went wrong, or nothing."""
    try:
        async with gateway.client() as connection, connection.start_sftp_client() as sftp:
            await sftp.rename(old, new)
    except (asyncssh.Error, OSError) as error:
        return str(error) or repr(error)
    return ""


def about(step: str) -> str:
    """Return the words by which a step of a rename is told from one of a delivery."""
    return LANDING if step.startswith(("copy", "delete")) else ""
