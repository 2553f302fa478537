"""The other end of a gateway's step socket: lets it go on, or holds it exactly where it is."""

from __future__ import annotations

import socket
import struct
import threading
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Trap:
    """
    A step, such as `complete.before`, to hold a gateway at: when first reached, or after `skip` times.

    With `only_pid`, only that process is held; with `about`, only at a subject that holds these words.
    `pid` is the process that is held.
    """

    step: str
    skip: int = 0
    only_pid: int | None = None
    about: str = ""
    subject: str = ""
    pid: int = 0
    _arrived: threading.Event = field(default_factory=threading.Event)
    _release: threading.Event = field(default_factory=threading.Event)

    def wait(self, seconds: float = 60) -> str:
        """Return the subject once a gateway is held here."""
        if not self._arrived.wait(seconds):
            raise TimeoutError(f"no gateway reached {self.step}")
        return self.subject

    def release(self) -> None:
        self._release.set()


class StepListener:
    """Listens on a Unix socket. Use as a context manager; `reached` is everything so far, in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reached: list[tuple[str, str]] = []
        self._traps: list[Trap] = []
        self._lock = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def __enter__(self) -> StepListener:
        self._socket.bind(str(self.path))
        self._socket.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release_all()
        self._socket.close()

    def trap(self, step: str, *, skip: int = 0, pid: int | None = None, about: str = "") -> Trap:
        """Hold the next gateway that reaches `step`."""
        trap = Trap(step, skip, pid, about)
        with self._lock:
            self._traps.append(trap)
        return trap

    def release_all(self) -> None:
        with self._lock:
            traps, self._traps = self._traps, []
        for trap in traps:
            trap.release()

    def wait_for(self, step: str, count: int = 1, seconds: float = 60) -> None:
        """Return once `step` was reached `count` times."""
        with self._lock:
            if not self._lock.wait_for(lambda: self.count(step) >= count, seconds):
                raise TimeoutError(f"{step} was reached {self.count(step)} times; reached: {self.reached}")

    def count(self, step: str) -> int:
        return sum(each == step for each, _ in self.reached)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("r") as lines:
            name, _, subject = lines.readline().rstrip("\n").partition(" ")
            if not name:
                return
            pid, _, _ = struct.unpack(
                "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            )
            trap = self._note(name, subject, pid)
            if trap:
                trap.subject, trap.pid = subject, pid
                trap._arrived.set()
                trap._release.wait(120)
            try:
                connection.sendall(b"go\n")
            except OSError:
                return  # it was killed here: that is what traps are for

    def _note(self, step: str, subject: str, pid: int) -> Trap | None:
        with self._lock:
            self.reached.append((step, subject))
            self._lock.notify_all()
            for trap in self._traps:
                wanted = trap.only_pid in (None, pid) and trap.about in subject
                if trap.step == step and wanted:
                    if trap.skip:
                        trap.skip -= 1
                        return None
                    self._traps.remove(trap)
                    return trap
            return None
