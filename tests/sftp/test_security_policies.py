"""
What the SSH layer agrees to: its KEXINIT on the wire, OpenSSH's choices, and what is refused.

The servers of most policies run in this process, and let in everybody; that a gateway is under the policy
of its settings is asked of gateways.
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import asyncssh
import pytest
from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs

from tidegate.core.behaviour import PRESETS
from tidegate.core.security_policies import POLICIES, SecurityPolicyName
from tidegate.faces.sftp.algorithms import Offer, host_key_pairs, limit_signatures, offer_of
from tidegate.faces.sftp.group_exchange import refuse_small_groups
from tidegate.testing.gateway import LocalGateway

PATIENCE_SECONDS = 30
# cryptography 50 says so of groups 14 to 18 and of group exchange, which old clients need.
pytestmark = pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")

NISTP, CURVE, GEX = "ecdh-sha2-nistp256", "curve25519-sha256", "diffie-hellman-group-exchange-sha256"
# The two markers asyncssh adds to the server's list; neither is a key exchange.
MARKERS = ["ext-info-s", "kex-strict-s-v00@openssh.com"]


# --- a server of any policy -------------------------------------------------------------------


class Welcoming(asyncssh.SSHServer):
    """Lets in whoever signs with a key, by an algorithm that is offered."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        limit_signatures(key, self._offer)
        return True


@pytest.fixture(scope="module")
def host_keys() -> list[asyncssh.SSHKey]:
    """One of each kind; RSA is the one that takes time to make."""
    return [
        asyncssh.generate_private_key("ssh-ed25519"),
        asyncssh.generate_private_key("ecdsa-sha2-nistp256"),
        asyncssh.generate_private_key("ssh-rsa", key_size=2048),
    ]


@pytest.fixture
def door(host_keys: list[asyncssh.SSHKey]) -> Callable[..., Any]:
    """Open a server of a policy, and give its port: `async with door(name) as port`."""

    @asynccontextmanager
    async def open_it(policy: SecurityPolicyName, *extra: str) -> AsyncIterator[int]:
        offer = offer_of(policy, extra)
        refuse_small_groups()
        acceptor = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=host_key_pairs(host_keys, offer),
            server_factory=lambda: Welcoming(offer),
            compression_algs=None,
            config=None,
            **offer.options,
        )
        try:
            yield acceptor.get_port()
        finally:
            acceptor.close()
            await acceptor.wait_closed()

    return open_it


async def kexinit(port: int) -> list[list[str]]:
    """Return the name lists of a server's first packet: kex, host keys, ciphers, MACs, each way, and more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert (await reader.readline()).startswith(b"SSH-2.0-")
            writer.write(b"SSH-2.0-test\r\n")
            length, padding, kind = struct.unpack(">IBB", await reader.readexactly(6))
            rest = await reader.readexactly(length - 2)
    finally:
        writer.close()
    assert kind == 20
    lists, at = [], 16
    for _ in range(10):
        size = int.from_bytes(rest[at : at + 4], "big")
        text = rest[at + 4 : at + 4 + size].decode()
        lists.append(text.split(",") if text else [])
        at += 4 + size
    assert padding >= 4
    return lists


@pytest.mark.parametrize("name", POLICIES)
async def test_the_offer_is_the_policy_as_far_as_the_library_goes(
    door: Callable[..., Any], name: SecurityPolicyName
) -> None:
    """Name by name and in order, both ways alike, no compression; signatures are those of its host keys."""
    policy = POLICIES[name]
    async with door(name) as port:
        kexs, signatures, ciphers, ciphers_back, macs, macs_back, *compression = await kexinit(port)
    had = [each.decode() for each in (*get_kex_algs(), *get_encryption_algs(), *get_mac_algs())]
    assert kexs == [*(each for each in policy.kexs if each in had), *MARKERS]
    assert ciphers == ciphers_back == [each for each in policy.ciphers if each in had]
    assert macs == macs_back == [each for each in policy.macs if each in had]
    assert compression[:2] == [["none"], ["none"]]
    without_key = {"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"}
    assert signatures == [each for each in policy.host_key_algorithms if each not in without_key]


async def test_a_gateway_offers_what_its_preset_says(
    tidegate: LocalGateway, partner_safe: LocalGateway
) -> None:
    """Transfer Family's default for new servers, or our own policy, with nothing configured."""
    for gateway, preset in ((tidegate, "transfer-family"), (partner_safe, "partner-safe")):
        policy = POLICIES[PRESETS[cast(Any, preset)].security_policy]
        kexs, signatures, ciphers, *_ = await kexinit(gateway.sftp_port)
        assert set(kexs) - {*MARKERS, "mlkem768x25519-sha256"} == set(policy.kexs) - {"mlkem768x25519-sha256"}
        assert ciphers == list(policy.ciphers)
        assert "ssh-rsa" not in signatures


