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
from botocore.config import Config

from support.fault_proxy import FaultProxy
from support.house_check import Asked, Check, Seen
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
_ACCESS = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}


@dataclass
class Gateway:
    """One gateway process."""

    process: subprocess.Popen[bytes]
    facts: dict[str, Any]
    key: Path
    log: Path
    state: Path
    preset: str

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
    refusal: str = ""


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
    seen: Seen = field(default_factory=Seen, init=False)
    _clients: dict[str, Any] = field(default_factory=dict, init=False)

    def gateway(
        self,
        *,
        preset: str = "partner-safe",
        again: Gateway | None = None,
        **sections: dict[str, Any] | list[Any],
    ) -> Gateway:
        """
        Start one more gateway over the same S3 and DynamoDB.

        Args:
            again: A dead gateway, whose state directory the new process takes over.
        """
        number = len(self.gateways)
        state = again.state if again else self.folder / f"gateway-{number}"
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
        gateway = Gateway(process, json.loads(ready.read_text()), key, log, state, preset)
        self.gateways.append(gateway)
        return gateway

    def living(self, count: int) -> list[Gateway]:
        """Return partner-safe gateways that run: those there are, and as many more as it takes."""
        alive = [g for g in self.gateways if g.process.poll() is None and g.preset == "partner-safe"]
        return alive[:count] + [self.gateway() for _ in range(count - len(alive))]

    def with_pid(self, pid: int) -> Gateway:
        """Return the gateway that runs as this process."""
        [found] = [gateway for gateway in self.gateways if gateway.process.pid == pid]
        return found

    def command(self, gateway: Gateway, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `tidegate` with the configuration of a gateway, dead or alive, over the same backends."""
        number = self.gateways.index(gateway)
        config = yaml.safe_load((self.folder / f"gateway-{number}.yaml").read_text())
        # `tidegate local` is told the endpoint on its command line; a command has only the file.
        config["aws"] |= {"endpoint_url": self.proxy.url, "region": _ACCESS["region_name"]}
        config["aws"] |= {"access_key_id": "${HOUSE_ACCESS}", "secret_access_key": "${HOUSE_ACCESS}"}
        file = self.folder / f"command-{number}.yaml"
        file.write_text(yaml.safe_dump(config))
        return subprocess.run(
            [sys.executable, "-m", "tidegate", *words, "--config", str(file)],
            stdin=subprocess.DEVNULL,
            env=os.environ | {"HOUSE_ACCESS": _ACCESS["aws_access_key_id"]},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

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
        except (asyncssh.Error, OSError) as error:
            told.acknowledged = False
            told.refusal = str(error)
        return told

    # --- what is really there -----------------------------------------------------------------

    def aws_client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self.aws_url,
                # The emulator gives a copy of an object of parts the checksum of the parts' checksums.
                config=Config(response_checksum_validation="when_required"),
                **_ACCESS,
            )
        return self._clients[service]

    def items(self) -> list[dict[str, Any]]:
        if "table" not in self._clients:
            resource: Any = boto3.resource("dynamodb", endpoint_url=self.aws_url, **_ACCESS)
            self._clients["table"] = resource.Table(TRANSFERS)
        table = self._clients["table"]
        found: list[dict[str, Any]] = []
        more: dict[str, Any] = {}
        while True:
            page = table.scan(ConsistentRead=True, **more)
            found += page["Items"]
            if "LastEvaluatedKey" not in page:
                return found
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

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
        pages = self.aws_client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [row["Key"] for page in pages for row in page.get("Contents", [])]

    def versions(self, bucket: str) -> list[dict[str, Any]]:
        """Return all versions of all objects, of each key the newest first."""
        pages = self.aws_client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket)
        return [row for page in pages for row in page.get("Versions", [])]

    def unfinished_uploads(self) -> list[dict[str, Any]]:
        return list(self.aws_client("s3").list_multipart_uploads(Bucket=LANDING).get("Uploads", []))

    # --- after each story ---------------------------------------------------------------------

    def settle(self, seconds: float = 120) -> None:
        """Wait until every record has its end and every delivery is done: the promise gives a bound."""
        wait_until(lambda: not self._unsettled(), f"everything ends; left: {self._unsettled()}", seconds)

    def check(self, seconds: float = 120) -> None:
        """Settle, then hold everything against what clients were told."""
        self.settle(seconds)
        asked = [Asked(t.path, hashlib.sha256(t.body).hexdigest(), t.acknowledged) for t in self.told]
        Check(self, LANDING, PRIVATE).everything(asked)

    def _unsettled(self) -> list[str]:
        left = []
        for row in self.items():
            is_open = row["Item"] == "transfer" and row["Status"] in OPEN
            is_work = row["Item"].startswith(("delivery#", "rename#"))
            if is_open or (is_work and row["Status"] == "PENDING"):
                left.append(f"{row['Item']} {row['LogID']} {row['Status']} {row.get('Error', '')}")
        return left


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Return once `holds`; raise with `what` if it does not in time. The bound is for what hangs."""
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
            "read_timeout_seconds": 8,
            "complete_timeout_seconds": 10,
            "max_attempts": 2,
        },
        "sweep": {"lease_seconds": LEASE_SECONDS, "interval_seconds": SWEEP_SECONDS},
        "deliveries": {"poll_interval_seconds": 0.3, "lease_seconds": 2},
        "uploads": {"part_size_bytes": 5 * 1024 * 1024},
        "shutdown": {"grace_seconds": 1},
        "partners": [{"name": "acme", "keys": [public_key]}],
    }
    for name, section in sections.items():
        config[name] = section if isinstance(section, list) else {**config.get(name, {}), **section}
    return config
