"""The verdict over one file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.acceptance import (
    NO_RULES,
    Duplicates,
    Facts,
    Rules,
    Verdict,
    beside,
    judged,
    name_of,
    next_look,
)
from tidegate.core.sidecars import Found, Sidecar, SidecarKind
from tidegate.core.transfers import Content

NOW = datetime(2026, 3, 9, tzinfo=UTC)
MINE, OTHER = "ab" * 32, "cd" * 32
CONTENT = Content(12, MINE)
UNLIKE = f"its SHA-256 is {MINE}, and its sidecar"
OK, SHA = Sidecar.with_suffix(".ok"), Sidecar.with_suffix(".sha256")
MANIFEST = Sidecar(SidecarKind.MANIFEST, "m-*")


def verdict(rules: Rules, **facts: object) -> Verdict:
    return judged(rules, Facts(**{"name": "x.csv", "content": CONTENT, **facts}))


def test_no_rules_are_always_met() -> None:
    """Where nothing is asked, every file is accepted."""
    assert NO_RULES.ask_nothing
    assert verdict(NO_RULES, content=Content(0, None)).is_met


@pytest.mark.parametrize(
    "rules",
    [
        Rules(minimum_bytes=1),
        Rules(last_line=""),
        Rules(sidecar=OK),
        Rules(duplicates=Duplicates.FLAG),
        Rules(duplicates=Duplicates.REJECT),
    ],
)
def test_any_rule_asks_for_something(rules: Rules) -> None:
    """Each rule alone has files judged."""
    assert not rules.ask_nothing


@pytest.mark.parametrize(("size", "is_met"), [(11, False), (12, True), (13, True)])
def test_minimum(size: int, is_met: bool) -> None:
    """The smallest size is accepted, and one byte less is not."""
    found = verdict(Rules(minimum_bytes=12), content=Content(size, MINE))
    assert (found.is_met, found.waits) == (is_met, False)


def test_last_line() -> None:
    """A file without its control record is held back, and nothing that comes can mend it."""
    rules = Rules(last_line="TRL.*")
    assert verdict(rules, tail=b"a\nTRL;1\n").is_met
    assert verdict(rules, tail=b"a\n") == Verdict(("its last line is not as 'TRL.*' asks",))


@pytest.mark.parametrize(
    ("sidecar", "found", "said"),
    [
        (OK, None, "it waits for its sidecar x.csv.ok"),
        (OK, Found("x.csv.ok", doubt="is older"), "it waits for its sidecar: x.csv.ok is older"),
        (OK, Found("x.csv.ok"), ""),
        (SHA, None, "it waits for its sidecar x.csv.sha256"),
        (SHA, Found("x.csv.sha256", MINE), ""),
        (
            SHA,
            Found("x.csv.sha256", OTHER),
            f"{UNLIKE} x.csv.sha256 says {OTHER}",
        ),
        (SHA, Found("x.csv.sha256", problem="is too large"), "its sidecar x.csv.sha256 is too large"),
        (MANIFEST, None, "it waits for its sidecar: no manifest m-* names it"),
        (MANIFEST, Found("m-1", MINE), ""),
        (
            MANIFEST,
            Found("m-1", OTHER),
            f"{UNLIKE} m-1 says {OTHER}",
        ),
    ],
)
def test_sidecars(sidecar: Sidecar, found: Found | None, said: str) -> None:
    """A sidecar that is missing, unreadable or of other bytes holds the file back; a better one may come."""
    given = verdict(Rules(sidecar=sidecar), sidecar=found)
    assert (given.text, given.waits) == (said, bool(said))


def test_an_unknown_digest_is_not_compared() -> None:
    """Where a gateway could not count, nothing is taken for equal."""
    found = verdict(Rules(sidecar=SHA), content=Content(12, None), sidecar=Found("x.csv.sha256", MINE))
    assert found.text == "its own SHA-256 is not known, so its sidecar cannot be compared"


def test_duplicates() -> None:
    """The reason names the file that came before."""
    found = verdict(Rules(duplicates=Duplicates.FLAG), twin="/old.csv")
    assert found == Verdict(("it has the same content as /old.csv",))


def test_all_that_is_wrong_is_said() -> None:
    """Every rule that is not met is in the reason; and what no sidecar can mend waits for none."""
    rules = Rules(minimum_bytes=99, last_line="TRL", sidecar=OK, duplicates=Duplicates.FLAG)
    found = verdict(rules, twin="/old.csv")
    assert len(found.reasons) == 4
    assert found.text.count(";") == 3
    assert not found.waits


def test_sidecars_are_not_judged_as_files() -> None:
    """A route knows its sidecars by name, of paths and keys alike."""
    rules = Rules(minimum_bytes=99, sidecar=OK)
    assert rules.is_sidecar("/in/x.csv.ok")
    assert not rules.is_sidecar("/in.ok/x.csv")
    assert not Rules(minimum_bytes=99).is_sidecar("/in/x.csv.ok")


def test_names_beside() -> None:
    """Another name in the same directory, of paths, keys and names without any directory."""
    assert name_of("/in/x.csv") == name_of("x.csv") == "x.csv"
    assert [beside(path, "y") for path in ("/in/x", "acme/in/x", "/x", "x")] == [
        "/in/y",
        "acme/in/y",
        "/y",
        "y",
    ]


@given(st.timedeltas(timedelta(0), timedelta(days=400)))
def test_who_waits_is_looked_at_sooner_when_young(waited: timedelta) -> None:
    """Never sooner than in ten seconds, never later than in an hour, and otherwise in a tenth of its age."""
    ahead = next_look(NOW - waited, NOW) - NOW
    assert timedelta(seconds=10) <= ahead <= timedelta(hours=1)
    assert ahead <= max(waited / 10, timedelta(seconds=10))
