"""`tidegate local` from its first line to its end: what it prints and leaves, and how it stops."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shlex
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest

# Of what the ready file says, what others rely on.
FACTS = {
    "sftp",
    "aws_endpoint_url",
    "region",
    "server_id",
    "preset",
    "landing_bucket",
    "private_bucket",
    "transfers_table",
    "directory_table",
    "partners",
    "servers",
}


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def printed_command(out: str, program: str) -> str:
    """Return the first line of what was printed that calls the program."""
    pasted = (line for line in out.splitlines() if line.startswith("  "))
    # Quoted words count as one: the checkout's own path may hold blanks.
    return next(line for line in pasted if program in shlex.split(line)[0])


def paste(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Do with a line what a person does: paste it into a shell in this directory."""
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


# --- what it prints and writes --------------------------------------------------------------


@pytest.mark.lengthy
@pytest.mark.client("sftp")
@pytest.mark.parametrize("state", ['it\'s a "dir" at 50%d', "-o ~"])
def test_what_is_printed_works_when_pasted(start: Callable[..., Any], tmp_path: Path, state: str) -> None:
    """The sftp line uploads and the next line finds the record, whatever the state directory is called."""
    running = start(state=state).ready()
    assert "Ctrl-C" in running.out, "the ready file came before the banner"
    (tmp_path / "report.csv").write_text("a,b\n")
    (tmp_path / "batch").write_text("put report.csv\n")
    line = printed_command(running.out, "sftp")
    sent = paste(line.replace("sftp ", "sftp -b batch ", 1), tmp_path)
    assert sent.returncode == 0, sent.stderr
    assert "Warning" not in sent.stderr
    found = paste(printed_command(running.out, "python"), tmp_path)
    assert found.returncode == 0, found.stderr
    assert "/report.csv" in found.stdout


def test_the_ready_file_says_where_everything_is(gateway: Any) -> None:
    """Ports, host key, endpoint, server, buckets, tables, and each partner's key; commands find the same."""
    facts = gateway.facts
    assert facts.keys() == FACTS
    assert facts["sftp"].keys() == {"host", "port", "host_key_fingerprint", "host_key"}
    assert facts["preset"] == "transfer-family"
    partner = facts["partners"][0]
    assert partner.keys() == {"user_name", "private_key_path", "home_directory"}
    assert (partner["user_name"], partner["home_directory"]) == ("acme", "/tidegate-landing/acme")
    assert Path(partner["private_key_path"]).is_absolute()
    told = json.loads((gateway.state_dir / "gateway.json").read_text())
    assert told.keys() - facts.keys() == {"sweep", "deliveries", "uploads", "behaviour", "routes"}
    assert {name: told[name] for name in facts} == facts
    host_key = asyncssh.read_private_key(gateway.state_dir / "host_ed25519")
    assert facts["sftp"]["host_key_fingerprint"] == host_key.get_fingerprint()
    for url in (f"http://127.0.0.1:{facts['sftp']['port']}", facts["aws_endpoint_url"]):
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))).close()


def test_the_banner_is_short_and_says_the_preset(gateway: Any) -> None:
    """A newcomer reads it: it fits a screen, names preset and endpoint, and how to stop."""
    assert len(gateway.out.splitlines()) < 20
    assert "Preset: transfer-family." in gateway.out
    assert f"export AWS_ENDPOINT_URL={gateway.url} " in gateway.out
    assert "Ctrl-C stops it." in gateway.out


