"""The control port of `tidegate serve`: two gateways over one directory, each with boto3 at its door."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh
import boto3
import pytest
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from support.fault_house import wait_until
from tidegate.adapters.aws.tables import directory_table, transfers_table

SERVER, REGION = "s-0123456789abcdef0", "eu-central-1"
ROLE = "arn:aws:iam::123456789012:role/sftp"
SECRETS = {
    "KEY_ID": "AKIAEXAMPLE",
    "SECRET_KEY": "not-to-be-shown",
    "OPS": "ops-secret",
    "EYES": "eyes-secret",
}
# As if they were two machines: servers that the API makes have one port at both.
HOSTS = ("127.0.0.1", "127.0.0.2")
CREDENTIALS = [
    {"access_key_id": "OPS", "secret_access_key": "${OPS}"},
    {"access_key_id": "EYES", "secret_access_key": "${EYES}", "access": "read"},
]


@dataclass
class Pair:
    """Two gateways of one configuration but for ports; the second one speaks TLS."""

    processes: list[Any]
    certificate: Path

    def transfer(self, number: int, access_key: str = "OPS", secret: str | None = None) -> Any:
        said = self.processes[number].event("Transfer API")
        return boto3.client(
            "transfer",
            endpoint_url=f"{said['scheme']}://127.0.0.1:{said['port']}",
            region_name=REGION,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret or SECRETS[access_key],
            verify=str(self.certificate),
            config=Config(retries={"total_max_attempts": 1}),
        )

    def connect(self, number: int, name: str, key: asyncssh.SSHKey, port: int | None = None) -> Any:
        return asyncssh.connect(
            HOSTS[number],
            port or int(self.processes[number].event("listening")["port"]),
            username=name,
            client_keys=[key],
            known_hosts=None,
            config=None,
            agent_path=None,
        )


@pytest.fixture(scope="module")
def pair(moto_url: str, any_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("control")
    _make_account(moto_url)
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(folder / "host_ed25519")
    certificate = _make_certificate(folder)
    ports, running = free_ports(), []
    for number in range(2):
        tls = {"certificate_file": "certificate.pem", "key_file": "key.pem"} if number else {}
        control = {"port": 0, "credentials": CREDENTIALS, "sftp_ports": ports, **tls}
        place = folder / str(number)
        place.mkdir()
        (folder / f"{number}.yaml").write_text(
            yaml.safe_dump(_settings(moto_url, folder, HOSTS[number], control))
        )
        running.append(any_run(place, "serve", "--config", str(folder / f"{number}.yaml"), **SECRETS))
    yield Pair(running, certificate)
    for each in running:
        each.stop()


def _settings(moto_url: str, folder: Path, host: str, control: dict[str, Any]) -> dict[str, Any]:
    keys = {"access_key_id": "${KEY_ID}", "secret_access_key": "${SECRET_KEY}"}
    return {
        "preset": "partner-safe",
        "server_id": SERVER,
        "aws": {"region": REGION, "endpoint_url": moto_url, **keys},
        "sftp": {"host": host, "port": 0, "host_key_files": [str(folder / "host_ed25519")]},
        "landing": {"bucket": "control-landing", "kms_key": "alias/control"},
        "tables": {"transfers": "control-transfers", "directory": "control-directory"},
        "deliveries": {"targets": []},
        "shutdown": {"grace_seconds": 5},
        "control": control,
    }


def _make_account(moto_url: str) -> None:
    access = {"aws_access_key_id": SECRETS["KEY_ID"], "aws_secret_access_key": SECRETS["SECRET_KEY"]}
    s3, dynamodb, kms = (
        boto3.client(service, endpoint_url=moto_url, region_name=REGION, **access)
        for service in ("s3", "dynamodb", "kms")
    )
    s3.create_bucket(Bucket="control-landing", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket="control-landing", VersioningConfiguration={"Status": "Enabled"})
    for shape in (transfers_table("control-transfers"), directory_table("control-directory")):
        dynamodb.create_table(**shape)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/control", TargetKeyId=key)


def free_ports() -> str:
    """Return two ports that follow on each other and that nobody has now."""
    while True:
        with socket.socket() as one, socket.socket() as next_one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            with suppress(OSError, OverflowError):
                next_one.bind(("127.0.0.1", port + 1))
                return f"{port}-{port + 1}"


def _make_certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(private)
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    return folder / "certificate.pem"


def refusal(call: Callable[..., Any], **members: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as refused:
        call(**members)
    answer = refused.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def new_user(transfer: Any, name: str, server_id: str = SERVER) -> asyncssh.SSHKey:
    key = asyncssh.generate_private_key("ssh-ed25519")
    transfer.create_user(
        ServerId=server_id,
        UserName=name,
        Role=ROLE,
        HomeDirectoryType="LOGICAL",
        HomeDirectoryMappings=[{"Entry": "/", "Target": f"/control-landing/{name}"}],
        SshPublicKeyBody=key.export_public_key().decode(),
    )
    return key


def test_whoever_signs_may_call(pair: Pair) -> None:
    """The right secret may do all, that of eyes may look; a wrong one, and an unknown key, may nothing."""
    for number in range(2):
        assert pair.transfer(number).describe_server(ServerId=SERVER)["Server"]["State"] == "ONLINE"
        eyes = pair.transfer(number, "EYES")
        assert [each["ServerId"] for each in eyes.list_servers()["Servers"]] == [SERVER]
        assert refusal(eyes.stop_server, ServerId=SERVER) == ("AccessDeniedException", 400)
        wrong = pair.transfer(number, secret="another")
        assert refusal(wrong.list_servers) == ("InvalidSignatureException", 403)
        nobody = pair.transfer(number, "NOBODY", "x")
        assert refusal(nobody.list_servers) == ("UnrecognizedClientException", 403)


def test_who_changed_what_is_in_the_log(pair: Pair) -> None:
    """By whom, from where, and what; also what was refused."""
    transfer = pair.transfer(0)
    new_user(transfer, "logged")
    refusal(transfer.delete_user, ServerId=SERVER, UserName="nobody-here")
    changed = pair.processes[0].event("changed by the Transfer API")
    assert {name: changed[name] for name in ("operation", "by", "client_ip", "ServerId", "UserName")} == {
        "operation": "CreateUser",
        "by": "OPS",
        "client_ip": "127.0.0.1",
        "ServerId": SERVER,
        "UserName": "logged",
    }
    refused = pair.processes[0].event("refused by the Transfer API")
    assert (refused["operation"], refused["UserName"]) == ("DeleteUser", "nobody-here")


async def test_a_user_of_one_gateway_is_one_of_the_other(pair: Pair) -> None:
    """At once; and when its key is removed at the second, its session at the first ends, and no other."""
    one, other = pair.transfer(0), pair.transfer(1)
    key = await asyncio.to_thread(new_user, one, "both")
    staying = await asyncio.to_thread(new_user, one, "stays")
    async with pair.connect(0, "both", key) as connection, pair.connect(0, "stays", staying) as kept:
        async with pair.connect(1, "both", key):
            pass
        user = (await asyncio.to_thread(other.describe_user, ServerId=SERVER, UserName="both"))["User"]
        key_id = user["SshPublicKeys"][0]["SshPublicKeyId"]
        await asyncio.to_thread(
            other.delete_ssh_public_key, ServerId=SERVER, UserName="both", SshPublicKeyId=key_id
        )
        async with asyncio.timeout(20):
            await connection.wait_closed()
        async with kept.start_sftp_client() as sftp:
            await sftp.listdir("/")
    with pytest.raises(asyncssh.PermissionDenied):
        await pair.connect(0, "both", key)


@pytest.mark.lengthy
async def test_a_server_made_at_one_is_opened_by_both(pair: Pair) -> None:
    """It has one of the ports that are named, and is gone at both; no third is made, for want of ports."""
    one, other = pair.transfer(0), pair.transfer(1)
    made = [(await asyncio.to_thread(one.create_server))["ServerId"] for _ in range(2)]
    assert refusal(one.create_server) == ("InvalidRequestException", 400)
    assert refusal(one.delete_server, ServerId=SERVER) == ("InvalidRequestException", 400)

    def state(transfer: Any, server_id: str) -> str:
        found = {each["ServerId"]: each["State"] for each in transfer.list_servers()["Servers"]}
        return str(found.get(server_id, "gone"))

    for transfer in (one, other):
        await asyncio.to_thread(
            wait_until, lambda transfer=transfer: state(transfer, made[0]) == "ONLINE", "both listen"
        )
    told = one.describe_server(ServerId=made[0])["Server"]["Tags"]
    port = int(told[-1]["Value"].rpartition(":")[2])
    key = await asyncio.to_thread(new_user, other, "of-made", made[0])
    for number in range(2):
        async with pair.connect(number, "of-made", key, port):
            pass
    for server_id in made:
        await asyncio.to_thread(other.delete_server, ServerId=server_id)
    for transfer in (one, other):
        await asyncio.to_thread(
            wait_until, lambda transfer=transfer: state(transfer, made[0]) == "gone", "it is gone"
        )


@pytest.mark.lengthy
async def test_a_server_stopped_at_one_is_stopped_at_both(pair: Pair) -> None:
    """And started again, at the ports they had."""
    one, other = pair.transfer(0), pair.transfer(1)
    key = await asyncio.to_thread(new_user, one, "stopped")
    await asyncio.to_thread(one.stop_server, ServerId=SERVER)

    def is_state(wanted: str) -> bool:
        return all(
            each.describe_server(ServerId=SERVER)["Server"]["State"] == wanted for each in (one, other)
        )

    await asyncio.to_thread(wait_until, lambda: is_state("OFFLINE"), "both are stopped")
    for number in range(2):
        with pytest.raises(ConnectionRefusedError):
            await pair.connect(number, "stopped", key)
    await asyncio.to_thread(other.start_server, ServerId=SERVER)
    await asyncio.to_thread(wait_until, lambda: is_state("ONLINE"), "both have started")
    for number in range(2):
        async with pair.connect(number, "stopped", key):
            pass
