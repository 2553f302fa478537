"""File descriptors: each connection takes one, and a process without any can neither accept nor reach S3."""

from __future__ import annotations

import sys

import structlog

_log = structlog.get_logger("tidegate.sftp")

# Connections to AWS, files of the interpreter, the listeners, and some to spare.
_FOR_THE_REST = 256


def make_room(connections: int) -> None:
    """
    Let this process have a descriptor for each connection, as far as it may, and warn if it may not.

    Systems start programs with a low soft limit, often 1,024, for the sake of old ones; the hard limit is
    what the administrator allows.
    """
    if sys.platform == "win32":  # sockets take no descriptors there
        return
    import resource  # noqa: PLC0415 - not on every platform

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _FOR_THE_REST
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    if most < wanted:
        _log.warning(
            "too few file descriptors",
            hint=f"lower limits.connections ({connections}) or raise the hard limit (ulimit -Hn) to {wanted}",
            hard_limit=hard,
        )
