"""What the flags of an OPEN ask for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import Unsupported
from tidegate.core.open_modes import OpenFlag, OpenIntent, intent_of, mode_text

R, W, A, C, T, X = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20


@pytest.mark.parametrize(
    ("pflags", "intent"),
    [
        pytest.param(R, OpenIntent(False, False, False), id="get"),
        pytest.param(R | C, OpenIntent(False, False, False), id="read, and create if missing"),
        pytest.param(R | C | X, OpenIntent(False, False, False), id="read, exclusively"),
        pytest.param(R | T, OpenIntent(False, False, False), id="read, truncating"),
        pytest.param(W | C | T, OpenIntent(True, False, False), id="put"),
        pytest.param(W | C, OpenIntent(True, False, False), id="scp"),
        pytest.param(W | C | T | X, OpenIntent(True, False, True), id="put a new file"),
        pytest.param(W | C | X, OpenIntent(True, False, True), id="a new file"),
        pytest.param(W, OpenIntent(True, True, False), id="write what is there"),
        pytest.param(W | T, OpenIntent(True, True, False), id="truncate what is there"),
        pytest.param(W | X, OpenIntent(True, True, False), id="exclusive means nothing without create"),
    ],
)
def test_offered(pflags, intent):
    """Reading is reading; writing makes a new object, and without CREATE only over an existing one."""
    assert intent_of(pflags) == intent


@pytest.mark.parametrize(
    ("pflags", "text"),
    [
        pytest.param(R | W, "READ|WRITE", id="read and write"),
        pytest.param(R | W | C, "CREATE|READ|WRITE", id="sshfs"),
        pytest.param(W | A | C, "APPEND|CREATE|WRITE", id="append"),
        pytest.param(A, "APPEND", id="append alone"),
        pytest.param(R | A, "APPEND|READ", id="append and read"),
        pytest.param(C | T, "CREATE|TRUNCATE", id="neither"),
        pytest.param(0, "NONE", id="nothing"),
        pytest.param(
            R | W | A | C | T | X, "APPEND|CREATE|EXCLUSIVE|READ|TRUNCATE|WRITE", id="everything at once"
        ),
    ],
)
def test_refused(pflags, text):
    """What S3 cannot do is refused with the text Transfer Family sends, made of flag names alone."""
    with pytest.raises(Unsupported) as refused:
        intent_of(pflags)
    assert refused.value.text == f"Cannot open file in mode: {text}"
    assert mode_text(pflags) == text


@given(st.integers(0, 2**32 - 1))
def test_unknown_bits_mean_nothing(pflags):
    """Bits of other versions and vendors change neither the intent nor the text."""
    known = pflags & (R | W | A | C | T | X)
    assert mode_text(pflags) == mode_text(known)
    try:
        expected = intent_of(known)
    except Unsupported:
        with pytest.raises(Unsupported):
            intent_of(pflags)
    else:
        assert intent_of(pflags) == expected


def test_the_bits_are_those_of_the_draft():
    """draft-ietf-secsh-filexfer-02, section 6.3."""
    assert {flag.name: flag.value for flag in OpenFlag} == {
        "READ": 1,
        "WRITE": 2,
        "APPEND": 4,
        "CREATE": 8,
        "TRUNCATE": 16,
        "EXCLUSIVE": 32,
    }
