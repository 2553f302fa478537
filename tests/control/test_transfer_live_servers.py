"""Servers made by the Transfer API: boto3 makes them, and a moment later real clients meet them."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import paramiko
import pytest

from support.fault_house import wait_until
from support.live_servers import LiveServer, live_server, ssh_options
from support.tidegate_says import tidegate_says
from support.transfer_client import ROLE, Transfer
from tidegate.testing.gateway import LocalGateway

NewKey = Callable[[str], tuple[Path, str]]
SMALL = "TransferSecurityPolicy-FIPS-2025-03"


@pytest.fixture
def make(transfer: Transfer, new_key: NewKey) -> Iterator[Callable[..., LiveServer]]:
    """Make servers with one user each, and delete them afterwards."""
    made: list[LiveServer] = []

    def made_one(**members: Any) -> LiveServer:
        made.append(live_server(transfer, new_key(f"key-{len(made)}"), **members))
        return made[-1]

    yield made_one
    for each in made:
        if each.is_there():
            each.delete()


def test_a_life(make: Callable[..., LiveServer], transfer: Transfer, tidegate: LocalGateway) -> None:
    """It listens once it is ONLINE, not while OFFLINE; again on the same port, and never after its end."""
    server = make()
    with server.login() as client:
        client.putfo(io.BytesIO(b"a,b\n"), "/in/report.csv")
    port = server.port
    server.stop()
    with pytest.raises((paramiko.SSHException, OSError)), server.login():
        pass
    assert server.describe()["State"] == "OFFLINE"
    server.start()
    assert server.port == port
    with server.login() as client:
        assert client.listdir("/in") == ["report.csv"]
    server.delete()
    assert transfer.refused("describe_server", ServerId=server.server_id)["ResourceType"] == "Server"
    wait_until(lambda: len(described(tidegate)) == 1, "the gateway says that the server is gone")
    with pytest.raises((paramiko.SSHException, OSError)), server.login():
        pass


def described(gateway: LocalGateway) -> list[dict[str, Any]]:
    servers: list[dict[str, Any]] = json.loads((gateway.state_dir / "gateway.json").read_text())["servers"]
    return servers


def test_where_it_listens(make: Callable[..., LiveServer], tidegate: LocalGateway) -> None:
    """Told by a tag of DescribeServer that nobody gave it, and by what the gateway says of itself."""
    server = make(Tags=[{"Key": "team", "Value": "blue"}])
    told = {tag["Key"]: tag["Value"] for tag in server.describe()["Tags"]}
    assert told == {"team": "blue", "tidegate:sftp-endpoint": f"127.0.0.1:{server.port}"}
    (found,) = [each for each in described(tidegate) if each["server_id"] == server.server_id]
    assert found == {
        "server_id": server.server_id,
        "host": "127.0.0.1",
        "port": server.port,
        "state": "ONLINE",
    }


def test_our_command_lists_them(make: Callable[..., LiveServer], tidegate: LocalGateway) -> None:
    """Both servers, with what they do and where; commands on partners are still about the configured one."""
    server = make()
    server.stop()
    rows = tidegate_says(tidegate, "servers", "list")
    assert {row["ServerId"]: (row["State"], row["Endpoint"], row["MadeBy"]) for row in rows} == {
        tidegate.server_id: ("ONLINE", f"127.0.0.1:{tidegate.sftp_port}", "configuration"),
        server.server_id: ("OFFLINE", f"127.0.0.1:{server.port}", "Transfer API"),
    }
    assert [row["UserName"] for row in tidegate_says(tidegate, "partners", "list")] == ["acme"]


def test_two_servers_share_nobody(make: Callable[..., LiveServer], transfer: Transfer) -> None:
    """Nor a key, nor a host key: a user of one is nobody at the other."""
    one, other = make(), make()
    other.client("delete_user", UserName="ana")
    with one.login():
        pass
    with pytest.raises(paramiko.AuthenticationException), other.login(key=one.key):
        pass
    assert [user["UserName"] for user in one.client("list_users")["Users"]] == ["ana"]
    assert other.client("list_users")["Users"] == []
    fingerprints = {each.describe()["HostKeyFingerprint"] for each in (one, other)}
    assert len(fingerprints | {transfer("describe_server")["Server"]["HostKeyFingerprint"]}) == 3


def test_what_clients_see_of_settings(make: Callable[..., LiveServer]) -> None:
    """The banner, the algorithms of the policy, and SETSTAT as it was said: also once they are changed."""
    server = make(PreAuthenticationLoginBanner="Ships only.\n", SecurityPolicyName=SMALL)
    said = server.openssh("chmod 600 /in\n")
    assert "Ships only." in said.stderr
    assert said.returncode == 1
    assert server.takes("ecdh-sha2-nistp256")
    assert not server.takes("curve25519-sha256")
    server.update(
        PreAuthenticationLoginBanner="",
        SecurityPolicyName="TransferSecurityPolicy-2018-11",
        ProtocolDetails={"SetStatOption": "ENABLE_NO_OP"},
    )
    wait_until(lambda: server.takes("diffie-hellman-group14-sha1"), "the policy is another")
    said = server.openssh(f"put {server.key} /in/x\nchmod 600 /in/x\n")
    assert said.returncode == 0, said.stderr
    assert "Ships only." not in said.stderr


def test_targets_that_hold_nothing(make: Callable[..., LiveServer]) -> None:
    """Without optimised listings they cannot be listed before a file is there; with them they are empty."""
    server = make()
    with server.login() as client:
        with pytest.raises(FileNotFoundError):
            client.listdir("/in")
        assert client.listdir("/") == ["in"]
    server.update(S3StorageOptions={"DirectoryListingOptimization": "ENABLED"})

    def is_listed() -> bool:
        with server.login() as client, suppress(FileNotFoundError):
            return client.listdir("/in") == []
        return False

    wait_until(is_listed, "an empty target is listed")


def test_host_keys_turn_over(make: Callable[..., LiveServer], new_key: NewKey) -> None:
    """A second key of a type waits; once the first is gone clients meet it, and nothing else changed."""
    server = make()
    first = server.shown_host_key("ssh-ed25519")
    private, line = new_key("second")
    second = server.client("import_host_key", HostKeyBody=private.read_text(), Description="next")
    described = server.client("describe_host_key", HostKeyId=second["HostKeyId"])["HostKey"]
    assert (described["Type"], described["Description"]) == ("ssh-ed25519", "next")
    assert server.shown_host_key("ssh-ed25519") == first
    (old,) = [
        key["HostKeyId"]
        for key in server.client("list_host_keys")["HostKeys"]
        if key["Type"] == "ssh-ed25519" and key["HostKeyId"] != second["HostKeyId"]
    ]
    server.client("delete_host_key", HostKeyId=old)
    wait_until(lambda: server.shown_host_key("ssh-ed25519") == line.split()[1], "the second key is shown")
    with server.login():
        pass


@pytest.mark.lengthy
@pytest.mark.parametrize(("preset", "count"), [("partner-safe", 2), ("transfer-family", 1)])
def test_the_next_host_key_is_announced(
    make: Callable[..., LiveServer], new_key: NewKey, tmp_path: Path, preset: str, count: int
) -> None:
    """OpenSSH adds it to its known_hosts before it is shown; under the AWS preset it is told nothing."""
    server = make(Tags=[{"Key": "tidegate:preset", "Value": preset}])
    server.client("import_host_key", HostKeyBody=new_key("next")[0].read_text())
    # Renewed with it: once the policy is another, the new key is known to the listener, too.
    server.update(SecurityPolicyName="TransferSecurityPolicy-2018-11")
    wait_until(lambda: server.takes("diffie-hellman-group14-sha1"), "the listener is renewed")
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.port} ssh-ed25519 {server.shown_host_key('ssh-ed25519')}\n")
    options = [*ssh_options(known), "-o", "UpdateHostKeys=yes", "-o", "HostKeyAlgorithms=ssh-ed25519"]
    said = server.openssh("ls /\n", options)
    assert said.returncode == 0, said.stderr
    assert len(known.read_text().splitlines()) == count


def test_ssh_keyscan_sees_both_types(make: Callable[..., LiveServer]) -> None:
    """A server that nobody brought a key has one for modern clients, and one for old ones."""
    server = make()
    scan = subprocess.run(
        ["ssh-keyscan", "-p", str(server.port), "127.0.0.1"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    types = {line.split()[1] for line in scan.stdout.splitlines() if not line.startswith("#")}
    assert types == {"ssh-ed25519", "ssh-rsa"}
    assert server.client("list_users")["Users"][0]["Role"] == ROLE
