"""What local mode keeps on disk: keys, the server's id, what the running gateway says of itself."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from tidegate.core.errors import InvalidSettings, Misuse
from tidegate.local.files import replace_file
from tidegate.local.key_files import ensure_key_pair
from tidegate.local.state_dir import StateDirectory, known_hosts_line, read_description

TOLD = (
    "sftp",
    "aws_endpoint_url",
    "region",
    "server_id",
    "landing_bucket",
    "transfers_table",
    "directory_table",
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDirectory]:
    with StateDirectory(tmp_path / "new" / "state") as opened:
        yield opened


# --- keys -----------------------------------------------------------------------------------


def test_a_pair_is_made_once(tmp_path: Path) -> None:
    """A second call returns the same line, and other programs read both halves as one key."""
    private = tmp_path / "keys" / "id_ed25519"
    line = ensure_key_pair(private, "acme@tidegate")
    before = private.read_bytes()
    assert ensure_key_pair(private, "somebody else") == line
    assert private.read_bytes() == before
    assert line.endswith(" acme@tidegate")
    assert (mode(private), mode(private.with_name("id_ed25519.pub"))) == (0o600, 0o644)
    public = asyncssh.read_public_key(f"{private}.pub")
    assert asyncssh.read_private_key(private).get_fingerprint() == public.get_fingerprint()


def test_the_private_half_decides(tmp_path: Path) -> None:
    """A public half that is missing, or another key's, is written anew; the private key stays what it was."""
    private, public = tmp_path / "id", tmp_path / "id.pub"
    line = ensure_key_pair(private, "acme")
    before = private.read_bytes()
    for spoil in (
        public.unlink,
        lambda: public.write_text("ssh-ed25519 AAAA other\n"),
        lambda: public.write_text(""),
    ):
        spoil()
        assert ensure_key_pair(private, "acme") == line
        assert public.read_text() == f"{line}\n"
        assert private.read_bytes() == before


def test_a_key_of_another_kind_is_kept(tmp_path: Path) -> None:
    """Whoever puts a host key of its own there keeps it."""
    private = tmp_path / "id"
    own = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    own.write_private_key(private)
    assert ensure_key_pair(private, "x").split()[0] == "ecdsa-sha2-nistp256"
    assert asyncssh.read_private_key(private) == own


def test_a_key_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    """ssh would not use it."""
    private = tmp_path / "id"
    ensure_key_pair(private, "x")
    private.chmod(0o644)
    ensure_key_pair(private, "x")
    assert mode(private) == 0o600


@pytest.mark.parametrize("passphrase", [None, "secret"])
def test_a_key_that_cannot_be_used_is_not_replaced(tmp_path: Path, passphrase: str | None) -> None:
    """Garbage, or a key with a passphrase: it is somebody's; only they may remove it."""
    private = tmp_path / "it's a key"
    if passphrase:
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(
            private, passphrase=passphrase, rounds=1, ignore_few_rounds=True
        )
    else:
        private.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")
    before = private.read_bytes()
    with pytest.raises(InvalidSettings, match="holds no OpenSSH private key without a passphrase") as refused:
        ensure_key_pair(private, "x")
    assert "\"'\"'" in refused.value.hint  # quoted for a shell
    assert private.read_bytes() == before


# --- files ----------------------------------------------------------------------------------


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """The new content has its own inode: who holds the old one open reads the old one to its end."""
    path = tmp_path / "new" / "file"
    replace_file(path, b"one", 0o600)
    with path.open() as held:
        replace_file(path, b"two", 0o640)
        assert held.read() == "one"
    assert path.read_bytes() == b"two"
    assert mode(path) == 0o640
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    """A directory in its place stays, and no half-written file is left beside it."""
    (tmp_path / "file" / "in it").mkdir(parents=True)
    with pytest.raises(OSError, match="file"):
        replace_file(tmp_path / "file", b"x", 0o600)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


# --- the directory --------------------------------------------------------------------------


def test_the_directory_is_its_owners_and_stays_out_of_git(state: StateDirectory) -> None:
    """It holds private keys: nobody else looks in, and no commit takes it along."""
    assert mode(state.path) == 0o700
    assert (state.path / ".gitignore").read_text() == "*\n"


def test_one_gateway_at_a_time(state: StateDirectory) -> None:
    """The lock goes with the gateway that holds it, not with a file that could be left over."""
    with pytest.raises(InvalidSettings, match="another tidegate is running on the state directory"):
        StateDirectory(state.path).__enter__()
    state.__exit__(None, None, None)
    with StateDirectory(state.path):
        pass


def test_the_server_id_is_kept(state: StateDirectory) -> None:
    """Users live under it; a damaged one is not silently another server."""
    assert state.server_id() == state.server_id()
    (state.path / "server_id").write_text("s-1\n")
    with pytest.raises(InvalidSettings, match="holds no server id"):
        state.server_id()


def test_commands_find_a_gateway_while_it_runs(tmp_path: Path) -> None:
    """What it says of itself is gone with it, also where one before it was killed."""
    said: dict[str, object] = dict.fromkeys(TOLD, "x")
    (tmp_path / "gateway.json").write_text("left by one that was killed")
    with StateDirectory(tmp_path) as state:
        with pytest.raises(Misuse, match="no local gateway is running"):
            read_description(tmp_path)
        state.describe({**said, "more": 1})
        assert read_description(tmp_path) == {**said, "more": 1}
        assert mode(tmp_path / "gateway.json") == 0o600
        (tmp_path / "gateway.json").write_text(json.dumps({"sftp": "x"}))
        with pytest.raises(Misuse, match="is not what this tidegate writes"):
            read_description(tmp_path)
    with pytest.raises(Misuse, match="no local gateway is running"):
        read_description(tmp_path)


def test_a_known_hosts_line_has_the_port_where_ssh_looks_for_it() -> None:
    """In brackets with the host, unless it is 22; an IPv6 address too."""
    assert known_hosts_line("sftp.example.com", 22, "ssh-ed25519 A") == "sftp.example.com ssh-ed25519 A"
    assert known_hosts_line("::1", 2222, "ssh-ed25519 A") == "[::1]:2222 ssh-ed25519 A"
