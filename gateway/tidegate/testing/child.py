"""
`tidegate local` that ends with whoever started it: `python -m tidegate.testing.child local ...`.

A test run can be killed, and then stops nothing. Its end of the pipe at our standard input is closed
for it.
"""

from __future__ import annotations

import os
import sys
import threading

from tidegate.cli.main import main


def _end_with_starter() -> None:
    # Unbuffered: a reader that holds the buffer's lock would stop the interpreter from ending.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(0)  # nobody is left to wait for anything


if __name__ == "__main__":
    threading.Thread(target=_end_with_starter, daemon=True).start()
    main()
