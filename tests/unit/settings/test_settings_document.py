"""YAML text to values with lines."""

from __future__ import annotations

import pytest

from tidegate.core.errors import InvalidSettings
from tidegate.settings.document import MAX_DEPTH, MAX_DOCUMENT_BYTES, MAX_VALUES, parse


def refusal_of(text: str) -> str:
    with pytest.raises(InvalidSettings) as caught:
        parse(text, "c.yaml")
    return caught.value.detail


def test_values_come_with_the_line_of_their_key_or_item() -> None:
    """Each key has the line it stands on, each item of a list the line it starts on."""
    document = parse(
        "# head\nsftp:\n  port: 22\npartners:\n  - name: acme\n    keys: [a,\n      b]\n", "c.yaml"
    )
    assert document.values == {"sftp": {"port": 22}, "partners": [{"name": "acme", "keys": ["a", "b"]}]}
    assert document.lines[("sftp", "port")] == 3
    assert document.lines[("partners", 0)] == 5
    assert document.lines[("partners", 0, "keys", 1)] == 7
    assert document.lines[()] == 2


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "null\n", "~"])
def test_an_empty_text_is_an_empty_mapping(text: str) -> None:
    """Nothing, comments and an explicit null all say nothing."""
    assert parse(text, "c.yaml").values == {}


@pytest.mark.parametrize("text", ["- a\n", "word\n", "42\n", "[]\n", "false\n"])
def test_the_top_level_must_be_a_mapping(text: str) -> None:
    """A list or a scalar at the top is refused, also those that Python takes for empty."""
    assert refusal_of(text).startswith("c.yaml line 1: the top level must be a mapping of settings")


def test_a_key_said_twice_is_refused_with_both_lines() -> None:
    """A repeated key names its own line and the first one's, at any depth and more than once."""
    text = "sftp:\n  port: 1\n  host: a\n  port: 2\npartners:\n  - name: a\n    name: b\nsftp: {}\n"
    assert refusal_of(text).splitlines() == [
        "c.yaml line 4: sftp.port: said twice, first on line 2",
        "c.yaml line 7: partners[0].name: said twice, first on line 6",
        "c.yaml line 8: sftp: said twice, first on line 1",
    ]


def test_merge_keys_fill_in_and_own_keys_win() -> None:
    """`<<` adds what the mapping does not say itself; of several sources the first wins."""
    text = (
        "base: &base {bucket: one, prefix: a/}\n"
        "other: &other {bucket: two, kms_key: k}\n"
        "mine:\n  bucket: own\n  <<: [*base, *other]\n"
        "again:\n  <<: *base\n"
    )
    values = parse(text, "c.yaml").values
    assert values["mine"] == {"bucket": "own", "prefix": "a/", "kms_key": "k"}
    assert values["again"] == {"bucket": "one", "prefix": "a/"}


def test_a_merged_mapping_used_twice_is_no_repeated_key() -> None:
    """Replacing a merged key is no repetition, however often the mapping is used."""
    text = "a: &a {x: 1}\nb: &b\n  <<: *a\n  x: 2\nc: *b\nd:\n  <<: *b\n  x: 3\n"
    assert parse(text, "c.yaml").values["d"] == {"x": 3}


def test_merging_what_is_no_mapping_is_refused() -> None:
    """`<<: 5` is an error with its line."""
    assert refusal_of("a:\n  <<: 5\n") == "c.yaml line 2: a: << takes a mapping or a list of mappings"


def test_a_merged_key_has_the_line_it_was_written_on() -> None:
    """An error in a merged value points at the anchor, where it is to be mended."""
    document = parse("base: &base\n  bucket: one\nmine:\n  <<: *base\n", "c.yaml")
    assert document.lines[("mine", "bucket")] == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: [1,\n", "c.yaml line 3: not valid YAML: while parsing a flow node, "),
        ("a: b: c\n", "c.yaml line 1: not valid YAML: mapping values are not allowed here"),
        ("a:\n\t- b\n", "c.yaml line 2: not valid YAML: while scanning for the next token, "),
        ("a: *nowhere\n", "c.yaml line 1: not valid YAML: found undefined alias 'nowhere'"),
        ("a: 1\n---\nb: 2\n", "c.yaml line 2: not valid YAML: expected a single document in the stream, "),
        ("a: 1\nb: \x07\n", "c.yaml line 2: not valid YAML: character 0x0007 is not allowed"),
        ('a: "\\UFFFFFFFF"\n', "c.yaml: not valid YAML: an escape or number that stands for nothing"),
        ("a: 2026-13-45\n", "c.yaml line 1: a: looks like a timestamp but is none; put it in quotes"),
        ("a: !!int ''\n", "c.yaml line 1: a: looks like a int but is none; put it in quotes"),
        ("a: !thing 1\n", "c.yaml line 1: a: the tag '!thing' is not known here"),
        ("a: !!python/object:os.system {}\n", "c.yaml line 1: a: the tag '!!python/object:os.system'"),
        ("a: !!binary aGk=\n", "c.yaml line 1: a: the tag '!!binary' is not known here"),
        ("on: 1\n", "c.yaml line 1: a key must be text, not 'on'"),
        ("a:\n  2222: 1\n", "c.yaml line 2: a: a key must be text, not '2222'"),
        ("? [a, b]\n: 1\n", "c.yaml line 1: a key must be text, not a list or mapping"),
    ],
)
def test_what_is_no_plain_yaml_is_one_line(text: str, said: str) -> None:
    """Malformed text, foreign tags and odd keys are each told in one line with the place."""
    detail = refusal_of(text)
    assert detail.startswith(said)
    assert "\n" not in detail


def test_a_text_above_the_limit_is_refused() -> None:
    """8 MiB pass; one byte more does not, counted in UTF-8."""
    line = "# " + "x" * 61 + "\n"
    assert parse(line * (MAX_DOCUMENT_BYTES // len(line)), "c.yaml").values == {}
    assert "larger than 8388608 bytes (8 MiB)" in refusal_of("#" + "x" * MAX_DOCUMENT_BYTES)
    assert "larger than" in refusal_of("#" + "é" * (MAX_DOCUMENT_BYTES // 2))


def bomb(line: str) -> str:
    lines = ["a0: &a0 {x: 1}"]
    lines += [line.format(new=number + 1, old=", ".join([f"*a{number}"] * 9)) for number in range(12)]
    return "\n".join(lines)


@pytest.mark.parametrize("line", ["a{new}: &a{new} [{old}]", "a{new}: &a{new} {{<<: [{old}]}}"])
def test_a_bomb_of_aliases_is_refused(line: str) -> None:
    """A few lines that mean billions of values are refused, through lists and through merge keys."""
    assert f"holds more than {MAX_VALUES} values, aliases counted each time" in refusal_of(bomb(line))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]\n",
        "a: &a {b: *a}\n",
        "a: &a {<<: *a}\n",
        "a: " + "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2),
        "a: " + "[" * 20_000,
        "a: " + "{b: " * 20_000,
    ],
)
def test_what_is_too_deep_is_refused(text: str) -> None:
    """Nesting without end, or with an end too far off, is one line and no recursion error."""
    detail = refusal_of(text)
    assert f"nested more than {MAX_DEPTH} levels deep" in detail
    assert "\n" not in detail
