"""
A house to break: S3 and DynamoDB in one process, gateways in others, a fault proxy between them.

Partners' clients run in the test; everything else can be stopped, frozen, cut off and killed. After
each story `House.check` looks at S3, the records and the deliveries themselves, not through the proxy,
and holds them against what clients were told.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import boto3
import yaml

from support.fault_proxy import FaultProxy
from support.step_listener import StepListener
from tidegate.local.key_files import ensure_key_pair

SERVER_ID = "s-00000000000000001"
LEASE_SECONDS = 1.2
SWEEP_SECONDS = 0.5
LANDING, PRIVATE = "tidegate-landing", "tidegate-private"
TRANSFERS = "tidegate-transfers"
# One request each: asyncssh's client forgets the tasks of larger writes when a connection is lost.
_WRITE_BYTES = 256 * 1024
OPEN = {"STARTED", "FINISHING", "SWEEPING"}
SUPPORT = Path(__file__).parent


@dataclass
class Gateway:
    """One gateway process."""

    process: subprocess.Popen[bytes]
    facts: dict[str, Any]
    key: Path
    log: Path

    @property
    def port(self) -> int:
        return int(self.facts["sftp"]["port"])

    def kill(self) -> None:
        """SIGKILL: nothing of it runs any more, not one instruction."""
        self.process.kill()
        self.process.wait(20)

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()

    def client(self) -> Any:
        """Return an SSH connection as an async context manager."""
        return asyncssh.connect(
            "127.0.0.1",
            self.port,
            username="acme",
            client_keys=[str(self.key)],
            known_hosts=None,
            config=None,
        )


@dataclass
class Told:
    """What a client was told of one file."""

    path: str
    body: bytes
    acknowledged: bool


@dataclass
class House:
    """Everything, and what clients were told so far."""

    folder: Path
    aws_url: str
    aws: subprocess.Popen[bytes]
    proxy: FaultProxy
    steps: StepListener
    gateways: list[Gateway] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)

    def gateway(self, *, preset: str = "partner-safe", **sections: dict[str, Any]) -> Gateway:
        """Start one more gateway over the same S3 and DynamoDB."""
        number = len(self.gateways)
        state = self.folder / f"gateway-{number}"
        key = self.folder / "acme"
        public = ensure_key_pair(key, "acme")
        config = self.folder / f"gateway-{number}.yaml"
        config.write_text(yaml.safe_dump(_config(preset, public, sections)))
        ready, log = self.folder / f"ready-{number}.json", self.folder / f"gateway-{number}.log"
        command = [sys.executable, "-m", "tidegate", "local", "--sftp-port", "0", "--state-dir", str(state)]
        command += ["--aws-endpoint-url", self.proxy.url, "--config", str(config), "--ready-file", str(ready)]
        command += ["--steps-socket", str(self.steps.path)]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        wait_until(lambda: ready.exists() or process.poll() is not None, "the gateway listens", 30)
        if process.poll() is not None:
            raise RuntimeError(f"the gateway did not start:\n{log.read_text()[-2000:]}")
        gateway = Gateway(process, json.loads(ready.read_text()), key, log)
        self.gateways.append(gateway)
        return gateway

    def freeze_aws(self) -> None:
        self.aws.send_signal(signal.SIGSTOP)

    def thaw_aws(self) -> None:
        self.aws.send_signal(signal.SIGCONT)

    async def put(self, gateway: Gateway, path: str, body: bytes) -> Told:
        """Send a file the way a client does; remember and return what it was told."""
        told = Told(path, body, acknowledged=False)
        self.told.append(told)
        try:
            async with gateway.client() as connection, connection.start_sftp_client() as sftp:
                file = await sftp.open(path, "wb", block_size=_WRITE_BYTES)
                for start in range(0, len(body), _WRITE_BYTES):
                    await file.write(body[start : start + _WRITE_BYTES])
                await file.close()
                told.acknowledged = True
        except (asyncssh.Error, OSError):
            told.acknowledged = False
        return told

    # --- what is really there -----------------------------------------------------------------

    def aws_client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.aws_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def items(self) -> list[dict[str, Any]]:
        table = boto3.resource(
            "dynamodb",
            endpoint_url=self.aws_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        ).Table(TRANSFERS)
        return list(table.scan(ConsistentRead=True)["Items"])

    def uploads(self, path: str | None = None) -> list[dict[str, Any]]:
        """Return the records of uploads, oldest first."""
        found = [row for row in self.items() if row["Item"] == "transfer" and row["Direction"] == "UPLOAD"]
        return sorted((r for r in found if path in (None, r["Path"])), key=lambda row: row["LogID"])

    def deliveries(self, log_id: str) -> list[dict[str, Any]]:
        return [r for r in self.items() if r["LogID"] == log_id and r["Item"].startswith("delivery#")]

    def body(self, bucket: str, key: str, version_id: str | None = None) -> bytes:
        wanted = {"VersionId": version_id} if version_id else {}
        return bytes(self.aws_client("s3").get_object(Bucket=bucket, Key=key, **wanted)["Body"].read())

    def keys(self, bucket: str) -> list[str]:
        return [
            row["Key"] for row in self.aws_client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
        ]

    def unfinished_uploads(self) -> list[dict[str, Any]]:
        return list(self.aws_client("s3").list_multipart_uploads(Bucket=LANDING).get("Uploads", []))

    # --- after each story ---------------------------------------------------------------------

    def settle(self, seconds: float = 30) -> None:
        """Wait until every record has its end and every delivery is done: the promise gives a bound."""
        wait_until(lambda: not self._unsettled(), f"everything ends; left: {self._unsettled()}", seconds)

    def check(self) -> None:
        """Settle, then hold everything against what clients were told."""
        self.settle()
        self._check_acknowledged()
        self._check_completed()
        assert self.unfinished_uploads() == []
        self._check_destination()

    def _unsettled(self) -> list[str]:
        left = []
        for row in self.items():
            is_open = row["Item"] == "transfer" and row["Status"] in OPEN
            if is_open or (row["Item"].startswith("delivery#") and row["Status"] == "PENDING"):
                left.append(f"{row['Item']} {row['LogID']} {row['Status']} {row.get('Error', '')}")
        return left

    def _check_acknowledged(self) -> None:
        """Every CLOSE that was answered OK has its complete version, its record and its delivery."""
        for told in self.told:
            if not told.acknowledged:
                continue
            digest = hashlib.sha256(told.body).hexdigest()
            records = [r for r in self.uploads(told.path) if r.get("Sha256") == digest]
            completed = [r for r in records if r["Status"] == "COMPLETED"]
            assert completed, f"{told.path} was acknowledged, and its records are {self.uploads(told.path)}"
            record = completed[-1]
            assert self.body(LANDING, record["ObjectKey"], record.get("VersionId")) == told.body
            [delivery] = self.deliveries(record["LogID"])
            assert delivery["Status"] in ("DELIVERED", "SUPERSEDED")

    def _check_completed(self) -> None:
        """Nothing is COMPLETED or delivered whose CLOSE no client sent, and nothing with other bytes."""
        asked = {(told.path, hashlib.sha256(told.body).hexdigest()) for told in self.told}
        for record in self.uploads():
            if record["Status"] == "COMPLETED":
                assert (record["Path"], record["Sha256"]) in asked, f"nobody asked for {record}"
                body = self.body(LANDING, record["ObjectKey"], record.get("VersionId"))
                assert hashlib.sha256(body).hexdigest() == record["Sha256"]
            else:
                assert self.deliveries(record["LogID"]) == [], f"{record['Status']} owes nothing"

    def _check_destination(self) -> None:
        """At the destination is the newest COMPLETED version of each key, and nothing else."""
        newest: dict[str, dict[str, Any]] = {}
        completed = {r["LogID"]: r for r in self.uploads() if r["Status"] == "COMPLETED"}
        s3 = self.aws_client("s3")
        for key in {record["ObjectKey"] for record in completed.values()}:
            for version in s3.list_object_versions(Bucket=LANDING, Prefix=key).get("Versions", []):
                head = s3.head_object(Bucket=LANDING, Key=key, VersionId=version["VersionId"])
                log_id = head["Metadata"].get("tidegate-transfer-id")
                if log_id in completed and completed[log_id].get("VersionId") == version["VersionId"]:
                    newest.setdefault(key, completed[log_id])
        assert sorted(self.keys(PRIVATE)) == sorted(newest)
        for key, record in newest.items():
            assert hashlib.sha256(self.body(PRIVATE, key)).hexdigest() == record["Sha256"]


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Return once `holds`; raise with `what` if it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s, in vain, until {what}")
        time.sleep(0.05)


@contextmanager
def open_house(folder: Path) -> Iterator[House]:
    """Build a house in `folder`, and take it down whatever happened in it."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    aws = subprocess.Popen(
        [sys.executable, str(SUPPORT / "aws_server.py")], stdout=subprocess.PIPE, env=environment
    )
    assert aws.stdout is not None
    url = aws.stdout.readline().decode().strip()
    house: House | None = None
    try:
        # A Unix socket's name is short: 108 bytes, and temporary folders are long.
        with FaultProxy(url) as proxy, _short_socket(folder) as path, StepListener(path) as steps:
            house = House(folder, url, aws, proxy, steps)
            yield house
            for gateway in house.gateways:
                gateway.stop()
    finally:
        for gateway in house.gateways if house else ():
            if gateway.process.poll() is None:
                gateway.kill()
        aws.send_signal(signal.SIGCONT)
        aws.kill()
        aws.wait(10)
        aws.stdout.close()


@contextmanager
def _short_socket(folder: Path) -> Iterator[Path]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="tg") as short:
        yield Path(short) / "steps"


def _config(preset: str, public_key: str, sections: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {
        "preset": preset,
        "server_id": SERVER_ID,
        "aws": {
            "connect_timeout_seconds": 1,
            "read_timeout_seconds": 2,
            "complete_timeout_seconds": 3,
            "max_attempts": 2,
        },
        "sweep": {"lease_seconds": LEASE_SECONDS, "interval_seconds": SWEEP_SECONDS},
        "deliveries": {"poll_interval_seconds": 0.3, "lease_seconds": 2},
        "uploads": {"part_size_bytes": 5 * 1024 * 1024},
        "shutdown": {"grace_seconds": 1},
        "partners": [{"name": "acme", "keys": [public_key]}],
    }
    for name, section in sections.items():
        config[name] = {**config.get(name, {}), **section}
    return config
