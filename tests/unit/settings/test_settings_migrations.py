"""Versions of the format, and text brought up to date."""

from __future__ import annotations

import io

import pytest
import yaml

from tidegate.core.errors import InvalidSettings
from tidegate.settings import load
from tidegate.settings.migrations import FORMAT_VERSION, STEPS, migrated, refused_version, version_of

COMMENTED = """\
# Our gateway.
# Ask Ann before you change it.

sftp:          # the server
    port:   22 # odd, but ours

landing: {bucket: 'our-landing'}
"""


def refusal_of(text: str) -> str:
    with pytest.raises(InvalidSettings) as caught:
        migrated(text, "c.yaml")
    return caught.value.detail


def test_every_older_version_has_a_step() -> None:
    """From any version before this one, steps lead up to it."""
    assert sorted(STEPS) == list(range(FORMAT_VERSION))


def test_a_file_without_a_version_is_given_one() -> None:
    """The line stands before the first setting; comments and layout are as they were."""
    assert migrated(COMMENTED, "c.yaml") == COMMENTED.replace("sftp: ", "version: 1\nsftp: ", 1)


def test_a_file_of_this_version_stays() -> None:
    """Migrating twice is migrating once."""
    once = migrated(COMMENTED, "c.yaml")
    assert migrated(once, "c.yaml") == once
    assert migrated("{ version: 1 }", "c.yaml") == "{ version: 1 }"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "version: 1\n"),
        ("# nothing yet", "# nothing yet\nversion: 1\n"),
        ("# nothing yet\r\n", "# nothing yet\r\nversion: 1\r\n"),
        ("---\n", "---\nversion: 1\n"),
        ("---\n# x\na: 1\n", "---\n# x\nversion: 1\na: 1\n"),
        ("%YAML 1.1\n---\na: 1\n...\n", "%YAML 1.1\n---\nversion: 1\na: 1\n...\n"),
        ("a: 1\r\nb: 2\r\n", "version: 1\r\na: 1\r\nb: 2\r\n"),
        ("  a: 1\n  b: 2\n", "  version: 1\n  a: 1\n  b: 2\n"),
        ("{}", "{version: 1}"),
        ("{a: 1}\n", "{version: 1, a: 1}\n"),
        ("--- {a: 1}\n", "--- {version: 1, a: 1}\n"),
        ("a: 1\nversion: 0  # old\n", "a: 1\nversion: 1  # old\n"),
        ("&x\na: 1\n", "&x\nversion: 1\na: 1\n"),
        ("'a': &x {b: 1}\nc: *x\n", "version: 1\n'a': &x {b: 1}\nc: *x\n"),
    ],
)
def test_the_line_finds_its_place(text: str, expected: str) -> None:
    """However the YAML is written, the text says what it did and the version."""
    assert migrated(text, "c.yaml") == expected
    assert yaml.safe_load(expected) == {**(yaml.safe_load(text) or {}), "version": 1}


def test_a_migrated_file_loads_to_the_same_settings() -> None:
    """A file without a version is accepted as it is, too."""
    before, after = (
        load("-", {}, io.StringIO(text)).settings for text in (COMMENTED, migrated(COMMENTED, "c"))
    )
    assert before == after


@pytest.mark.parametrize("text", ["? a\n: 1\n", "null\n", "<<: {a: 1}\nversion: &v 0\nb: *v\n", "---\n...\n"])
def test_what_cannot_be_changed_as_text_is_left_to_people(text: str) -> None:
    """Where no line can be put in without changing more, what to write is said."""
    assert refusal_of(text) == "c.yaml: cannot be changed as text; write `version: 1` into it yourself"


def test_a_newer_version_is_refused() -> None:
    """What is not known cannot be brought back."""
    assert refusal_of("# x\nversion: 2\n") == (
        "c.yaml line 2: version: 2 is not known here; this tidegate reads version 1"
    )


@pytest.mark.parametrize("version", ["one", "1.0", "true", "[1]", "null"])
def test_a_version_that_is_none_is_refused(version: str) -> None:
    """A version is a whole number."""
    assert refusal_of(f"version: {version}\n").startswith(
        "c.yaml line 1: version: expected a whole number, not "
    )


@pytest.mark.parametrize("text", ["a: b: c\n", "- a\n", "a: 1\na: 2\n"])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    """Text that says nothing certain is not changed."""
    assert refusal_of(text).startswith("c.yaml line ")


def test_the_version_of_a_text() -> None:
    """None said is 0."""
    assert (version_of("a: 1", "c"), version_of("version: 0", "c"), version_of("version: 1", "c")) == (
        0,
        0,
        1,
    )


def test_an_older_version_is_refused_with_the_command() -> None:
    """Loading says how to go on; of no older version is anything guessed."""
    said = "is older than 3, which this tidegate reads; `tidegate config migrate FILE` brings it up to date"
    assert refused_version(1, known=3) == f"1 {said}"
    assert refused_version(3, known=3) == ""
    assert refused_version(None, known=3) == ""
    assert refused_version(4, known=3) == "4 is not known here; this tidegate reads version 3"
    assert refused_version(-1, known=3) == "-1 is not known here; this tidegate reads version 3"
    with pytest.raises(InvalidSettings) as caught:
        load("-", {}, io.StringIO("version: 0\n"))
    assert caught.value.detail.startswith("standard input line 1: version: 0 is older than 1, which")
