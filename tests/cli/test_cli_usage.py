"""What is said to somebody who calls the command wrongly, or on something that is not there."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tidegate import __version__
from tidegate.cli.target import resolve

# Nothing listens on it: ports below 1024 are for services of the machine, and this one has none.
DEAD_URL = "http://127.0.0.1:1"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFFvR8uw+chJFSHjBvgHEUjVtyxrMBG4+DpLRbB/Xuj4"

# What to call, and what its one line must say: where it went wrong, or how to mend it.
WRONG_USAGE = {
    "no such verb": (["nonsense"], "No such command 'nonsense'"),
    "no such noun": (["partners", "lst"], "Did you mean 'list'?"),
    "no such option": (["partners", "list", "--output-format", "json"], "--output-format"),
    "no such format": (["partners", "list", "--output", "xml"], "'xml' is not one of 'table', 'json'"),
    "nothing to show": (["transfers", "show", "--endpoint-url", DEAD_URL], "Missing argument 'LOGID'"),
    "no key named": (["keys", "add", "acme", "--endpoint-url", DEAD_URL], "Missing option '--key'"),
    "no gateway named": (["partners", "list"], "--state-dir DIR (or TIDEGATE_STATE_DIR)"),
    "two gateways named": (
        ["partners", "list", "--state-dir", "x", "--endpoint-url", DEAD_URL],
        "more than one gateway is named",
    ),
    "no gateway runs": (
        ["partners", "list", "--state-dir", "nowhere"],
        "no local gateway is running on the state directory nowhere",
    ),
    "the endpoint is no URL": (["keys", "list", "--endpoint-url", "localhost:4566"], "http://HOST"),
    "the endpoint has a bad port": (["keys", "list", "--endpoint-url", "http://x:y"], "http://HOST"),
    "no such time": (["transfers", "list", "--since", "yesterday"], "write 2h, 3d or 2026-01-31T08:00:00Z"),
    "a time out of reach": (["transfers", "list", "--since", "999999999w"], "is no time"),
    "a time before all": (["logins", "refused", "--since", "0001-01-01T00:00:00+14:00"], "is no time"),
    "a time too long ago": (["transfers", "list", "--since", "1970-01-01"], "more than ten years ago"),
    "no such state": (["transfers", "list", "--status", "DONE"], "'DONE' is none of STARTED, FINISHING"),
    "no such limit": (["transfers", "list", "--limit", "0"], "--limit"),
    "no such port": (["local", "--sftp-port", "70000"], "--sftp-port"),
    "no such preset": (["local", "--preset", "aws"], "partner-safe"),
    "the endpoint to bring is no URL": (["local", "--aws-endpoint-url", "moto"], "http://HOST"),
    "serve without configuration": (["serve"], "--config FILE, or YAML in TIDEGATE_CONFIG"),
    "check without configuration": (["config", "check"], "name a FILE, or set TIDEGATE_CONFIG"),
}
REFUSED = {
    "no such configuration": (["config", "check", "nofile.yaml"], "nofile.yaml: no such file"),
    "a directory": (["config", "check", "."], ".: is a directory"),
    "malformed": (["config", "check", "malformed.yaml"], "malformed.yaml line 3: not valid YAML"),
    "mistyped": (["serve", "--config", "mistyped.yaml"], "did you mean sftp.port?"),
    "a private key": (["config", "check", "private.yaml"], "keys[0]: this is a private key"),
    "no key file": (["local", "--config", "keyfile.yaml"], "partner acme: key file"),
    "no such configuration of a gateway": (["partners", "list", "--config", "nofile.yaml"], "no such file"),
    "AWS itself": (["partners", "list", "--endpoint-url", "https://s3.eu-west-1.amazonaws.com"], "--config"),
    "AWS itself as local": (["local", "--aws-endpoint-url", "https://s3.AMAZONAWS.com."], "tidegate serve"),
    "nothing answers": (["partners", "list", "--endpoint-url", DEAD_URL], f"{DEAD_URL} does not answer"),
    "nothing answers transfers": (["transfers", "list", "--endpoint-url", DEAD_URL], DEAD_URL),
    "nothing answers local": (
        ["local", "--sftp-port", "0", "--aws-endpoint-url", DEAD_URL],
        f"nothing answers at {DEAD_URL}: nobody listens there",
    ),
    "the ready file's directory is a file": (
        ["local", "--ready-file", "private/ready.json"],
        "cannot write the ready file private/ready.json",
    ),
    "the state directory is a file": (["local", "--state-dir", "private"], "name another with --state-dir"),
}

# Refused before anything is asked for: names and keys, by commands about a gateway that does not answer.
REFUSED_WORDS = {
    "no partner's name": (
        ["partners", "add", "a/b"],
        "'a/b' is no valid partner name",
    ),
    "an empty name": (["partners", "show", ""], "'' is no valid partner name"),
    "a name with an escape": (
        ["keys", "list", "\x1b[31m"],
        "is no valid partner name",
    ),
    "no home": (["partners", "add", "acme", "--home", ""], "write it as /bucket"),
    "a home that climbs": (
        ["partners", "add", "acme", "--home", "/landing/../x"],
        "write it as /bucket or /bucket/prefix",
    ),
    "no such key file": (
        ["keys", "add", "acme", "--key", "no.pub"],
        "no.pub: cannot be",
    ),
    "the key is a directory": (
        ["keys", "add", "acme", "--key", "."],
        ".: cannot be read",
    ),
    "the key is private": (
        ["keys", "add", "acme", "--key", "private"],
        "private: this is a private key: do not send it to anyone",
    ),
    "the key is there twice": (
        ["keys", "add", "acme", "--key", "twice.pub"],
        "twice.pub: there are 2 keys in it",
    ),
    "the key is half a key": (
        ["partners", "add", "acme", "--key", "half.pub"],
        "half.pub",
    ),
    "the key is no text": (
        ["keys", "add", "acme", "--key", "noise"],
        "give the .pub file",
    ),
    "no LogID": (["transfers", "show", "../x"], "'../x' is no LogID"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with everything in it that somebody may name by mistake."""
    made = tmp_path_factory.mktemp("by mistake")
    private = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE=\n-----END OPENSSH PRIVATE KEY-----\n"
    texts = {
        "malformed.yaml": "sftp:\n  port: [\n",
        "mistyped.yaml": "sftp:\n  prot: 22\n",
        "private.yaml": f"partners:\n  - name: acme\n    keys: [{private.splitlines()[0]!r}]\n",
        "keyfile.yaml": "partners:\n  - name: acme\n    key_files: [nowhere.pub]\n",
        "private": private,
        "twice.pub": f"{KEY}\n{KEY}\n",
        "half.pub": KEY[:50],
    }
    for name, text in texts.items():
        (made / name).write_text(text)
    (made / "noise").write_bytes(b"\xff\xfe\x00")
    return made


