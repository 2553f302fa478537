"""
The drill of docs/disaster-recovery.md, performed: every loss in turn, and each recovery by the page's steps.

One account lives through all of it, as in a week of bad luck. What the emulator cannot do, the page says.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import boto3
import pytest
import yaml

pytestmark = pytest.mark.lengthy

SERVER = "s-0123456789abcdef0"
LANDING, PRIVATE = "drill-landing", "drill-private"
TRANSFERS, DIRECTORY = "drill-transfers", "drill-directory"
SECRETS = {"DRILL_KEY_ID": "AKIAEXAMPLE", "DRILL_SECRET": "not-to-be-shown"}
TARGET = ("--config", "gateway.yaml")
LARGE = bytes(range(256)) * 4096 * 6  # 6 MiB: two parts


@dataclass
class Account:
    """An account of the emulator, its gateways and one partner."""

    url: str
    folder: Path
    tidegate: Callable[..., Any]
    running: Callable[..., Any]
    key: Path
    host_key: Path
    aws: dict[str, Any] = field(default_factory=dict)
    started: int = 0

    def gateway(self) -> Any:
        """Start one more gateway; return it once it listens."""
        self.started += 1
        config = str(self.folder / "gateway.yaml")
        gateway = self.running(
            "serve", "--config", config, folder=self.folder / f"gateway-{self.started}", **SECRETS
        )
        gateway.event("listening")
        return gateway

    def put(self, gateway: Any, name: str, content: bytes) -> None:
        """Upload as the partner, who looks at the host key, and reads OK."""
        asyncio.run(self._put(gateway.event("listening")["port"], name, content))

    def get(self, gateway: Any, name: str) -> bytes:
        return asyncio.run(self._get(gateway.event("listening")["port"], name))

    def leave_open(self, gateway: Any, name: str) -> None:
        """Begin a file, and kill the gateway amid it."""
        asyncio.run(self._put_until_killed(gateway, name))

    def do(self, *words: str) -> Any:
        """Run a command that must succeed."""
        said = self.tidegate(*words, *TARGET)
        assert said.code == 0, said.err + said.out
        return said

    def records(self) -> dict[str, dict[str, Any]]:
        """Return the records of uploads by path, the newest of each."""
        rows = json.loads(self.do("transfers", "list", "--output", "json").out)
        return {row["Path"]: row for row in reversed(rows) if row["Direction"] == "UPLOAD"}

    def verified(self) -> set[str]:
        """Return the paths whose stored bytes are those of the record, by `transfers verify`."""
        completed = {path: row for path, row in self.records().items() if row["Status"] == "COMPLETED"}
        for row in completed.values():
            self.do("transfers", "verify", row["LogID"])
        return set(completed)

    async def _put(self, port: int, name: str, content: bytes) -> None:
        async with (
            self._client(port) as connection,
            connection.start_sftp_client() as sftp,
            sftp.open(name, "wb") as file,
        ):
            await file.write(content)

    async def _get(self, port: int, name: str) -> bytes:
        async with (
            self._client(port) as connection,
            connection.start_sftp_client() as sftp,
            sftp.open(name, "rb") as file,
        ):
            return bytes(await file.read())

    async def _put_until_killed(self, gateway: Any, name: str) -> None:
        with suppress(asyncssh.Error, OSError):
            async with self._client(gateway.event("listening")["port"]) as connection:
                sftp = await connection.start_sftp_client()
                file = await sftp.open(name, "wb")
                await file.write(b"half of it")
                await asyncio.to_thread(gateway.kill)
                await file.close()

    def _client(self, port: int) -> Any:
        host_key = asyncssh.read_private_key(self.host_key)
        return asyncssh.connect(
            "127.0.0.1",
            port,
            username="acme",
            client_keys=[str(self.key)],
            known_hosts=([host_key.convert_to_public()], [], []),
            config=None,
        )


@pytest.fixture
def account(
    moto_url: str,
    tidegate: Callable[..., Any],
    running: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Account]:
    """An account as the guide leaves it: set up, partners applied, host key imported from a file."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    made = Account(moto_url, tmp_path, tidegate, running, tmp_path / "acme", tmp_path / "host_ed25519")
    for key in (made.key, made.host_key):
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(key)
    public = asyncssh.read_private_key(made.key).export_public_key().decode()
    settings = configuration(moto_url)
    (tmp_path / "gateway.yaml").write_text(yaml.safe_dump(settings))
    partners = {**settings, "partners": [{"name": "acme", "keys": [public]}]}
    (tmp_path / "partners.yaml").write_text(yaml.safe_dump(partners))
    for service in ("s3", "dynamodb"):
        made.aws[service] = boto3.client(
            service,
            endpoint_url=moto_url,
            region_name="eu-central-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",
        )
    set_up(made)
    yield made
    for client in made.aws.values():
        client.close()


def configuration(url: str) -> dict[str, Any]:
    return {
        "version": 1,
        "preset": "partner-safe",
        "server_id": SERVER,
        "name_prefix": "drill",
        "aws": {
            "region": "eu-central-1",
            "endpoint_url": url,
            "access_key_id": "${DRILL_KEY_ID}",
            "secret_access_key": "${DRILL_SECRET}",
        },
        "sftp": {"port": 0},
        "deliveries": {"poll_interval_seconds": 0.3, "lease_seconds": 2, "targets": [{"name": "private"}]},
        "uploads": {"part_size_bytes": 5 * 1024**2},
        "sweep": {"lease_seconds": 1.2, "interval_seconds": 0.5},
        "shutdown": {"grace_seconds": 1},
        "logging": {"format": "json"},
    }


