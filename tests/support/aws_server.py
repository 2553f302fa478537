"""The local endpoint as a process of its own, so that tests can stop, freeze and outlive it."""

from __future__ import annotations

import signal
import sys

from tidegate.local.endpoint import EmbeddedAws


def main() -> None:
    aws = EmbeddedAws(0, lambda: None)
    aws.start()
    sys.stdout.write(aws.url + "\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
