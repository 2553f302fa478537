"""A gigabyte through a gateway: the memory it takes is what it was allowed, whatever the file's size."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

MIB = 1024 * 1024
SINK = Path(__file__).parents[1] / "support" / "s3_sink.py"
BUDGET = 64 * MIB
# docs/memory.md: what asyncssh may hold of one session that is sending.
SESSION = 13 * MIB
# Threads, sockets and what an allocator does not give back.
SLACK = 24 * MIB


@pytest.fixture
def sink() -> Iterator[str]:
    """An S3 that forgets what it is sent: an emulator's own memory must not be measured."""
    process = subprocess.Popen([sys.executable, str(SINK)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        yield process.stdout.readline().decode().strip()
        process.kill()
        process.wait(10)


@pytest.fixture
def gateway(sink: str, tmp_path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """A gateway process over the sink, with a small budget; its pid and what it says of itself."""
    config, ready = tmp_path / "gateway.yaml", tmp_path / "ready.json"
    config.write_text(f"uploads: {{buffer_budget_bytes: {BUDGET}}}\ndeliveries: {{targets: []}}\n")
    command = [sys.executable, "-m", "tidegate", "local", "--sftp-port", "0", "--aws-endpoint-url", sink]
    command += ["--state-dir", str(tmp_path / "state"), "--config", str(config), "--ready-file", str(ready)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not ready.exists():
            assert process.poll() is None, "the gateway ended"
            assert time.monotonic() < deadline, "the gateway does not listen"
            time.sleep(0.05)
        yield process.pid, json.loads(ready.read_text())
    finally:
        process.terminate()
        process.wait(30)


def peak_bytes(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


@pytest.mark.client("sftp")
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.lengthy
def test_a_gibibyte_takes_no_more_than_the_budget(
    gateway: tuple[int, dict[str, object]], tmp_path: Path
) -> None:
    """The peak grows by less than the buffers' budget and one session's share."""
    pid, facts = gateway
    sftp: dict[str, object] = facts["sftp"]  # type: ignore[assignment]
    key = facts["partners"][0]["private_key_path"]  # type: ignore[index]
    with (tmp_path / "giga.bin").open("wb") as file:
        file.truncate(1024 * MIB)
    (tmp_path / "batch").write_text(f"put {tmp_path}/giga.bin\n")
    before = peak_bytes(pid)
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    subprocess.run(
        [
            "sftp",
            "-q",
            "-b",
            f"{tmp_path}/batch",
            "-P",
            str(sftp["port"]),
            "-i",
            key,
            *options,
            "acme@127.0.0.1",
        ],
        check=True,
        timeout=120,
        stdout=subprocess.DEVNULL,
    )
    assert peak_bytes(pid) - before < BUDGET + SESSION + SLACK
