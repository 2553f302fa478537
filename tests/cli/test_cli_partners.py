"""Partners, keys and refused logins of a local gateway, by command."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tidegate.cli.target import Target
from tidegate.core.errors import InvalidName, InvalidSettings, Misuse
from tidegate.core.users import Home, HomeDirectoryType, Mapping, User
from tidegate.settings import Settings
from tidegate_keys.for_partner import for_partner_text
from tidegate_keys.homes import wanted_home

NAMES = (f"partner-{number}" for number in itertools.count())


@pytest.fixture
def on(tidegate: Callable[..., Any], gateway: Any) -> Callable[..., Any]:
    """Run a command about the gateway."""
    return lambda *words: tidegate(*words, *gateway.target)


@pytest.fixture
def name() -> str:
    """A name no other test uses."""
    return next(NAMES)


@pytest.fixture
def new_key(tmp_path: Path) -> Callable[[], tuple[Path, str]]:
    """Make a key pair; return the private file (the public one is NAME.pub) and the fingerprint."""
    numbers = itertools.count()

    def make() -> tuple[Path, str]:
        key = asyncssh.generate_private_key("ssh-ed25519", comment="someone@example.com")
        file = tmp_path / f"key{next(numbers)}"
        key.write_private_key(file)
        key.write_public_key(file.with_name(f"{file.name}.pub"))
        return file, key.get_fingerprint()

    return make


def pub(private: Path) -> str:
    return f"{private}.pub"


async def _log_in(gateway: Any, name: str, key: Path) -> None:
    connection = asyncssh.connect(
        "127.0.0.1",
        gateway.facts["sftp"]["port"],
        username=name,
        client_keys=[str(key)],
        known_hosts=None,
        config=None,
        agent_path=None,
    )
    async with connection:
        return


def logs_in(gateway: Any, name: str, key: Path) -> bool:
    """Return whether the partner gets in with the key."""
    try:
        asyncio.run(_log_in(gateway, name, key))
    except asyncssh.PermissionDenied:
        return False
    return True


# --- partners -------------------------------------------------------------------------------


def test_the_demo_partner_is_listed(on: Callable[..., Any]) -> None:
    """A new local gateway has one partner, with one key."""
    assert on("partners", "list").rows[0].split()[:3] == ["acme", "/tidegate-landing/acme", "1"]


def test_a_partner_is_added_with_keys(
    on: Callable[..., Any], gateway: Any, name: str, new_key: Callable[[], tuple[Path, str]]
) -> None:
    """A partner logs in with each key it was added with, into its home."""
    (one, _), (two, _) = new_key(), new_key()
    said = on("partners", "add", name, "--key", pub(one), "--key", pub(two))
    assert (said.code, said.out) == (0, f"added {name}, home /tidegate-landing/{name}, 2 keys\n")
    assert said.err == f"target: the local gateway of {gateway.state_dir} ({gateway.url})\n"
    assert logs_in(gateway, name, one)
    assert logs_in(gateway, name, two)


def test_a_partner_without_key_is_said_to_be_shut_out(
    on: Callable[..., Any], gateway: Any, name: str
) -> None:
    """What is still to be done is a command line, ready to paste once FILE is replaced."""
    said = on("partners", "add", name)
    hint = said.err.splitlines()[-1]
    assert hint.startswith(f"nobody can log in yet: tidegate keys add {name} --key FILE --state-dir ")
    assert str(gateway.state_dir) in hint
    assert "'" in hint  # the directory's name holds a blank


def test_a_partner_is_added_once(on: Callable[..., Any], name: str) -> None:
    """A second partner of one name is refused, and the first is as it was."""
    on("partners", "add", name)
    said = on("partners", "add", name, "--home", "/tidegate-landing/other")
    assert (said.code, said.err.splitlines()[-1]) == (1, f"tidegate: partner {name} exists already")
    shown = on("partners", "show", name, "--output", "json").json
    assert shown["HomeDirectory"] == f"/tidegate-landing/{name}"


def test_a_home_in_no_bucket_is_pointed_out(on: Callable[..., Any], name: str) -> None:
    """A home may be given before its bucket is there, but not unnoticed: mostly it is a typing error."""
    said = on("partners", "add", name, "--home", "/tidegate-landign/in")
    assert said.code == 0
    assert "there is no bucket tidegate-landign yet: uploads fail until there is" in said.err


def test_an_unknown_partner_is_named(on: Callable[..., Any]) -> None:
    """Show, remove and all verbs of keys say which partner is not there."""
    for words in (
        ["partners", "show", "nobody"],
        ["partners", "remove", "nobody"],
        ["keys", "list", "nobody"],
        ["keys", "remove", "nobody", "key-0"],
    ):
        said = on(*words)
        assert (said.code, said.out) == (1, "")
        assert "tidegate: there is no partner nobody" in said.err


def test_a_partner_is_shown(
    on: Callable[..., Any], name: str, new_key: Callable[[], tuple[Path, str]]
) -> None:
    """`show` prints home and keys: for people, and as JSON with the members that AWS names."""
    key, fingerprint = new_key()
    on("partners", "add", name, "--home", "/tidegate-landing/in", "--key", pub(key))
    table = on("partners", "show", name).out
    assert "/tidegate-landing/in" in table
    assert fingerprint in table
    shown = on("partners", "show", name, "--output", "json").json
    assert list(shown) == [
        "UserName",
        "HomeDirectoryType",
        "HomeDirectory",
        "HomeDirectoryMappings",
        "StartDirectory",
        "ServerId",
        "CreatedAt",
        "Keys",
    ]
    assert list(shown["Keys"][0]) == ["SshPublicKeyId", "Fingerprint", "Algorithm", "Comment", "DateImported"]
    assert shown["Keys"][0]["Comment"] == "someone@example.com"
    assert shown["HomeDirectoryMappings"] == [
        {"Entry": "/", "Target": "/tidegate-landing/in", "Type": "DIRECTORY"}
    ]
    assert shown in on("partners", "list", "--output", "json").json


def test_a_home_of_several_entries_is_shown(on: Callable[..., Any], name: str) -> None:
    """What stands at each entry is told, for people in a table of its own."""
    said = on(
        *("partners", "add", name, "--map", "/in=/tidegate-landing/in", "--directory", "/in"),
        *("--map-file", "/readme.txt=/other-bucket/readme.txt"),
    )
    assert "there is no bucket other-bucket yet" in said.err
    assert "there is no bucket tidegate-landing" not in said.err
    rows = [line.split() for line in on("partners", "show", name).out.splitlines()]
    assert ["Entry", "Target", "Type"] in rows
    assert ["/in", "/tidegate-landing/in", "DIRECTORY"] in rows
    assert ["/readme.txt", "/other-bucket/readme.txt", "FILE"] in rows
    assert ["StartDirectory", "/in"] in rows
    home = "/in = /tidegate-landing/in, /readme.txt = /other-bucket/readme.txt (FILE), starting in /in"
    assert any(home in row for row in on("partners", "list").rows)


DEFAULT = {"home": None, "path_home": False, "directories": (), "mapped_files": (), "directory": "/"}


def test_the_options_of_a_home() -> None:
    """Each option says a part of it; without any it is the default."""
    chroot = Mapping("/", "/landing/acme")
    for options, expected in (
        ({}, Home.chroot("/landing/acme")),
        ({"home": "/b-1/x"}, Home.chroot("/b-1/x")),
        ({"path_home": True}, Home(HomeDirectoryType.PATH, "/landing/acme")),
        ({"directory": "/in"}, Home(HomeDirectoryType.LOGICAL, "/in", (chroot,))),
        (
            {"directories": ("/a=b=/b-1/x=/y",)},
            Home(HomeDirectoryType.LOGICAL, "/", (Mapping("/a=b", "/b-1/x=/y"),)),
        ),
    ):
        assert wanted_home("/landing/acme", **(DEFAULT | options)) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"home": "/b-1", "directories": ("/in=/b-1",)},
        {"path_home": True, "mapped_files": ("/f=/b-1/f",)},
        {"path_home": True, "directory": "/in"},
        {"directories": ("/in",)},
        {"directories": ("/in=b-1",)},
    ],
)
def test_options_of_a_home_that_exclude_each_other(options: dict[str, Any]) -> None:
    """Nothing is guessed."""
    with pytest.raises(Misuse) as caught:
        wanted_home("/landing/acme", **(DEFAULT | options))
    assert caught.value.hint


@pytest.mark.parametrize(
    "options",
    [{"directories": ("/in=/b-1", "/in/x=/b-1")}, {"mapped_files": ("/f=/b-1",)}, {"directory": "in"}],
)
def test_homes_that_cannot_be(options: dict[str, Any]) -> None:
    """They are checked before the directory is asked for anything."""
    with pytest.raises(InvalidName):
        wanted_home("/landing/acme", **(DEFAULT | options))


def test_a_removed_partner_cannot_log_in(
    on: Callable[..., Any], gateway: Any, name: str, new_key: Callable[[], tuple[Path, str]]
) -> None:
    """`remove` takes the partner and its keys; the same name can be given out again, without them."""
    key, _ = new_key()
    on("partners", "add", name, "--key", pub(key))
    assert on("partners", "remove", name).out == f"removed {name}; its files and records stay\n"
    assert not logs_in(gateway, name, key)
    assert on("partners", "add", name).code == 0
    assert not logs_in(gateway, name, key)


def test_what_to_tell_a_partner_is_true(
    on: Callable[..., Any], gateway: Any, name: str, new_key: Callable[[], tuple[Path, str]], tmp_path: Path
) -> None:
    """The text for a partner has the host key's line, which ssh accepts, and no secret."""
    key, fingerprint = new_key()
    on("partners", "add", name, "--key", pub(key))
    text = on("partners", "show", name, "--for-partner").out
    sftp = gateway.facts["sftp"]
    assert f"  {fingerprint} someone@example.com\n" in text
    assert f"  {sftp['host_key_fingerprint']}\n" in text
    assert f"  sftp -P {sftp['port']} {name}@127.0.0.1\n" in text
    assert "PRIVATE" not in text
    line = next(each for each in text.splitlines() if each.startswith(f"  [127.0.0.1]:{sftp['port']} ssh-"))
    (tmp_path / "known_hosts").write_text(f"{line.strip()}\n")
    found = subprocess.run(
        ["ssh-keygen", "-F", f"[127.0.0.1]:{sftp['port']}", "-f", "known_hosts", "-l"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert sftp["host_key_fingerprint"] in found.stdout


def test_what_to_tell_a_partner_is_not_guessed(on: Callable[..., Any], gateway: Any, tidegate: Any) -> None:
    """Where a gateway is not said to listen in a way that partners can use, the missing setting is named."""
    said = tidegate("partners", "show", "acme", "--for-partner", "--endpoint-url", gateway.url)
    assert (said.code, said.out) == (1, "")
    assert "does not say which host key it has" in said.err
    user = User("s-0123456789abcdef0", "acme", Home.chroot("/bucket"), datetime.now(UTC))
    for sftp, setting in (
        ({"host": "0.0.0.0", "port": 22}, "sftp.advertised_host"),
        ({"port": 0}, "sftp.port"),
    ):
        settings = Settings.model_validate(
            {"sftp": {**sftp, "host_key_files": [gateway.state_dir / "host_ed25519"]}}
        )
        with pytest.raises(InvalidSettings) as refused:
            for_partner_text(Target(settings, "the gateway", ""), user)
        assert refused.value.hint == f"set {setting}"


def test_partners_are_told_the_port_they_reach(gateway: Any) -> None:
    """Behind a load balancer that is the balancer's, not the one the gateway listens on."""
    sftp = {
        "port": 2222,
        "advertised_host": "sftp.example.com",
        "advertised_port": 22,
        "host_key_files": [gateway.state_dir / "host_ed25519"],
    }
    user = User("s-0123456789abcdef0", "acme", Home.chroot("/bucket"), datetime.now(UTC))
    text = for_partner_text(Target(Settings.model_validate({"sftp": sftp}), "the gateway", ""), user)
    assert "Port:  22\n" in text
    assert "  sftp acme@sftp.example.com\n" in text


# --- keys -----------------------------------------------------------------------------------


def test_keys_change_while_both_log_in(
    on: Callable[..., Any], gateway: Any, name: str, new_key: Callable[[], tuple[Path, str]]
) -> None:
    """A key is replaced without a moment in which none works; removed by fingerprint, it is out at once."""
    (old, old_fingerprint), (new, _) = new_key(), new_key()
    on("partners", "add", name, "--key", pub(old))
    assert on("keys", "add", name, "--key", pub(new)).code == 0
    assert logs_in(gateway, name, old)
    assert logs_in(gateway, name, new)
    said = on("keys", "remove", name, old_fingerprint.removeprefix("SHA256:"))
    assert said.code == 0
    assert "that was the last" not in said.err
    assert not logs_in(gateway, name, old)
    assert logs_in(gateway, name, new)


def test_the_same_key_is_added_once(
    on: Callable[..., Any], name: str, new_key: Callable[[], tuple[Path, str]]
) -> None:
    """A second paste of a key is refused by its fingerprint, and leaves one."""
    key, fingerprint = new_key()
    on("partners", "add", name)
    said = on("keys", "add", name, "--key", pub(key))
    assert said.out.split()[2:] == [fingerprint, "(ssh-ed25519)", "to", name]
    again = on("keys", "add", name, "--key", pub(key))
    assert (again.code, again.err.splitlines()[-1]) == (
        1,
        f"tidegate: {name} has the key {fingerprint} already",
    )
    assert len(on("keys", "list", name, "--output", "json").json) == 1


def test_removing_the_last_key_is_pointed_out(
    on: Callable[..., Any], name: str, new_key: Callable[[], tuple[Path, str]]
) -> None:
    """Nobody is shut out unnoticed; a key that is not there is named."""
    key, fingerprint = new_key()
    on("partners", "add", name, "--key", pub(key))
    said = on("keys", "remove", name, on("keys", "list", name, "--output", "json").json[0]["SshPublicKeyId"])
    assert said.code == 0
    assert f"that was the last: nobody can log in as {name} until tidegate keys add {name}" in said.err
    assert on("keys", "list", name).out == "no keys\n"
    assert on("keys", "list", name, "--output", "json").json == []
    again = on("keys", "remove", name, fingerprint)
    assert again.code == 1
    assert f"tidegate: {name} has no key {fingerprint}" in again.err


def test_a_key_comes_from_standard_input(
    program: Callable[..., Any], gateway: Any, name: str, new_key: Callable[[], tuple[Path, str]]
) -> None:
    """`--key -` reads what is pasted, and refuses it in the same words as a file."""
    key, fingerprint = new_key()
    added = program(
        "partners", "add", name, "--key", "-", *gateway.target, stdin=Path(pub(key)).read_text() + "\n"
    )
    assert added.code == 0
    refused = program("keys", "add", name, "--key", "-", *gateway.target, stdin=key.read_text())
    assert refused.err.startswith("tidegate: standard input: this is a private key")
    listed = program("keys", "list", "--output", "json", *gateway.target).json
    assert (name, fingerprint) in [(each["UserName"], each["Fingerprint"]) for each in listed]


# --- refused logins -------------------------------------------------------------------------


def test_refused_logins_say_why(
    on: Callable[..., Any], gateway: Any, name: str, new_key: Callable[[], tuple[Path, str]]
) -> None:
    """Who was refused, from where, with which key and why; also under a name that no partner can have."""
    key, fingerprint = new_key()
    on("partners", "add", name)
    assert not logs_in(gateway, name, key)
    assert not logs_in(gateway, "né", key)
    gateway.until(lambda: len(on("logins", "refused", "--output", "json").json) >= 2)
    (refused,) = on("logins", "refused", "--partner", name, "--since", "1h", "--output", "json").json
    assert list(refused) == ["Timestamp", "UserName", "ClientIp", "KeyFingerprint", "Reason", "ClientVersion"]
    assert (refused["ClientIp"], refused["KeyFingerprint"]) == ("127.0.0.1", fingerprint)
    assert refused["Reason"] == "the key is not one of this partner's"
    (unknown,) = on("logins", "refused", "--partner", "né", "--output", "json").json
    assert unknown["Reason"] == "no partner of this name"
    assert "né" in on("logins", "refused").rows[0]
    assert on("logins", "refused", "--partner", "never").out == "no refused logins\n"
