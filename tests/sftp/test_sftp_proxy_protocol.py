"""Behind a load balancer: whose address is recorded, who gets in, and what leaves no trace."""

from __future__ import annotations

import json
import shlex
import socket
import sys
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import OpenSsh

# The whole of 127.0.0.0/8 is this machine: one address of it is the balancer, the others are anybody.
BALANCER, ANYBODY = "127.0.0.2", "127.0.0.3"
CONFIG = f"sftp: {{proxy_protocol_from: [{BALANCER}/32], proxy_protocol_timeout_seconds: 1}}"
PATIENCE_SECONDS = 10

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
PORTS = (50_000).to_bytes(2, "big") + (22).to_bytes(2, "big")
IPV4 = ip_address("192.0.2.7").packed + ip_address("10.0.0.1").packed + PORTS
IPV6 = ip_address("2001:db8::7").packed + ip_address("2001:db8::1").packed + PORTS
TLV = b"\xea\x00\x07\x01vpce-1"  # what an endpoint service of AWS adds

V1 = b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 22\r\n"
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"
# What the balancer says, and whose address that is.
HEADERS = {
    "v1": (V1, "192.0.2.7"),
    "v1 IPv6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 50000 22\r\n", "2001:db8::7"),
    "v1 UNKNOWN": (b"PROXY UNKNOWN\r\n", BALANCER),
    "v2": (SIGNATURE + b"\x21\x11\x00\x0c" + IPV4, "192.0.2.7"),
    "v2 IPv6 and a TLV": (
        SIGNATURE + b"\x21\x21" + len(IPV6 + TLV).to_bytes(2, "big") + IPV6 + TLV,
        "2001:db8::7",
    ),
    "v2 LOCAL": (LOCAL, BALANCER),
}


@pytest.fixture(scope="module")
def balanced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalGateway]:
    """A gateway that stands behind a balancer."""
    with LocalGateway(config=CONFIG, directory=tmp_path_factory.mktemp("balanced")) as gateway:
        yield gateway


class Log:
    """What a gateway logs from now on."""

    def __init__(self, gateway: LocalGateway) -> None:
        self._path = gateway.log_path
        self._from = self._path.stat().st_size

    @property
    def events(self) -> list[dict[str, Any]]:
        with self._path.open("rb") as log:
            log.seek(self._from)
            return [json.loads(line) for line in log.read().splitlines()]

    def of(self, name: str) -> list[dict[str, Any]]:
        """Return the events of this name, once there is one: some come after the client has gone."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := [event for event in self.events if event["event"] == name]):
            assert time.monotonic() < deadline, f"{name} was not logged"
        return found


def sftp(client: OpenSsh, header: bytes, *lines: str, source: str = BALANCER) -> Any:
    """Run a batch through a balancer that says this."""
    balancer = Path(__file__).parent.parent / "support" / "balancer.py"
    words = [sys.executable, "-ISE", str(balancer), source, "127.0.0.1", str(client.port), header.hex()]
    proxy = ("-o", f"ProxyCommand={shlex.join(words)}")
    return client.run(*client.sftp_command(*proxy), batch="\n".join(lines) + "\n")


def raw(gateway: LocalGateway, source: str = BALANCER) -> socket.socket:
    return socket.create_connection(
        (gateway.sftp_host, gateway.sftp_port), PATIENCE_SECONDS, source_address=(source, 0)
    )


def refused_from(gateway: LocalGateway) -> set[str]:
    """Return the addresses in records of refused logins."""
    items = gateway.client("dynamodb").scan(TableName=gateway.transfers_table)["Items"]
    return {item["ClientIp"]["S"] for item in items if item["Item"]["S"] == "login"}


def until_closed(connection: socket.socket) -> bytes:
    """Return what came until the connection was closed, or reset."""
    came = b""
    try:
        while data := connection.recv(4096):
            came += data
    except ConnectionResetError:
        pass
    return came


@pytest.mark.client("sftp")
@pytest.mark.parametrize("name", HEADERS)
def test_records_name_the_client_behind_the_balancer(
    balanced: LocalGateway, openssh: Callable[..., OpenSsh], name: str
) -> None:
    """OpenSSH through a balancer: `ClientIp` is the header's address, the balancer's where it names none."""
    header, address = HEADERS[name]
    client, log = openssh(balanced), Log(balanced)
    (client.folder / "r.csv").write_bytes(b"a,b\n")
    file = name.replace(" ", "-")
    done = sftp(client, header, f"put r.csv {file}")
    assert done.returncode == 0, done.stderr
    assert balanced.wait_for_transfer(file)["ClientIp"] == address
    assert [event["client_ip"] for event in log.of("login")] == [address]


@pytest.mark.client("sftp")
def test_refusals_name_the_client_behind_the_balancer(
    balanced: LocalGateway, openssh: Callable[..., OpenSsh]
) -> None:
    """Whoever looks for an attacker looks for the right one."""
    client, log = openssh(balanced), Log(balanced)
    client.destination = client.destination.replace("acme", "nobody")
    assert sftp(client, V1, "pwd").returncode == 255
    assert [event["client_ip"] for event in log.of("login refused")] == ["192.0.2.7"]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while refused_from(balanced) != {"192.0.2.7"}:  # it is written behind
        assert time.monotonic() < deadline


@pytest.mark.client("sftp")
@pytest.mark.parametrize("header", [V1, b""], ids=["forged", "none"])
def test_nobody_else_is_let_in(
    balanced: LocalGateway, openssh: Callable[..., OpenSsh], header: bytes
) -> None:
    """A peer outside the networks is closed at once, header or not, and logged under its own address."""
    client, log = openssh(balanced), Log(balanced)
    done = sftp(client, header, "pwd", source=ANYBODY)
    assert done.returncode == 255
    (event,) = log.of("connection refused")
    assert "192.0.2.7" not in str(event)
    assert (event["level"], event["peer"]) == ("warning", ANYBODY)


@pytest.mark.client("sftp")
def test_a_balancer_without_a_header_is_not_let_in(
    balanced: LocalGateway, openssh: Callable[..., OpenSsh]
) -> None:
    """Half a setting, the balancer's or ours, is noticed with the first login."""
    log = Log(balanced)
    assert sftp(openssh(balanced), b"", "pwd").returncode == 255
    assert "it begins with something else" in log.of("connection refused")[0]["reason"]


