"""Problems as lines."""

from __future__ import annotations

import pytest

from tidegate.settings.problems import MOST_LINES, Origin, Place, Problem, dotted, refusal, shown


def test_places_are_written_as_people_write_them() -> None:
    """Keys are joined by dots and positions stand in brackets; odd keys are quoted on one line."""
    assert dotted(("deliveries", "targets", 0, "bucket")) == "deliveries.targets[0].bucket"
    assert dotted(("a", "b\nc", "")) == "a.'b\\nc'.''"
    assert dotted(()) == ""
    assert len(dotted(("x" * 5000,))) < 100


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "nothing"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (1.5, "1.5"),
        (1 << 200, "a huge number"),
        ("a\nb", "'a\\nb'"),
        ({}, "a mapping"),
        ([], "a list"),
        ((), "a list"),
        ("x" * 200, "'" + "x" * 75 + " ..."),
    ],
)
def test_values_are_shown_as_the_file_has_them(value: object, said: str) -> None:
    """A value is one short line, in YAML's words."""
    assert shown(value) == said


def test_a_problem_has_the_line_of_the_nearest_thing_written() -> None:
    """A line of its own comes first, then that of the setting, of what holds it, of the document."""
    origins: dict[Place, Origin] = {
        place: Origin("c.yaml", line) for line, place in enumerate(((), ("a",), ("a", "b")), 1)
    }
    problems = [
        Problem(("a", "b"), "own", 9),
        Problem(("a", "b"), "exact"),
        Problem(("a", "x", 0), "within"),
        Problem(("z",), "absent"),
        Problem((), "whole"),
    ]
    assert refusal("c.yaml", problems, origins).detail.splitlines() == [
        "c.yaml: z: absent",
        "c.yaml line 1: whole",
        "c.yaml line 2: a.x[0]: within",
        "c.yaml line 3: a.b: exact",
        "c.yaml line 9: a.b: own",
    ]


def test_what_the_file_itself_says_comes_before_what_it_extends() -> None:
    """Problems are grouped by the file they were written in, the one that was named first."""
    origins: dict[Place, Origin] = {
        ("a",): Origin("base.yaml", 1),
        ("b",): Origin("prod.yaml", 9),
        ("c",): Origin("again.yaml", 5),
        ("d",): Origin("prod.yaml", None),
    }
    problems = [Problem((name,), "wrong") for name in "abcd"]
    assert refusal("prod.yaml", problems, origins).detail.splitlines() == [
        "prod.yaml: d: wrong",
        "prod.yaml line 9: b: wrong",
        "again.yaml line 5: c: wrong",
        "base.yaml line 1: a: wrong",
    ]


def test_a_flood_of_problems_is_cut_short() -> None:
    """Of very many problems the first are said, and how many more there are."""
    problems = [Problem(("partners", number), "wrong") for number in range(MOST_LINES + 7)]
    lines = refusal("c.yaml", problems, {}).detail.splitlines()
    assert lines[MOST_LINES - 1 :] == [
        f"c.yaml: partners[{MOST_LINES - 1}]: wrong",
        "c.yaml: and 7 more problems",
    ]