def set_up(account: Account, restored: str | None = None) -> None:
    """Make what is missing, mend what is not right, let the partners in, and look."""
    account.do("setup", "--import-host-key", "host_ed25519")
    account.do("apply", "partners.yaml")
    assert still_wrong(account) == forgotten(restored)
    account.do("doctor")


def still_wrong(account: Account) -> list[tuple[str, str]]:
    said = account.tidegate("setup", "--check", "--output", "json", *TARGET)
    return [(row["Resource"], row["What"]) for row in json.loads(said.out)]


def forgotten(restored: str | None) -> list[tuple[str, str]]:
    """The emulator forgets how a restored table was encrypted, and takes no UpdateTable of it."""
    return [(f"table {restored}", "encryption")] if restored else []


def test_the_drill(account: Account) -> None:
    """After each loss the partner logs in with its old key, and every file on record is proved whole."""
    gateway = a_gateway_is_killed(account)
    an_object_is_deleted(account, gateway)
    backup = account.aws["dynamodb"].create_backup(TableName=TRANSFERS, BackupName="nightly")
    account.put(gateway, "/after-backup.csv", b"too late for the backup\n")
    gateway.stop()
    both_tables_are_lost(account, backup["BackupDetails"]["BackupArn"])
    the_directory_is_taken_back_in_time(account)


def a_gateway_is_killed(account: Account) -> Any:
    """Drill 1. Another gateway ends what the first left open, and takes the file when it is sent again."""
    first, second = account.gateway(), account.gateway()
    account.put(first, "/small.csv", b"date;amount\n" * 100)
    account.leave_open(first, "/half.csv")
    second.until(lambda: account.records()["/half.csv"]["Status"] == "ABANDONED")
    account.put(second, "/half.csv", b"all of it\n")
    account.put(second, "/large.bin", LARGE)
    assert account.verified() == {"/small.csv", "/half.csv", "/large.bin"}
    return second


def an_object_is_deleted(account: Account, gateway: Any) -> None:
    """Drill 2. The record still proves its version; taking the delete marker away brings the file back."""
    s3 = account.aws["s3"]
    marker = s3.delete_object(Bucket=LANDING, Key="acme/large.bin")["VersionId"]
    with pytest.raises(asyncssh.SFTPNoSuchFile):
        account.get(gateway, "/large.bin")
    account.do("transfers", "verify", account.records()["/large.bin"]["LogID"])
    s3.delete_object(Bucket=LANDING, Key="acme/large.bin", VersionId=marker)
    assert account.get(gateway, "/large.bin") == LARGE


def both_tables_are_lost(account: Account, backup: str) -> None:
    """Drill 3. Transfers from a backup; the directory from files: partners, and the private host key."""
    delete_table(account, TRANSFERS)
    delete_table(account, DIRECTORY)
    refused = account.tidegate("serve", *TARGET)
    assert refused.code == 1
    assert all(f"table {name} does not exist" in refused.err for name in (TRANSFERS, DIRECTORY))

    account.aws["dynamodb"].restore_table_from_backup(TargetTableName=TRANSFERS, BackupArn=backup)
    assert (f"table {TRANSFERS}", "recovery") in still_wrong(account)
    set_up(account, TRANSFERS)
    assert is_protected(account, TRANSFERS)
    everything_is_there(account)


def everything_is_there(account: Account) -> None:
    """Step 5: look. What came after the backup has no record, and is an object all the same."""
    gateway = account.gateway()
    account.put(gateway, "/again.csv", b"the partner is back\n")
    assert account.verified() == {"/small.csv", "/half.csv", "/large.bin", "/again.csv"}
    found = account.aws["s3"].head_object(Bucket=LANDING, Key="acme/after-backup.csv")
    lost = found["Metadata"]["tidegate-transfer-id"]
    assert account.tidegate("transfers", "show", lost, *TARGET).code == 1
    account.put(gateway, "/after-backup.csv", b"too late for the backup\n")
    assert "/after-backup.csv" in account.verified()
    gateway.stop()


def the_directory_is_taken_back_in_time(account: Account) -> None:
    """Drill 4. Point-in-time recovery makes a table of another name; the configuration names that one."""
    account.aws["dynamodb"].restore_table_to_point_in_time(
        SourceTableName=DIRECTORY, TargetTableName=f"{DIRECTORY}-2", UseLatestRestorableTime=True
    )
    settings = configuration(account.url) | {"tables": {"directory": f"{DIRECTORY}-2"}}
    (account.folder / "gateway.yaml").write_text(yaml.safe_dump(settings))
    account.do("setup")
    assert sorted(still_wrong(account)) == sorted(forgotten(TRANSFERS) + forgotten(f"{DIRECTORY}-2"))
    # What was changed since that point is changed back: the file says who may log in.
    assert "nothing to change" in account.do("apply", "partners.yaml").out
    gateway = account.gateway()
    account.put(gateway, "/on-the-restored-table.csv", b"still the same key\n")
    assert "/on-the-restored-table.csv" in account.verified()


def delete_table(account: Account, name: str) -> None:
    """As somebody would have to who means it: setup has put a lock on it."""
    dynamodb = account.aws["dynamodb"]
    with pytest.raises(dynamodb.exceptions.ClientError, match="DeletionProtection"):
        dynamodb.delete_table(TableName=name)
    dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=name)


def is_protected(account: Account, name: str) -> bool:
    """Tell whether a restored table has again what a restore leaves out."""
    dynamodb = account.aws["dynamodb"]
    ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]["TimeToLiveStatus"]
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    point = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    table = dynamodb.describe_table(TableName=name)["Table"]
    return (ttl, point, table["DeletionProtectionEnabled"]) == ("ENABLED", "ENABLED", True)
