"""Who is let in, who is not, and what is recorded of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh
import pytest

from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import OpenSsh

pytestmark = pytest.mark.client("sftp")


def new_key(folder: Path, *kind: str) -> Path:
    """Make a key pair as a partner would; return the private half's file."""
    file = folder / ("key_" + "_".join(each.strip("-") for each in kind))
    subprocess.run(["ssh-keygen", "-q", "-t", *kind, "-N", "", "-f", str(file)], check=True)
    return file


def public(key: Path) -> str:
    return str(key.with_name(key.name + ".pub"))


def fingerprint(key: Path) -> str:
    shown = subprocess.run(["ssh-keygen", "-lf", str(key)], capture_output=True, text=True, check=True)
    return shown.stdout.split()[1]


def test_every_kind_of_key_logs_in(
    tidegate: LocalGateway, openssh: Callable[..., OpenSsh], command: Callable[..., str], tmp_path: Path
) -> None:
    """RSA, the three ECDSA curves and Ed25519, all keys of one partner; the record says which it was."""
    kinds = [("rsa", "-b2048"), ("ecdsa", "-b256"), ("ecdsa", "-b384"), ("ecdsa", "-b521"), ("ed25519",)]
    keys = [new_key(tmp_path, *kind) for kind in kinds]
    command(tidegate, "partners", "add", "kinds", *(word for key in keys for word in ("--key", public(key))))
    client = openssh(tidegate, "kinds")
    for key in keys:
        client.key = key
        (tmp_path / "r.csv").touch()
        client.put(f"put r.csv {key.name}")
        assert tidegate.wait_for_transfer(key.name)["KeyFingerprint"] == fingerprint(key)


def test_keys_come_and_go_at_once(
    tidegate: LocalGateway, openssh: Callable[..., OpenSsh], command: Callable[..., str], tmp_path: Path
) -> None:
    """A key logs in right after it was added and not once more after it was removed; others stay."""
    client, key = openssh(tidegate), new_key(tmp_path, "ed25519")
    first, client.key = client.key, key
    assert client.sftp("pwd").returncode == 255
    command(tidegate, "keys", "add", "acme", "--key", public(key))
    assert client.sftp("pwd").returncode == 0
    command(tidegate, "keys", "remove", "acme", fingerprint(key))
    assert client.sftp("pwd").returncode == 255
    client.key = first
    assert client.sftp("pwd").returncode == 0


def test_a_removed_partner_is_out(
    tidegate: LocalGateway, openssh: Callable[..., OpenSsh], command: Callable[..., str]
) -> None:
    """With all keys; the records stay."""
    client = openssh(tidegate)
    (client.folder / "r.csv").touch()
    client.put("put r.csv")
    command(tidegate, "partners", "remove", "acme")
    assert client.sftp("pwd").returncode == 255
    assert tidegate.wait_for_transfer("r.csv")["UserName"] == "acme"


def test_refusals_explain_themselves_to_the_administrator_alone(
    tidegate: LocalGateway, openssh: Callable[..., OpenSsh], command: Callable[..., str], tmp_path: Path
) -> None:
    """A wrong key and an unknown partner look alike to the client, and not in `tidegate logins refused`."""
    client, key = openssh(tidegate), new_key(tmp_path, "ed25519")
    client.key = key
    wrong_key = client.sftp("pwd")
    client.destination = client.destination.replace("acme", "nobody")
    no_partner = client.sftp("pwd")
    assert (wrong_key.returncode, no_partner.returncode) == (255, 255)
    assert "Permission denied (publickey)." in wrong_key.stderr
    assert no_partner.stderr == wrong_key.stderr.replace("acme", "nobody")

    told = {row["UserName"]: row for row in refused(tidegate, command, 2)}
    assert {name: row["Reason"] for name, row in told.items()} == {
        "acme": "the key is not one of this partner's",
        "nobody": "no partner of this name",
    }
    for row in told.values():
        assert row["ClientIp"] == "127.0.0.1"
        assert row["KeyFingerprint"] == fingerprint(key)
        assert row["ClientVersion"].startswith("SSH-2.0-OpenSSH_")
    assert tidegate.transfers() == []


def test_a_key_that_was_offered_before_the_right_one_is_no_refusal(
    tidegate: LocalGateway, openssh: Callable[..., OpenSsh], command: Callable[..., str], tmp_path: Path
) -> None:
    """Clients offer key after key: a login that succeeds in the end leaves no refusal."""
    client, right = openssh(tidegate), openssh(tidegate).key
    client.key = new_key(tmp_path, "ed25519")
    assert client.ssh("-s", "sftp", options=("-o", f"IdentityFile={right}")).returncode == 0
    client.destination = client.destination.replace("acme", "nobody")
    client.sftp("pwd")
    assert [row["UserName"] for row in refused(tidegate, command, 1)] == ["nobody"]


async def test_only_public_keys_log_in(tidegate: LocalGateway, openssh: Callable[..., OpenSsh]) -> None:
    """Neither a password nor keyboard-interactive is offered, so none is ever asked for."""
    client = openssh(tidegate)
    asked = client.ssh("-s", "sftp", options=("-o", "PubkeyAuthentication=no", "-o", "BatchMode=no"))
    assert "Permission denied (publickey)." in asked.stderr
    for method in ("password", "keyboard-interactive"):
        with pytest.raises(asyncssh.PermissionDenied):
            await asyncssh.connect(
                tidegate.sftp_host,
                tidegate.sftp_port,
                username="acme",
                password="acme",
                client_keys=None,
                agent_path=None,
                known_hosts=str(tidegate.known_hosts_path),
                preferred_auth=method,
                config=None,
            )


def test_the_host_key_is_the_one_that_is_told(
    tidegate: LocalGateway, openssh: Callable[..., OpenSsh]
) -> None:
    """Whoever compares fingerprints compares the right ones."""
    shown = openssh(tidegate).ssh("-s", "sftp", options=("-v",)).stderr
    assert f"Server host key: ssh-ed25519 {tidegate.host_key_fingerprint}" in shown


def refused(gateway: LocalGateway, command: Callable[..., str], count: int) -> list[dict[str, str]]:
    """Return what the command says of refused logins, once there are so many: they are written behind."""
    for _ in range(10):
        rows: list[dict[str, str]] = json.loads(command(gateway, "logins", "refused", "--output", "json"))
        if len(rows) >= count:
            break
    return rows
