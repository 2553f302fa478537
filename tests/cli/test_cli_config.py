"""`tidegate config`: wherever the YAML comes from, and its schema."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "config" / "examples"


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_good(
    tidegate: Callable[..., Any], example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What people begin with is accepted."""
    monkeypatch.setenv("OBJECTS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("OBJECTS_SECRET_ACCESS_KEY", "secret")
    said = tidegate("config", "check", str(example))
    assert (said.code, said.out, said.err) == (0, f"{example} is good\n", "")


def test_yaml_comes_from_anywhere(program: Callable[..., Any], tmp_path: Path) -> None:
    """From a path, standard input or the environment; each is called by its name."""
    (tmp_path / "my config.yaml").write_text("version: 1\n")
    assert program("config", "check", "my config.yaml").out == "my config.yaml is good\n"
    assert program("config", "check", "-", stdin="version: 1\n").out == "standard input is good\n"
    assert program("config", "check", TIDEGATE_CONFIG="{version: 1}").out == "TIDEGATE_CONFIG is good\n"


def test_all_problems_are_said_at_once(tidegate: Callable[..., Any], tmp_path: Path) -> None:
    """A line each, with the place; nothing is printed to standard output."""
    (tmp_path / "bad.yaml").write_text("version: 2\nsftp:\n  port: 70000\n  prot: 1\n")
    said = tidegate("config", "check", "bad.yaml")
    assert (said.code, said.out) == (1, "")
    assert [line.split(": ")[1] for line in said.err.splitlines()] == [
        "bad.yaml line 1",
        "bad.yaml line 3",
        "bad.yaml line 4",
    ]


def test_a_secret_is_not_printed(program: Callable[..., Any]) -> None:
    """Neither one that stands in the file, nor one from the environment of a file that is wrong elsewhere."""
    written = (
        "aws: {endpoint_url: 'http://x', access_key_id: hunter2, secret_access_key: '${SECRET}'}\nverion: 1\n"
    )
    said = program("config", "check", "-", stdin=written, SECRET="swordfish")
    assert said.code == 1
    assert "hunter2" not in said.err
    assert "swordfish" not in said.err


def test_the_schema_is_printed(tidegate: Callable[..., Any]) -> None:
    """As JSON, for editors."""
    schema = tidegate("config", "schema").json
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "partners" in schema["properties"]
