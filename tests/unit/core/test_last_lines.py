"""The last line of a file, and patterns that could stop the gateway."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.last_lines import (
    MOST_CHARACTERS,
    MOST_WAYS,
    TAIL_BYTES,
    last_line,
    last_line_problem,
    pattern_problem,
)


@pytest.mark.parametrize(
    ("tail", "line"),
    [
        (b"a\nTRL;2", "TRL;2"),
        (b"a\nTRL;2\n", "TRL;2"),
        (b"a\r\nTRL;2\r\n\r\n  \t\r\n", "TRL;2"),
        (b"a\rTRL;2\r", "TRL;2"),
        (b"a\nTRL;2" + b" " * 80 + b"\n\x1a", "TRL;2"),
        (b"\xef\xbb\xbfTRL;2", "TRL;2"),
        (b"  TRL;2", "  TRL;2"),
        ("a\nÜ;2\n".encode(), "Ü;2"),
        (b"a\n\xdc;2\n", "\ufffd;2"),
        (b"a\x0b\x0c\x85b", "a\x0b\x0c\ufffdb"),
        (b"", None),
        (b"\n\r\n \x1a", None),
    ],
)
def test_the_last_line_that_is_not_empty(tail: bytes, line: str | None) -> None:
    """Line ends of any kind, blanks after the record, a mark before it; nothing else ends a line."""
    assert last_line(tail) == line


@given(st.lists(st.text(st.characters(blacklist_characters="\r\n", codec="utf-8"))))
def test_it_is_the_last_line_with_something_in_it(lines: list[str]) -> None:
    """Of any text, the last line is the last that has more than blanks."""
    filled = [line for line in lines if line.strip(" \t\x1a\0")]
    found = last_line("\n".join(lines).encode())
    assert found == (filled[-1].rstrip(" \t\x1a\0").removeprefix("\ufeff") if filled else None)


@given(st.binary())
def test_any_bytes_have_one_or_none(tail: bytes) -> None:
    """No bytes are an error."""
    last_line(tail)


def test_what_is_said_of_a_line() -> None:
    """The whole line must match; one that is too long is not looked at; none at all is said."""
    assert last_line_problem(r"TRL;\d+", b"x\nTRL;17\n") is None
    assert last_line_problem(r"TRL;\d+", b"x\nTRL;17;\n") == r"its last line is not as 'TRL;\\d+' asks"
    assert last_line_problem(".*", b"x" * MOST_CHARACTERS) is None
    assert (
        last_line_problem(".*", b"x" * (MOST_CHARACTERS + 1)) == "its last line is longer than 400 characters"
    )
    assert last_line_problem(".*", b"\n" * TAIL_BYTES) == "it has no last line within its last 8192 bytes"


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "TRAILER",
        r"TRL;\d+;\d+",
        r"T\d{8}[A-Z]{1,3} *",
        r".*;.*",
        r"\d{14};\d{8};\d+;\d+",
        r"\d++;\d++;\d++;\d++;\d++;.*",
        r"(?:[^;]*+;){20}END",
        r"(?P<kind>9|99)(?:\d{6}){2}",
        r"(?i:eof|end of file)",
        r"(?=T).*(?<!;)",
        r"(a)?(?(1)b|c)",
        r"(?>TRL|T)\d*",
    ],
)
def test_sound_patterns(pattern: str) -> None:
    """What trailers are described by is accepted."""
    assert pattern_problem(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+",
        r"(a*)*b",
        r"(a|a)*",
        r"(a|b|ab)*c",
        r".*;.*;.*",
        r"(.*,){9}x",
        "a?" * 40 + "a" * 40,
        r"(x{0,400}){0,400}",
        r"((?:\w+\s?)+,?)+",
        r"(?=(a+)+b)a*",
        r"(?:(?:(?:(?:){65535}){65535}){65535})TRAILER",
        r"(?:(?:(?:\b){65535}+){65535}+){65535}+",
        r"(?:(?:(?:\b){400}){400}){400}",
        r"(?:a|a){20}(?:\b){9000}b",
        r"(?:\d|\w|[^;]){15}!",
    ],
)
def test_patterns_that_could_run_for_ever(pattern: str) -> None:
    """What could be tried in too many ways is refused, however it is written."""
    assert "ways" in str(pattern_problem(pattern))


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "is no regular expression: missing ), unterminated subpattern at character 1"),
        ("a**", "is no regular expression: multiple repeat at character 3"),
        ("[", "is no regular expression: unterminated character set at character 1"),
        ("[[a]", "is no regular expression that will stay what it is: Possible nested set at position 1"),
    ],
)
def test_what_is_no_pattern(pattern: str, said: str) -> None:
    """The refusal says what is wrong with it, and where."""
    assert pattern_problem(pattern) == said


def test_the_worst_that_is_accepted_ends_soon() -> None:
    """A pattern just within the bound is done with the worst line in a fraction of a second."""
    worst = r"(?:a|a){22}b"
    assert MOST_WAYS > 2**22
    assert pattern_problem(worst) is None
    began = time.monotonic()
    assert re.fullmatch(worst, "a" * 23) is None
    assert re.fullmatch(r".*;.*x", ";" * MOST_CHARACTERS) is None
    assert time.monotonic() - began < 2