def ends_well(running: Any, number: signal.Signals) -> None:
    """Send the signal; assert that it ends at once, with nothing to complain of and nothing left behind."""
    running.process.send_signal(number)
    assert running.ended() == 0
    assert not running.ready_file.exists()
    assert not (running.state_dir / "gateway.json").exists()
    assert "Traceback" not in running.err
    with (running.state_dir / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.lengthy
def test_it_is_the_same_server_after_a_restart(start: Callable[..., Any]) -> None:
    """
    Host key, server id and demo key are those of the first start, whatever the umask of either.

    Private keys are 0600, directories around them 0700; the ready file is as open as the umask says. SIGTERM
    ends a gateway as well as Ctrl-C.
    """
    first = start(umask=0).ready()
    kept = {name: first.facts[name] for name in ("server_id", "partners")}
    host_key = first.facts["sftp"]["host_key"]
    private = [first.state_dir / "host_ed25519", Path(kept["partners"][0]["private_key_path"])]
    before = [file.read_bytes() for file in private]
    assert [mode(file) for file in private] == [0o600, 0o600]
    assert mode(first.state_dir) == mode(private[1].parent) == 0o700
    assert mode(first.state_dir / "gateway.json") == 0o600
    assert mode(first.ready_file) == 0o666
    ends_well(first, signal.SIGTERM)
    # What is of the security policy is said at each start.
    said = [each["event"] for each in first.events if "security policy" not in each["event"]]
    assert said == ["stopping"]

    # Somebody's backup gave the key back with other permissions, and without its public half.
    private[0].chmod(0o644)
    private[0].with_name("host_ed25519.pub").unlink()
    again = start(umask=0o077).ready()
    assert {name: again.facts[name] for name in kept} == kept
    assert again.facts["sftp"]["host_key"] == host_key
    assert [file.read_bytes() for file in private] == before
    assert [mode(file) for file in private] == [0o600, 0o600]
    again.upload(b"x", "in.txt")
    ends_well(again, signal.SIGINT)


# --- what is in the way ---------------------------------------------------------------------


def test_one_gateway_a_state_directory(gateway: Any, program: Callable[..., Any]) -> None:
    """A second one is told who is there, and the first goes on."""
    said = program("local", "--sftp-port", "0", "--aws-port", "0", *gateway.target)
    assert (said.code, said.out) == (1, "")
    assert f"another tidegate is running on the state directory {gateway.state_dir}" in said.err
    assert gateway.facts["aws_endpoint_url"]
    assert (gateway.state_dir / "gateway.json").exists()


def test_taken_ports_are_named_with_ways_out(gateway: Any, program: Callable[..., Any]) -> None:
    """Both ports: what is taken, and how to take another."""
    sftp = str(gateway.facts["sftp"]["port"])
    said = program("local", "--sftp-port", sftp, "--aws-port", "0")
    assert said.code == 1
    assert f"port {sftp}" in said.err
    assert "--sftp-port (0 takes a free one)" in said.err
    aws = gateway.url.rpartition(":")[2]
    said = program("local", "--sftp-port", "0", "--aws-port", aws)
    assert said.code == 1
    assert f"port {aws} for the AWS endpoint is taken\n" in said.err
    assert f"--aws-endpoint-url {gateway.url}" in said.err
    assert "--aws-port 0" in said.err


def test_localstack_is_guessed_on_its_port(program: Callable[..., Any]) -> None:
    """Who has the port 4566 taken most likely runs LocalStack."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 4566))
        except OSError:
            pass  # taken already: all the better
        else:
            taken.listen()
        said = program("local", "--sftp-port", "0")
    assert said.code == 1
    assert "taken (probably by LocalStack, whose usual port it is)" in said.err


@pytest.mark.lengthy
def test_what_a_killed_gateway_left_misleads_nobody(
    start: Callable[..., Any], tidegate: Callable[..., Any]
) -> None:
    """A command says that the gateway is gone; the next start removes the stale ready file first."""
    killed = start().ready()
    killed.kill()
    said = tidegate("partners", "list", *killed.target)
    assert said.code == 1
    assert "it seems to have ended without a word; start it again: tidegate local" in said.err
    stale = killed.ready_file.read_bytes()
    again = start()
    again.until(lambda: not again.ready_file.exists() or again.ready_file.read_bytes() != stale)
    assert again.ready().facts["aws_endpoint_url"] not in stale.decode()


def test_damaged_state_is_explained(program: Callable[..., Any], tmp_path: Path) -> None:
    """A host key or server id that is none is named, with the command that lets a new one be made."""
    words = ("local", "--sftp-port", "0", "--aws-port", "0", "--state-dir", "a state")
    (tmp_path / "a state").mkdir()
    (tmp_path / "a state" / "server_id").write_text("")
    said = program(*words)
    assert said.code == 1
    assert f"rm '{tmp_path}/a state/server_id'" in said.err
    (tmp_path / "a state" / "server_id").unlink()
    (tmp_path / "a state" / "host_ed25519").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    said = program(*words)
    assert said.code == 1
    assert "holds no OpenSSH private key" in said.err
    assert len(said.err.splitlines()) == 2
    assert (tmp_path / "a state" / "host_ed25519").exists()


# --- the end --------------------------------------------------------------------------------


def test_a_signal_while_it_starts_ends_it_well(start: Callable[..., Any]) -> None:
    """Ctrl-C by somebody who saw a typing error at once."""
    running = start()
    running.until((running.state_dir / "lock").exists)
    ends_well(running, signal.SIGINT)


@pytest.mark.lengthy
async def test_a_second_ctrl_c_does_not_wait(start: Callable[..., Any]) -> None:
    """The first waits for an open upload, the second does not; the exit code is 0 all the same."""
    running = start().ready()
    facts = running.facts
    async with (
        asyncssh.connect(
            "127.0.0.1",
            facts["sftp"]["port"],
            username="acme",
            client_keys=[facts["partners"][0]["private_key_path"]],
            known_hosts=None,
            config=None,
        ) as connection,
        connection.start_sftp_client() as sftp,
    ):
        file = await sftp.open("open.bin", "wb")
        await file.write(b"x" * 100_000)
        running.process.send_signal(signal.SIGINT)
        await asyncio.to_thread(running.event, "stopping")
        assert not running.ready_file.exists()
        assert "Waiting up to 30 s for an open upload. Ctrl-C again does not wait.\n" in running.err
        assert running.process.poll() is None
        running.process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(running.ended) == 0
        connection.abort()
    assert "Traceback" not in running.err


def test_a_line_to_paste_names_the_running_program(gateway: Any) -> None:
    """The printed commands call the program that runs, not another one of that name."""
    words = shlex.split(printed_command(gateway.out, "python"))
    assert words[1:3] == ["-m", "tidegate"]
    assert Path(words[0]).exists()
