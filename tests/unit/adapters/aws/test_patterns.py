"""Patterns of the model, as Python matches them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.adapters.aws import patterns
from tidegate.adapters.aws.patterns import compiled
from tidegate.adapters.aws.service_model import transfer_model
from tidegate.core.shapes import Shape

MODEL = transfer_model()
# Together these are parts of every text that a pattern of the model is about, and of none.
PUMPS = (" ", "a", "a.", "A=", "role/", "-", "/a", "\t ", "0", "=")
STARTS = ("", "ssh-a", "ssh-a AAAA", "${", "arn:", "/", "arn:aws:elasticfilesystem:")
ENDS = ("\na", "!", " ", "}")
SLOW_SECONDS = 0.1


def patterns_of(shape: Shape) -> Iterator[str]:
    if shape.pattern:
        yield shape.pattern_text
    for below in (*shape.members.values(), *([shape.item] if shape.item else [])):
        yield from patterns_of(below)


PATTERNS = sorted({text for each in MODEL.operations.values() for text in patterns_of(each.input)})


@pytest.mark.parametrize("text", PATTERNS)
def test_no_pattern_is_slow(text):
    """However long a text is, a pattern decides of it at once; lengths grow, so that a slow one is seen."""
    pattern = compiled(text)
    for length in (16, 22, 26, 100, 300, 2048):
        for start, pump, end in product(STARTS, PUMPS, ENDS):
            before = time.perf_counter()
            pattern.fullmatch(start + pump * (length // len(pump)) + end)
            took = time.perf_counter() - before
            assert took < SLOW_SECONDS, f"{took:.3f} s for {length} characters of {start!r} {pump!r} {end!r}"


@pytest.mark.parametrize("text", patterns._QUICK)
def test_quick_patterns_stand_for_patterns_of_the_model(text):
    """A newer model may have others."""
    assert text in PATTERNS


PIECES = st.lists(
    st.sampled_from(["ssh-", "a", "Z9", "=", " ", "\t", "\n", "#", "${", "}", ".", "-"]), max_size=9
)


@given(PIECES, st.sampled_from(["", "ssh-a", "ssh-a ", "ecdsa-b AAA", "${a", " ssh-a\t "]))
def test_quick_patterns_accept_the_same(pieces, start):
    """As Python's own reading of the pattern does, on short texts."""
    text = start + "".join(pieces)
    for slow in patterns._QUICK:
        expected = re.compile(slow, re.ASCII).fullmatch(text) is not None
        assert (compiled(slow).fullmatch(text) is not None) == expected


@pytest.mark.parametrize(
    ("operation", "path", "good", "bad"),
    [
        ("ImportHostKey", ("Description",), ["", "a key, of ~2026"], ["tab\t", "ü"]),
        ("CreateWorkflow", ("Description",), ["a-b c_d"], ["a.b", "ü"]),
        ("CreateUser", ("UserName",), ["abc", "a@b.c-d"], ["ab", "@bc", "äbc", "abc\n"]),
    ],
)
def test_patterns_mean_what_they_mean_in_java(operation, path, good, bad):
    """A letter is one of ASCII, printable is printable, and a hyphen in a class is itself."""
    shape = MODEL.operations[operation].input
    for name in path:
        shape = shape.members[name]
    assert isinstance(shape.pattern, re.Pattern)
    assert [text for text in good if not shape.pattern.fullmatch(text)] == []
    assert [text for text in bad if shape.pattern.fullmatch(text)] == []


def test_patterns_with_classes_of_unicode():
    """Letters, digits and blanks of any script; the tags of a workflow's step have them."""
    step = MODEL.operations["CreateWorkflow"].input.members["Steps"].item
    assert step is not None
    tag = step.members["TagStepDetails"].members["Tags"].item
    assert tag is not None
    pattern = tag.members["Key"].pattern
    assert pattern is not None
    assert pattern.fullmatch("büro 七_:/=+-@.\u2003x")
    assert not pattern.fullmatch("a\tb")
    assert not pattern.fullmatch("a*b")
