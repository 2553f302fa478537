"""Looking around and tidying up with OpenSSH's sftp, where the two presets agree and where they differ."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tidegate.testing.gateway import LocalGateway
from tidegate.testing.records import Records

if TYPE_CHECKING:
    from tests.sftp.conftest import OpenSsh, Stored

pytestmark = pytest.mark.client("sftp")


def beside_two_files(client: OpenSsh) -> OpenSsh:
    """Give the client something to put."""
    (client.folder / "one").write_bytes(b"1")
    (client.folder / "three").write_bytes(b"333")
    return client


@pytest.fixture
def client(tidegate: LocalGateway, openssh: Callable[..., OpenSsh]) -> OpenSsh:
    """A partner of Transfer Family with an empty home."""
    return beside_two_files(openssh(tidegate))


@pytest.fixture
def safe_client(partner_safe: LocalGateway, openssh: Callable[..., OpenSsh]) -> OpenSsh:
    """The same where the preset is partner-safe."""
    return beside_two_files(openssh(partner_safe))


def test_an_empty_home_is_an_empty_directory(client: OpenSsh) -> None:
    """A new partner can look around before anything was ever sent."""
    done = client.sftp("pwd", "ls -la", "cd /")
    assert done.returncode == 0, done.stderr
    assert "Remote working directory: /\n" in done.stdout
    listed = done.stdout.split("sftp> ls -la\n")[1].split("sftp> ")[0]
    assert [line.split()[-1] for line in listed.splitlines()] in ([], [".", ".."])


def test_ls_shows_names(client: OpenSsh) -> None:
    """Files and directories of one level, each once."""
    client.put("mkdir in", "put one", "put three in/three")
    assert client.sftp("ls -1").stdout.split("\n")[1:-1] == ["in", "one"]
    assert client.sftp("ls -1 in").stdout.split("\n")[1:-1] == ["in/three"]


def test_ls_l_shows_kinds_sizes_and_times(client: OpenSsh) -> None:
    """A long listing reads like any server's."""
    client.put("mkdir in", "put three")
    lines = client.sftp("ls -l").stdout.splitlines()[1:]
    directory, file = (line.split() for line in lines)
    assert directory[0].startswith("d")
    assert directory[-1] == "in"
    assert file[0].startswith("-r")
    assert file[-1] == "three"
    assert file[4] == "3"
    assert re.fullmatch(r"[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d", " ".join(file[5:8]))


def test_cd_and_pwd_follow_each_other(client: OpenSsh) -> None:
    """Relative names start where `cd` went."""
    done = client.sftp("mkdir in", "cd in", "pwd", "put one", "cd ..", "pwd", "ls in")
    assert done.returncode == 0, done.stderr
    assert re.findall("directory: (.*)", done.stdout) == ["/in", "/"]
    assert "in/one" in done.stdout


def test_cd_into_what_is_no_directory_fails(client: OpenSsh) -> None:
    """Neither a file nor nothing can be entered."""
    client.put("put one")
    assert client.sftp("cd one").returncode == 1
    assert client.sftp("cd nowhere").returncode == 1


def test_a_directory_with_something_in_it_is_not_removed(client: OpenSsh) -> None:
    """`rmdir` removes an empty directory, and no other."""
    client.put("mkdir in", "put one in/one")
    refused = client.sftp("rmdir in")
    assert refused.returncode == 1
    assert "remote rmdir" in refused.stderr
    assert client.sftp("ls in").returncode == 0
    client.put("rm in/one", "rmdir in")
    assert client.sftp("ls in").returncode == 1


def test_a_directory_is_made_once(client: OpenSsh) -> None:
    """`mkdir` of what is there fails, and leaves it as it was."""
    client.put("mkdir in", "put one in/one")
    assert client.sftp("mkdir in").returncode == 1
    assert "in/one" in client.sftp("ls in").stdout


def test_a_removed_file_is_gone(client: OpenSsh, stored: type[Stored]) -> None:
    """For the partner; the bucket keeps the version, under a delete marker."""
    client.put("put one", "rm one")
    assert "one" not in client.sftp("ls -1").stdout.splitlines()
    assert client.sftp("rm one").returncode == 1
    assert stored(client.gateway).keys() == ["acme/one", "acme/one"]


def test_a_file_is_renamed(client: OpenSsh, stored: type[Stored]) -> None:
    """Content, digest and encryption go with it."""
    client.put("put three", "mkdir in", "rename three in/final.csv")
    there = stored(client.gateway)
    assert there.content("acme/in/final.csv") == b"333"
    assert there.head("acme/in/final.csv")["SSEKMSKeyId"] == there.key_arn("alias/tidegate")
    assert client.sftp("ls three").returncode == 1


def test_a_rename_is_on_record_with_the_file(client: OpenSsh) -> None:
    """Who renamed it to what stands beside its upload, through several renames; none is left open."""
    client.put("put three", "rename three four", "rename four five", "put one")
    assert client.sftp("rename one five").returncode == 1, "taken, so nothing is intended"
    gateway = client.gateway
    records = Records(gateway.client("dynamodb"), gateway.transfers_table, lambda: None).all()
    upload = gateway.wait_for_transfer("three")
    renames = [each for each in records if each["Item"].startswith("rename#")]
    assert {each["LogID"] for each in renames} == {upload["LogID"]}
    assert [(each["Path"], each["NewPath"]) for each in renames] == [("/three", "/four"), ("/four", "/five")]
    assert {each["Status"] for each in renames} == {"DONE"}
    assert not any("OpenWork" in each for each in renames)


def test_transfer_family_does_not_rename_onto_a_file(client: OpenSsh, stored: type[Stored]) -> None:
    """posix-rename is not offered, and rename leaves both files as they were."""
    client.put("put one", "put three")
    refused = client.sftp("rename three one")
    assert refused.returncode == 1
    assert "remote rename" in refused.stderr
    assert stored(client.gateway).content("acme/one") == b"1"
    assert stored(client.gateway).content("acme/three") == b"333"


def test_partner_safe_renames_onto_a_file(safe_client: OpenSsh, stored: type[Stored]) -> None:
    """OpenSSH uses posix-rename where it is offered; `rename -l` is the plain one, and refuses."""
    safe_client.put("put one", "put three")
    assert safe_client.sftp("rename -l three one").returncode == 1
    safe_client.put("rename three one")
    assert stored(safe_client.gateway).content("acme/one") == b"333"
    assert safe_client.sftp("ls three").returncode == 1


def test_transfer_family_refuses_to_keep_times(client: OpenSsh) -> None:
    """`put -p` and chmod are told "unsupported"; the file of `put -p` is there all the same."""
    done = client.sftp("put -p one")
    assert "Operation unsupported" in done.stderr
    assert client.gateway.wait_for_transfer("one")["Bytes"] == 1
    assert client.sftp("chmod 600 one").returncode == 1


def test_partner_safe_accepts_times(safe_client: OpenSsh) -> None:
    """`put -p` and chmod succeed."""
    os.utime(safe_client.folder / "one", (1_000_000_000, 1_000_000_000))
    done = safe_client.sftp("put -p one", "chmod 600 one")
    assert done.returncode == 0
    assert done.stderr == ""
    assert safe_client.gateway.wait_for_transfer("one")["Bytes"] == 1


def test_links_are_refused(client: OpenSsh, stored: type[Stored]) -> None:
    """S3 has none, so neither kind can lead anywhere."""
    client.put("put one")
    for line in ("ln -s one link", "ln one link", "symlink /etc/passwd link"):
        assert client.sftp(line).returncode == 1, line
    assert stored(client.gateway).keys() == ["acme/one"]
