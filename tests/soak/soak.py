"""
Many files through two gateways that are killed and restarted at random, while clients retry.

    make soak ARGS="--files 60"

Partners send until they are told OK. At the end every promise is checked, and a report printed. Exits
with 1 if a promise is broken or a file never got its OK.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

# The emulator holds objects in memory, and a run writes gigabytes: what is larger than this goes to disk. Its
# threads come and go, and what one of them frees is to go back to the system.
os.environ |= {
    "MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": str(64 * 1024),
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(128 * 1024),
}

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / each) for each in ("gateway", "keys", "tests")]

from support.fault_house import Gateway, House, open_house  # noqa: E402 - the path comes first

_CLIENTS = 8
_SETTLE_SECONDS = 120
_STARTS = 5
# A client gives up a file it hears nothing of; the report counts these apart.
_PATIENCE_SECONDS = 60


@dataclass
class Soak:
    """What happened so far."""

    house: House
    gateways: list[Gateway]
    chance: random.Random
    until: float
    acknowledged: int = 0
    retries: int = 0
    unanswered: int = 0
    kills: int = 0
    _enough: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, files: int) -> None:
        killer = asyncio.create_task(self._kill_at_random())
        lanes = [self._send_all(range(lane, files, _CLIENTS)) for lane in range(_CLIENTS)]
        await asyncio.gather(*lanes)
        self._enough.set()
        await killer

    async def _send_all(self, numbers: range) -> None:
        for number in numbers:
            if time.monotonic() > self.until:
                return
            await self._send(number)

    async def _send(self, number: int) -> None:
        """Send one file until OK: some of several parts, some over an earlier one."""
        size = 11 * 1024 * 1024 if number % 20 == 0 else self.chance.randrange(0, 200_000)
        path = f"/soak/{number - 1 if number % 10 == 9 else number}.bin"
        body = b"%d;" % number + self.chance.randbytes(1024) * (size // 1024)
        while True:
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    told = await self.house.put(self.chance.choice(self.gateways), path, body)
            except TimeoutError:
                self.unanswered += 1
            else:
                if told.acknowledged:
                    self.acknowledged += 1
                    return
            self.retries += 1
            # A second try may meet the first one's end; a client waits a little before it.
            await asyncio.sleep(0.2)
            if time.monotonic() > self.until:
                return

    async def _kill_at_random(self) -> None:
        while not self._enough.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self.chance.uniform(1, 6)):
                    await self._enough.wait()
            if not self._enough.is_set():
                await self._kill_one()

    async def _kill_one(self) -> None:
        place = self.chance.randrange(len(self.gateways))
        victim = self.gateways[place]
        await asyncio.to_thread(victim.kill)
        self.kills += 1
        # On the same state directory, and again if the emulator was too busy, as an init system would do it.
        for attempt in range(_STARTS):
            try:
                self.gateways[place] = await asyncio.to_thread(lambda: self.house.gateway(again=victim))
            except RuntimeError:
                if attempt == _STARTS - 1:
                    raise
            else:
                return


def report(soak: Soak, files: int, seconds: float) -> str:
    rows = soak.house.items()
    records = Counter(str(row["Status"]) for row in rows if row["Item"] == "transfer")
    deliveries = Counter(str(row["Status"]) for row in rows if str(row["Item"]).startswith("delivery#"))
    lines = {
        "files": files,
        "kills": soak.kills,
        "acknowledged": soak.acknowledged,
        "retries": soak.retries,
        "unanswered": soak.unanswered,
        "records": ", ".join(f"{name} {number}" for name, number in sorted(records.items())),
        "deliveries": ", ".join(f"{name} {number}" for name, number in sorted(deliveries.items())),
        "seconds": f"{seconds:.0f}",
    }
    return "\n".join(f"{name:<13}{value}" for name, value in lines.items())


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description="Many files, gateways killed at random.")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=3600, help="begin no more files after this long")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tidegate-soak") as folder, open_house(Path(folder)) as house:
        gateways = [house.gateway(), house.gateway()]
        soak = Soak(house, gateways, random.Random(wanted.seed), began + wanted.seconds)
        asyncio.run(soak.run(wanted.files))
        failure = broken(house)
        sys.stdout.write(report(soak, wanted.files, time.monotonic() - began) + "\n")
    if failure:
        sys.stderr.write(f"BROKEN: {failure}\n")
    if soak.acknowledged < wanted.files:
        sys.stderr.write(f"{wanted.files - soak.acknowledged} files were not acknowledged in time\n")
    return 1 if failure or soak.acknowledged < wanted.files else 0


def broken(house: House) -> str:
    """Return what promise is broken, or nothing."""
    try:
        house.check(_SETTLE_SECONDS)
    except (AssertionError, TimeoutError) as error:
        return str(error) or repr(error)
    return ""


if __name__ == "__main__":
    sys.exit(main())
