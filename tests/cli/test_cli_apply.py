"""Partners from a file: at the start of `local`, and by `apply` while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest


def public_key() -> tuple[str, str]:
    """Return the line of a new key, and its fingerprint."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    return key.export_public_key().decode().strip(), key.get_fingerprint()


OLD, OLD_FINGERPRINT = public_key()
NEW, NEW_FINGERPRINT = public_key()


def partners(**keys_of: list[str]) -> str:
    """Return a configuration with these partners."""
    lines = ["partners:"]
    for name, keys in keys_of.items():
        lines += [f"  - name: {name}", f"    keys: [{', '.join(keys)}]"]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def running(local_run: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A local gateway that was started with two partners, one of them without a key."""
    folder = tmp_path_factory.mktemp("apply")
    (folder / "start.yaml").write_text(partners(alpha=[OLD], demo=[]))
    started = local_run(folder, "--config", "start.yaml")
    try:
        yield started.ready()
    finally:
        started.stop()


@pytest.fixture
def on(tidegate: Callable[..., Any], running: Any) -> Callable[..., Any]:
    """Run a command about the gateway."""
    return lambda *words: tidegate(*words, *running.target)


def fingerprints(on: Callable[..., Any]) -> dict[str, list[str]]:
    """Return the keys of each partner, by its name."""
    listed = on("partners", "list", "--output", "json").json
    return {each["UserName"]: [key["Fingerprint"] for key in each["Keys"]] for each in listed}


def test_a_file_is_put_into_force(on: Callable[..., Any], running: Any, tmp_path: Path) -> None:
    """
    Partners are as the file at the start, then as the file that is applied; a dry run changes nothing.

    Keys that it does not list are gone, partners that it does not name stay; a second run has nothing to do.
    """
    before = fingerprints(on)
    demo_key = running.facts["partners"][1]["private_key_path"]
    assert before.keys() == {"alpha", "demo"}
    assert before["alpha"] == [OLD_FINGERPRINT]
    assert before["demo"] == [asyncssh.read_private_key(demo_key).get_fingerprint()]

    (tmp_path / "new.yaml").write_text(partners(alpha=[NEW], beta=[NEW, OLD]).replace("beta", "beta-2"))
    rows = on("apply", "new.yaml", "--output", "json", "--dry-run").json
    assert rows == [
        {"Action": "add", "UserName": "alpha", "What": f"key {NEW_FINGERPRINT}"},
        {"Action": "remove", "UserName": "alpha", "What": f"key {OLD_FINGERPRINT}"},
        {"Action": "add", "UserName": "beta-2", "What": "partner with home /tidegate-landing/beta-2"},
        {"Action": "add", "UserName": "beta-2", "What": f"key {NEW_FINGERPRINT}"},
        {"Action": "add", "UserName": "beta-2", "What": f"key {OLD_FINGERPRINT}"},
    ]
    assert fingerprints(on) == before

    said = on("apply", "new.yaml", "--dry-run")
    assert said.out.splitlines()[0].split() == ["Action", "UserName", "What"]
    assert said.err.splitlines()[-1] == "dry run: nothing was changed"

    assert on("apply", "new.yaml", "--output", "json").json == rows
    after = fingerprints(on)
    assert (after["alpha"], set(after["beta-2"])) == ([NEW_FINGERPRINT], {NEW_FINGERPRINT, OLD_FINGERPRINT})
    assert after["demo"] == before["demo"]
    assert on("apply", "new.yaml").out == "nothing to change\n"
    assert on("apply", "new.yaml", "--output", "json").json == []

    (tmp_path / "home.yaml").write_text("partners:\n  - name: demo\n    home: /tidegate-landing/in/demo\n")
    (change,) = on("apply", "home.yaml", "--output", "json").json
    assert change["What"] == "home /tidegate-landing/demo to /tidegate-landing/in/demo"
    assert fingerprints(on) == after  # the key that was made for it is still its key


def test_a_partner_without_keys_gets_one_made(on: Callable[..., Any], running: Any, tmp_path: Path) -> None:
    """As at the start of a local gateway; a dry run says so, and makes none."""
    (tmp_path / "new.yaml").write_text("partners:\n  - name: epsilon\n")
    private = running.state_dir / "partners" / "epsilon" / "id_ed25519"
    said = on("apply", "new.yaml", "--dry-run", "--output", "json").json
    assert said[-1] == {
        "Action": "add",
        "UserName": "epsilon",
        "What": "key, made for it in the state directory",
    }
    assert not private.exists()
    assert on("apply", "new.yaml").code == 0
    assert fingerprints(on)["epsilon"] == [asyncssh.read_private_key(private).get_fingerprint()]


def test_one_bad_key_changes_nothing(on: Callable[..., Any], tmp_path: Path) -> None:
    """All is read before anything is written; what is wrong is said with the partner and the place."""
    before = fingerprints(on)
    (tmp_path / "bad.yaml").write_text(partners(alpha=[NEW], beta=["ssh-ed25519 AAAA"]))
    said = on("apply", "bad.yaml")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("tidegate: bad.yaml: partner beta: keys[0]: ")
    assert fingerprints(on) == before


def test_homes_in_another_gateways_bucket_are_refused(on: Callable[..., Any], tmp_path: Path) -> None:
    """A file that forgets to say where uploads land would move every home; one that names them may."""
    before = fingerprints(on)
    elsewhere = "landing: {bucket: another-landing}\npartners:\n  - name: zeta\n"
    (tmp_path / "lost.yaml").write_text(elsewhere)
    said = on("apply", "lost.yaml")
    assert (said.code, said.out) == (1, "")
    assert "zeta has no home, and would get one in another-landing" in said.err
    assert "extend" in said.err
    assert fingerprints(on) == before
    for named in ("home: /tidegate-landing/zeta", "mappings: [{entry: /in, target: /tidegate-landing/zeta}]"):
        (tmp_path / "lost.yaml").write_text(f"{elsewhere}    {named}\n")
        assert on("apply", "lost.yaml", "--dry-run").code == 0


def test_standard_input_is_read_once(program: Callable[..., Any]) -> None:
    """`apply - --config -` would read the one as the other, and find it empty."""
    said = program("apply", "-", "--config", "-")
    assert (said.code, said.out) == (2, "")
    assert "standard input cannot be both" in said.err


def test_homes_of_several_entries_are_put_into_force(on: Callable[..., Any], tmp_path: Path) -> None:
    """Entries, their types and the start are the home's; each change of them is told, and made once."""
    text = f"""\
partners:
  - name: several
    keys: [{OLD}]
    directory: /in
    mappings:
      - {{entry: /in, target: "/tidegate-landing/${{transfer:UserName}}/in"}}
      - {{entry: /readme.txt, target: /shared/readme.txt, type: FILE}}
"""
    file = tmp_path / "several.yaml"
    file.write_text(text)
    [row, _] = on("apply", str(file), "--output", "json").json
    home = "/in = /tidegate-landing/several/in, /readme.txt = /shared/readme.txt"
    assert row["What"] == f"partner with home {home} (FILE), starting in /in"
    shown = on("partners", "show", "several", "--output", "json").json
    assert [each["Type"] for each in shown["HomeDirectoryMappings"]] == ["DIRECTORY", "FILE"]
    assert shown["StartDirectory"] == "/in"
    assert on("apply", str(file)).out == "nothing to change\n"

    file.write_text(text.replace(", type: FILE", ""))
    [row] = on("apply", str(file), "--output", "json").json
    assert row["What"] == f"home {home} (FILE), starting in /in to {home}, starting in /in"