def test_the_server_says_nothing_before_the_header(balanced: LocalGateway) -> None:
    """And what follows it in the same segment is not lost: the key exchange begins."""
    with raw(balanced) as connection:
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(PATIENCE_SECONDS)
        connection.sendall(V1 + b"SSH-2.0-test\r\n")
        came = b""
        while len(came) < 200:  # more than the version line: the server's KEXINIT
            came += connection.recv(4096)
    assert came.startswith(b"SSH-2.0-tidegate\r\n")


def test_a_header_has_a_deadline(balanced: LocalGateway) -> None:
    """A peer of the networks that sends none, or a part of one, is closed, and said so."""
    log = Log(balanced)
    with raw(balanced) as silent, raw(balanced) as slow:
        slow.sendall(V1[:-1])
        assert until_closed(silent) == until_closed(slow) == b""
    reasons = [event["reason"] for event in log.of("connection refused")]
    assert reasons == ["no whole PROXY header within 1 s"] * 2


def test_health_checks_leave_no_trace(balanced: LocalGateway) -> None:
    """A header, or not even that, and the connection is closed: no line in the log, and no record."""
    balanced.reset()
    log = Log(balanced)
    for said in (b"", V1[:5], V1, LOCAL):
        with raw(balanced) as connection:
            connection.sendall(said)
            if said in (V1, LOCAL):
                assert connection.recv(4096).startswith(b"SSH-2.0-tidegate\r\n")
    with raw(balanced) as connection:
        connection.sendall(LOCAL)
        connection.recv(4096)  # the gateway has seen the ends of the others by now
    assert log.events == []
    assert refused_from(balanced) == set()


# --- off --------------------------------------------------------------------------------------


def test_without_the_setting_a_header_is_no_ssh(tidegate: LocalGateway) -> None:
    """It is nowhere believed: the connection ends, under its own address."""
    log = Log(tidegate)
    with raw(tidegate, ANYBODY) as connection:
        connection.sendall(V1 + b"SSH-2.0-test\r\n")
        assert until_closed(connection).startswith(b"SSH-2.0-tidegate\r\n")
    assert [event["client_ip"] for event in log.of("handshake failed")] == [ANYBODY]
    assert "192.0.2.7" not in str(log.events)


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-check\r\n"], ids=["nothing", "a version"])
def test_looking_in_is_no_refused_login(tidegate: LocalGateway, said: bytes) -> None:
    """Who reads the version, says perhaps its own, and leaves has not tried to log in, and is not logged."""
    log = Log(tidegate)
    for _ in range(2):  # the gateway has seen the end of the first when it greets the second
        with raw(tidegate) as connection:
            connection.sendall(said)
            assert connection.recv(4096).startswith(b"SSH-2.0-tidegate\r\n")
    assert log.events == []
    assert refused_from(tidegate) == set()


@pytest.mark.client("sftp")
def test_a_client_that_does_not_like_our_host_key_is_logged(
    tidegate: LocalGateway, openssh: Callable[..., OpenSsh], tmp_path: Path
) -> None:
    """It has exchanged keys, so it was no health check: somebody has to learn why a partner stays away."""
    log, client = Log(tidegate), openssh(tidegate)
    (tmp_path / "empty").touch()
    command = client.sftp_command()
    command[1:1] = ["-o", f"UserKnownHostsFile={tmp_path / 'empty'}"]  # what is said first counts
    done = client.run(*command, batch="pwd\n")
    assert done.returncode == 255
    assert [event["level"] for event in log.of("handshake failed")] == ["info"]
