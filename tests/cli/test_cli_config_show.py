"""`tidegate config show` and `tidegate config migrate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

EXAMPLES = Path(__file__).parent.parent.parent / "config" / "examples"


@pytest.fixture
def files(tmp_path: Path, tidegate: Callable[..., Any]) -> Path:
    """A configuration and its base, in the working directory of `tidegate`."""
    assert tidegate
    (tmp_path / "base.yaml").write_text("version: 1\nsftp:\n  port: 1\n")
    (tmp_path / "prod.yaml").write_text("extends: base.yaml\nname_prefix: acme\n")
    return tmp_path


def test_what_the_files_say_is_shown(tidegate: Callable[..., Any], files: Path) -> None:
    """As YAML, joined, and with where each value comes from."""
    said = tidegate("config", "show", "prod.yaml", "--origins")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        "version: 1  # base.yaml line 1",
        "name_prefix: acme  # prod.yaml line 2",
        "sftp:",
        "  port: 1  # base.yaml line 3",
    ]
    assert tidegate("config", "show", "prod.yaml").out == "version: 1\nname_prefix: acme\nsftp:\n  port: 1\n"


def test_every_setting_is_shown(tidegate: Callable[..., Any], files: Path) -> None:
    """Resolved, as YAML and as JSON, which say the same."""
    as_yaml = yaml.safe_load(tidegate("config", "show", "prod.yaml", "--resolved").out)
    as_json = json.loads(tidegate("config", "show", "prod.yaml", "--resolved", "--format", "json").out)
    assert as_yaml == as_json
    assert as_yaml["landing"]["bucket"] == "acme-landing"
    assert as_yaml["shutdown"]["grace_seconds"] == 30


def test_what_is_shown_is_good(program: Callable[..., Any], files: Path) -> None:
    """Without secrets in it, what is printed can be piped into a gateway."""
    shown = program("config", "show", "prod.yaml", "--resolved", "--origins").out
    assert program("config", "check", "-", stdin=shown).out == "standard input is good\n"


def test_secrets_are_not_shown(program: Callable[..., Any]) -> None:
    """Of an example with keys from the environment, masks are printed in their place."""
    keys = {"OBJECTS_ACCESS_KEY_ID": "swordfish", "OBJECTS_SECRET_ACCESS_KEY": "hunter2"}
    for more in ([], ["--resolved"], ["--format", "json"], ["--resolved", "--origins"]):
        said = program("config", "show", str(EXAMPLES / "dev.yaml"), *more, **keys)
        assert said.code == 0
        assert said.out.count("********") == 2
        assert "hunter2" not in said.out
        assert "swordfish" not in said.out


def test_a_wrong_configuration_is_not_shown(tidegate: Callable[..., Any], tmp_path: Path) -> None:
    """What is unknown may be a misspelt secret: it is told as by `check`, and nothing is printed."""
    (tmp_path / "bad.yaml").write_text("aws:\n  secret_acess_key: hunter2\n")
    said = tidegate("config", "show", "bad.yaml")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("tidegate: bad.yaml line 2: aws.secret_acess_key: unknown setting")
    assert "hunter2" not in said.err


def test_show_is_told_what_to_show(tidegate: Callable[..., Any], files: Path) -> None:
    """Without a configuration, and with comments in JSON, the command is called wrongly."""
    assert tidegate("config", "show").code == 2
    said = tidegate("config", "show", "prod.yaml", "--origins", "--format", "json")
    assert said.code == 2
    assert "JSON has none" in said.err


# --- migrate -------------------------------------------------------------------------------------


def test_a_migrated_file_is_printed(tidegate: Callable[..., Any], files: Path) -> None:
    """The file itself stays, and so do its comments; what it extends is not looked at."""
    (files / "old.yaml").write_text("# ours\nextends: absent.yaml  # later\n")
    said = tidegate("config", "migrate", "old.yaml")
    assert (said.code, said.out, said.err) == (0, "# ours\nversion: 1\nextends: absent.yaml  # later\n", "")
    assert (files / "old.yaml").read_text() == "# ours\nextends: absent.yaml  # later\n"


def test_a_file_is_migrated_in_place(tidegate: Callable[..., Any], files: Path) -> None:
    """Its mode stays, and nothing is left beside it; a link to it stays a link."""
    file = files / "old.yaml"
    file.write_text("sftp: {port: 1}\n")
    file.chmod(0o666)
    (files / "link.yaml").symlink_to("old.yaml")
    before = sorted(files.iterdir())
    said = tidegate("config", "migrate", "--in-place", "link.yaml")
    assert (said.code, said.out, said.err) == (0, "", "link.yaml is of version 1 now\n")
    assert file.read_text() == "version: 1\nsftp: {port: 1}\n"
    assert file.stat().st_mode & 0o777 == 0o666
    assert (files / "link.yaml").is_symlink()
    assert sorted(files.iterdir()) == before


def test_nothing_to_do_is_said(tidegate: Callable[..., Any], files: Path) -> None:
    """Printing prints the same text; in place, the file is not written anew."""
    file = files / "base.yaml"
    before = file.stat()
    said = tidegate("config", "migrate", "base.yaml")
    assert (said.code, said.out) == (0, file.read_text())
    assert said.err == "base.yaml is of version 1 already: nothing is to be done\n"
    said = tidegate("config", "migrate", "--in-place", "base.yaml")
    assert (said.code, said.out) == (0, "")
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_line_ends_stay(tidegate: Callable[..., Any], files: Path) -> None:
    """A file of a Windows editor remains one."""
    (files / "old.yaml").write_bytes(b"sftp:\r\n  port: 1\r\n")
    assert tidegate("config", "migrate", "--in-place", "old.yaml").code == 0
    assert (files / "old.yaml").read_bytes() == b"version: 1\r\nsftp:\r\n  port: 1\r\n"


def test_standard_input_is_migrated_to_standard_output(program: Callable[..., Any]) -> None:
    """`-` works as everywhere, but cannot be changed in place."""
    assert program("config", "migrate", "-", stdin="sftp: {}\n").out == "version: 1\nsftp: {}\n"
    said = program("config", "migrate", "--in-place", "-", stdin="sftp: {}\n")
    assert (said.code, said.out) == (2, "")


def test_a_newer_file_is_left_alone(tidegate: Callable[..., Any], files: Path) -> None:
    """It is refused in words, with its line."""
    (files / "new.yaml").write_text("version: 7\n")
    said = tidegate("config", "migrate", "--in-place", "new.yaml")
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        "tidegate: new.yaml line 1: version: 7 is not known here; this tidegate reads version 1\n"
    )
    assert (files / "new.yaml").read_text() == "version: 7\n"