# --- OpenSSH ----------------------------------------------------------------------------------


async def agreed(port: int, folder: Path, *options: str) -> str:
    """Have OpenSSH shake hands, with these options, and return what it says of it."""
    words = [word for option in options for word in ("-o", option)]
    ssh = await asyncio.create_subprocess_exec(
        *("ssh", "-v", "-F", os.devnull, "-p", str(port), *words),
        *("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={os.devnull}"),
        *("-o", "PubkeyAuthentication=no", "nobody@127.0.0.1", "true"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        _, said = await ssh.communicate()
    return said.decode()


ALLOWED = [
    ("TransferSecurityPolicy-2024-01", f"KexAlgorithms={NISTP}", f"kex: algorithm: {NISTP}"),
    ("TransferSecurityPolicy-2024-01", f"KexAlgorithms={GEX}", f"kex: algorithm: {GEX}"),
    ("TransferSecurityPolicy-2018-11", "Ciphers=chacha20-poly1305@openssh.com", "cipher: chacha20-poly1305"),
    ("TransferSecurityPolicy-2018-11", "HostKeyAlgorithms=ssh-rsa", "host key algorithm: ssh-rsa"),
    ("TransferSecurityPolicy-2022-03", "HostKeyAlgorithms=rsa-sha2-512", "host key algorithm: rsa-sha2-512"),
    ("tidegate-2026-11", f"KexAlgorithms={CURVE}", f"kex: algorithm: {CURVE}"),
]
REFUSED = [
    ("TransferSecurityPolicy-2024-01", "Ciphers=chacha20-poly1305@openssh.com", "no matching cipher"),
    ("TransferSecurityPolicy-2024-01", "HostKeyAlgorithms=ssh-rsa", "no matching host key type"),
    (
        "TransferSecurityPolicy-SshAuditCompliant-2025-02",
        f"KexAlgorithms={NISTP}",
        "no matching key exchange",
    ),
    ("TransferSecurityPolicy-2023-05", "Ciphers=aes128-ctr", "no matching cipher"),
    ("TransferSecurityPolicy-FIPS-2023-05", f"KexAlgorithms={CURVE}", "no matching key exchange"),
    ("tidegate-2026-11", f"KexAlgorithms={NISTP}", "no matching key exchange"),
]


@pytest.mark.client("ssh")
@pytest.mark.parametrize(("policy", "option", "said"), [*ALLOWED, *REFUSED])
async def test_openssh_is_given_what_the_policy_has_and_nothing_else(
    door: Callable[..., Any], tmp_path: Path, policy: SecurityPolicyName, option: str, said: str
) -> None:
    """A client that knows one algorithm only gets it, or is told that there is no match."""
    async with door(policy) as port:
        text = await agreed(port, tmp_path, option)
    assert said in text, text
    assert ("Permission denied" in text) == ("no matching" not in said)


@pytest.mark.client("ssh")
@pytest.mark.parametrize(
    ("mac", "matches"), [("hmac-sha2-256-etm@openssh.com", True), ("hmac-sha2-256", False)]
)
async def test_openssh_s_macs(door: Callable[..., Any], tmp_path: Path, mac: str, matches: bool) -> None:
    """They matter to ciphers that have no integrity of their own: 2024-01 has encrypt-then-mac alone."""
    async with door("TransferSecurityPolicy-2024-01") as port:
        text = await agreed(port, tmp_path, "Ciphers=aes256-ctr", f"MACs={mac}")
    assert (f"MAC: {mac}" in text) is matches
    assert ("no matching MAC" in text) is not matches


# --- what asyncssh alone would allow ----------------------------------------------------------


@asynccontextmanager
async def connected(
    port: int, user: str = "acme", **options: Any
) -> AsyncIterator[asyncssh.SSHClientConnection]:
    connection = await asyncssh.connect(
        "127.0.0.1", port, username=user, known_hosts=None, agent_path=None, config=None, **options
    )
    try:
        yield connection
    finally:
        connection.abort()
        await connection.wait_closed()


@pytest.mark.parametrize(
    "kex", ["mlkem768x25519-sha256", "mlkem768nistp256-sha256", "mlkem1024nistp384-sha384"]
)
async def test_post_quantum_key_exchange(door: Callable[..., Any], kex: str) -> None:
    """Where the crypto library has it, a client that insists on it is let in."""
    if kex.encode() not in get_kex_algs():
        pytest.skip(f"the crypto library has no {kex}")
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with (
        door("TransferSecurityPolicy-2025-03") as port,
        connected(port, kex_algs=[kex], client_keys=[key]),
    ):
        pass


def sha_1_key(private: asyncssh.SSHKey) -> asyncssh.SSHKeyPair:
    """Return a key pair that signs as clients of old do."""
    (pair,) = asyncssh.load_keypairs([private])
    pair.sig_algorithms = [b"ssh-rsa"]
    pair.sig_algorithm = b"ssh-rsa"
    return pair


async def test_a_policy_with_ssh_rsa_takes_it(
    door: Callable[..., Any], host_keys: list[asyncssh.SSHKey]
) -> None:
    """A client that signs with SHA-1 and knows nothing better is let in."""
    key = sha_1_key(host_keys[2])
    async with (
        door("TransferSecurityPolicy-2020-06") as port,
        connected(port, client_keys=[key], signature_algs=["ssh-rsa"]),
    ):
        pass


async def test_a_signature_outside_the_policy_is_refused_in_words(
    tidegate: LocalGateway, host_keys: list[asyncssh.SSHKey]
) -> None:
    """The partner's own key, by SHA-1: refused, and the administrator reads that the policy is why."""
    users = tidegate._reached().users(tidegate.directory_table, tidegate.server_id)
    await asyncio.to_thread(tidegate.partner, "old")
    await users.add_key("old", host_keys[2].export_public_key().decode())
    key, port = sha_1_key(host_keys[2]), tidegate.sftp_port
    with pytest.raises(asyncssh.PermissionDenied):
        async with connected(port, "old", client_keys=[key], signature_algs=["ssh-rsa"]):
            pass
    async with connected(port, "old", client_keys=[host_keys[2]]):
        pass
    found = await asyncio.to_thread(refused_logins, tidegate)
    assert [each["KeyFingerprint"]["S"] for each in found] == [host_keys[2].get_fingerprint()]
    assert "sftp.security_policy" in found[0]["Error"]["S"]


def refused_logins(gateway: LocalGateway) -> list[Any]:
    """Return the records of logins that were refused; they are written behind the client's back."""
    for _ in range(100):
        found = gateway.client("dynamodb").scan(TableName=gateway.transfers_table)["Items"]
        if found:
            break
    return list(found)


async def test_an_added_algorithm_is_on_top_of_the_policy(door: Callable[..., Any]) -> None:
    """`sftp.extra_algorithms` opens a policy for old clients, for those who have nothing else."""
    async with door("TransferSecurityPolicy-2024-01", "ssh-rsa", "aes256-cbc") as port:
        _, signatures, ciphers, *_ = await kexinit(port)
    # With the other signatures of the RSA key: the client's order decides, not this one.
    assert signatures == ["rsa-sha2-256", "rsa-sha2-512", "ssh-rsa", "ecdsa-sha2-nistp256", "ssh-ed25519"]
    assert ciphers[-1] == "aes256-cbc"


# --- ssh-audit --------------------------------------------------------------------------------


def audited(gateway: LocalGateway) -> dict[str, list[str]]:
    """Return what ssh-audit fails, by the kind of algorithm, with its reasons in the assertion message."""
    command = [sys.executable, "-m", "ssh_audit", "--json", "--skip-rate-test"]
    where = ["--port", str(gateway.sftp_port), gateway.sftp_host]
    done = subprocess.run([*command, *where], capture_output=True, text=True, timeout=60, check=False)
    found = json.loads(done.stdout)
    assert found["kex"], done.stderr
    return {
        kind: [each["algorithm"] for each in found[kind] if "fail" in each["notes"]]
        for kind in ("kex", "key", "enc", "mac")
    }


def test_ssh_audit_finds_nothing_to_fail_in_our_policy(partner_safe: LocalGateway) -> None:
    """Not in key exchange, host keys, ciphers or MACs: it asks group exchange for small groups, too."""
    assert audited(partner_safe) == {"kex": [], "key": [], "enc": [], "mac": []}


def test_ssh_audit_fails_the_nist_curves_of_aws_s_default(tidegate: LocalGateway) -> None:
    """And nothing else: TransferSecurityPolicy-2024-01 has them, and so has a server like AWS's."""
    nist = ["ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521"]
    assert audited(tidegate) == {"kex": nist, "key": [], "enc": [], "mac": []}
