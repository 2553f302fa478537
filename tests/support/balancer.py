"""
A load balancer for one connection, to be run as a client's ProxyCommand.

`python balancer.py FROM HOST PORT HEADER`: connects from the address FROM, puts the bytes HEADER, in
hexadecimal, before what the client says, and carries everything else as it is.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys


def carry(there: socket.socket) -> None:
    """Carry bytes between our standard streams and the socket until either side ends."""
    with selectors.DefaultSelector() as ways:
        ways.register(sys.stdin.fileno(), selectors.EVENT_READ)
        ways.register(there, selectors.EVENT_READ)
        while True:
            for key, _ in ways.select():
                is_client = key.fileobj is not there
                data = os.read(sys.stdin.fileno(), 65_536) if is_client else there.recv(65_536)
                if not data:
                    return
                if is_client:
                    there.sendall(data)
                else:
                    os.write(sys.stdout.fileno(), data)


def main(source: str, host: str, port: str, header: str) -> None:
    with socket.create_connection((host, int(port)), source_address=(source, 0)) as there:
        there.sendall(bytes.fromhex(header))
        carry(there)


if __name__ == "__main__":
    main(*sys.argv[1:])
