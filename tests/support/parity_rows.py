"""One statement on how we compare with AWS Transfer Family, and short ways to write many of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tidegate.core.evidence import Evidence

GUIDE, API, REPORTED = Evidence.GUIDE, Evidence.API, Evidence.REPORTED
INFERRED, MEMORY, UNKNOWN = Evidence.INFERRED, Evidence.MEMORY, Evidence.UNKNOWN


class Verdict(StrEnum):
    SAME = "same"
    DIFFERS = "differs"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Row:
    """
    One row of docs/parity.md.

    Args:
        what: Members, or a behaviour. Several members count as so many rows.
        aws: What Transfer Family does, as far as that is known.
        ours: What we do; empty: the same.
        witness: The tests that show what we do, as `tests/file.py::test`; empty: the group's.
    """

    what: tuple[str, ...]
    verdict: Verdict
    aws: str
    ours: str
    evidence: Evidence
    witness: tuple[str, ...] = ()


def same(what: str, aws: str, evidence: Evidence = API, *witness: str, ours: str = "") -> Row:
    return Row((what,), Verdict.SAME, aws, ours, evidence, witness)


def differs(what: str, aws: str, ours: str, evidence: Evidence = API, *witness: str) -> Row:
    return Row((what,), Verdict.DIFFERS, aws, ours, evidence, witness)


def unknown(what: str, ours: str, *witness: str, aws: str = "") -> Row:
    return Row((what,), Verdict.UNKNOWN, aws, ours, UNKNOWN, witness)


def like(names: str, aws: str = "", evidence: Evidence = API) -> Row:
    """Return the row of members that are as AWS has them."""
    return Row(tuple(names.split()), Verdict.SAME, aws, "", evidence)


def unlike(names: str, aws: str, ours: str, evidence: Evidence = API) -> Row:
    """Return the row of members that are not."""
    return Row(tuple(names.split()), Verdict.DIFFERS, aws, ours, evidence)


def open_to(names: str, aws: str, ours: str) -> Row:
    """Return the row of members of which it is not known."""
    return Row(tuple(names.split()), Verdict.UNKNOWN, aws, ours, UNKNOWN)