def explained(said: Any, code: int, words: str) -> None:
    """Assert that few clear lines say what is wrong, and nothing else is printed."""
    assert "Traceback" not in said.err
    assert (said.code, said.out) == (code, ""), said.err
    assert words in said.err
    lines = said.err.splitlines()
    assert len(lines) <= 3, said.err
    assert lines[0].startswith("tidegate: ")
    assert all(line.startswith("  to mend it: ") for line in lines[1:]), said.err


@pytest.mark.parametrize("case", WRONG_USAGE)
def test_wrong_usage_is_explained(tidegate: Callable[..., Any], case: str) -> None:
    """Whoever calls the command wrongly reads one clear line and how to mend it, and gets exit code 2."""
    words, expected = WRONG_USAGE[case]
    explained(tidegate(*words), 2, expected)


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_explained(program: Callable[..., Any], folder: Path, case: str) -> None:
    """What is refused, or is not there, is said in one line with the way to mend it, and exit code 1."""
    words, expected = REFUSED[case]
    explained(program(*words, cwd=folder), 1, expected)


@pytest.mark.parametrize("case", REFUSED_WORDS)
def test_names_and_keys_are_refused_at_once(
    tidegate: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """A name, home or key that cannot be used is said before any gateway is asked."""
    monkeypatch.chdir(folder)
    words, expected = REFUSED_WORDS[case]
    explained(tidegate(*words, "--endpoint-url", DEAD_URL), 1, expected)


# --- endpoints that are something else ------------------------------------------------------


class _SomeServer(BaseHTTPRequestHandler):
    """Answers as a web server does that has nothing to do with AWS."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        page = f"<html>{'many words ' * 500}</html>".encode()
        self.send_response(501)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def listening() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _SomeServer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_an_endpoint_that_is_no_aws_is_named(tidegate: Callable[..., Any]) -> None:
    """A web server's error page is not poured out over the person who mistook its URL."""
    with listening() as url:
        said = tidegate("transfers", "list", "--endpoint-url", url)
    explained(said, 1, f"the gateway at {url} does not answer as AWS does")
    assert len(said.err) < 600


def test_an_endpoint_without_our_tables_is_named(tidegate: Callable[..., Any], moto_url: str) -> None:
    """At an emulator without a gateway, what is missing is its table, not the partner that was asked for."""
    for words in (["partners", "list"], ["transfers", "list"], ["transfers", "show", "0" * 26]):
        said = tidegate(*words, "--endpoint-url", moto_url)
        explained(said, 1, f"the gateway at {moto_url} has no table tidegate-")


def test_a_silent_endpoint_is_not_waited_for_long() -> None:
    """A local gateway answers at once or not at all: nobody waits for it as long as for AWS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", {})
        aws = resolve(None, DEAD_URL, None).settings.aws
    assert aws.max_attempts * (aws.connect_timeout_seconds + aws.read_timeout_seconds) <= 15


# --- names, and the environment -------------------------------------------------------------


def test_a_state_directory_may_come_from_the_environment(program: Callable[..., Any]) -> None:
    """TIDEGATE_STATE_DIR names the gateway if no option does."""
    explained(program("partners", "list", TIDEGATE_STATE_DIR="elsewhere"), 2, "the state directory elsewhere")


def test_the_gateway_that_runs_here_is_suggested_and_not_taken(
    program: Callable[..., Any], tmp_path: Path
) -> None:
    """A command in the directory of a local gateway says how to name it, and does nothing unnamed."""
    (tmp_path / ".tidegate").mkdir()
    (tmp_path / ".tidegate" / "gateway.json").write_text("{}")
    explained(program("partners", "list"), 2, "--state-dir .tidegate")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"aws_endpoint_url": "http://127.0.0.1:1"}'])
def test_a_damaged_description_of_a_gateway_is_explained(
    tidegate: Callable[..., Any], tmp_path: Path, text: str
) -> None:
    """A gateway.json that something else wrote, or half of one, is no traceback."""
    (tmp_path / "gateway.json").write_text(text)
    explained(tidegate("partners", "list", "--state-dir", str(tmp_path)), 2, "start tidegate local again")


def test_ambient_credentials_are_not_used(program: Callable[..., Any]) -> None:
    """With credentials in the environment a command that names no gateway still does nothing."""
    ambient = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL": DEAD_URL}
    explained(program("partners", "remove", "acme", **ambient), 2, "which gateway?")


# --- help -----------------------------------------------------------------------------------


def test_version_is_printed(program: Callable[..., Any]) -> None:
    """`tidegate --version` names the version."""
    said = program("--version")
    assert (said.code, said.out.split()[-1]) == (0, __version__)


def test_help_is_whole(tidegate: Callable[..., Any]) -> None:
    """The list of verbs fits a terminal: no sentence in it is cut off."""
    for group in ([], ["partners"], ["keys"], ["transfers"], ["config"], ["logins"]):
        said = tidegate(*group, "--help")
        assert said.code == 0
        assert "..." not in said.out.partition("Commands:")[2]


@pytest.mark.parametrize("group", [[], ["partners"], ["config"]])
def test_a_verb_without_its_noun_shows_help(tidegate: Callable[..., Any], group: list[str]) -> None:
    """Half a command is answered with what could follow, and counts as wrong usage."""
    said = tidegate(*group)
    assert said.code == 2
    assert "Commands:" in said.err


def test_a_reader_that_has_read_enough_is_no_error_to_show(tmp_path: Path) -> None:
    """`tidegate ... | head -1` prints no traceback when the pipe closes."""
    with subprocess.Popen(
        [sys.executable, "-m", "tidegate", "config", "schema"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_a_name_the_terminal_cannot_show_is_escaped(program: Callable[..., Any], tmp_path: Path) -> None:
    """A path that is not UTF-8, or a terminal that is ASCII, is no reason for a traceback."""
    for name in (b"caf\xe9.yaml", "日本.yaml".encode()):
        (tmp_path / os.fsdecode(name)).write_text("version: 1\n")
        said = program("config", "check", os.fsdecode(name), PYTHONIOENCODING="ascii")
        assert (said.code, said.err) == (0, "")
        assert said.out.endswith(".yaml is good\n")
