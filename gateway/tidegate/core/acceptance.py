"""
The rules of a route for what it accepts, and the verdict over one file.

A client that ends in the ordinary way may still have sent half a file: nothing on the wire tells Ctrl-C in
OpenSSH from a finished upload. A route can ask for more than CLOSE. What does not meet its rules is kept,
recorded as SUSPECT with the reason, and owed to nobody until it is released.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tidegate.core.last_lines import last_line_problem
from tidegate.core.sidecars import Found, Sidecar, SidecarKind
from tidegate.core.transfers import Content

# How often a file that waits is looked at: after a tenth of the time it has waited, within these.
_SOONEST = timedelta(seconds=10)
_LATEST = timedelta(hours=1)
# For so long, if another file has its name by now: a sidecar that comes is seldom for the older one.
SUPERSEDED_DAYS = 7


class Duplicates(StrEnum):
    """What becomes of a file whose content came before."""

    KEEP = "keep"
    REJECT = "reject"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Rules:
    """
    What a route asks of a file. Sidecars themselves are asked nothing.

    Args:
        last_line: A regular expression that the whole last line has to match.
        duplicate_days: How far back the partner's files of other names are compared; 0: not at all.
    """

    minimum_bytes: int = 0
    last_line: str | None = None
    sidecar: Sidecar | None = None
    duplicates: Duplicates = Duplicates.KEEP
    duplicate_days: int = 0

    @property
    def ask_nothing(self) -> bool:
        return (
            self.minimum_bytes == 0
            and self.last_line is None
            and self.sidecar is None
            and self.duplicates is Duplicates.KEEP
        )

    def is_sidecar(self, path: str) -> bool:
        """Tell whether a path, or a key, is that of a sidecar."""
        return self.sidecar is not None and self.sidecar.is_name(name_of(path))


NO_RULES = Rules()


@dataclass(frozen=True, slots=True)
class Facts:
    """
    What is known of a file; of what its rules do not ask for, nothing need be known.

    Args:
        tail: Its last `last_lines.TAIL_BYTES` bytes.
        sidecar: What was found beside it.
        twin: Which earlier file has the same content, in words.
    """

    name: str
    content: Content
    tail: bytes = b""
    sidecar: Found | None = None
    twin: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What the rules say of a file.

    Args:
        reasons: Which rules are not met, in words; none if all are.
        waits: Whether they may still be met: by a sidecar that comes, or is mended; by an answer that could
            not be had.
    """

    reasons: tuple[str, ...] = ()
    waits: bool = False

    @property
    def is_met(self) -> bool:
        return not self.reasons

    @property
    def text(self) -> str:
        return "; ".join(self.reasons)


def judged(rules: Rules, facts: Facts) -> Verdict:
    """Return the verdict. The same facts, the same verdict, whoever asks."""
    for_good = [problem for problem in _lasting(rules, facts) if problem]
    passing = _sidecar_problem(rules.sidecar, facts) if rules.sidecar else None
    reasons = (*for_good, passing) if passing else tuple(for_good)
    return Verdict(reasons, waits=passing is not None and not for_good)


def next_look(since: datetime, now: datetime) -> datetime:
    """Return when a file that has waited `since` is looked at next: soon at first, then hourly."""
    return now + min(max((now - since) / 10, _SOONEST), _LATEST)


def is_given_up(since: datetime, now: datetime) -> bool:
    """Tell whether a file that has waited `since`, and is current no more, is looked at no longer."""
    return now - since >= timedelta(days=SUPERSEDED_DAYS)


def name_of(path: str) -> str:
    """Return the last component of a path or key."""
    return path.rsplit("/", 1)[-1]


def beside(path: str, name: str) -> str:
    """Return the path, or key, of another name in the same directory."""
    directory, slash, _ = path.rpartition("/")
    return directory + slash + name


def _lasting(rules: Rules, facts: Facts) -> list[str | None]:
    """Return what nothing that comes later can mend."""
    size = facts.content.size
    too_small = f"it has {size} bytes, fewer than the {rules.minimum_bytes} asked for"
    return [
        too_small if size < rules.minimum_bytes else None,
        last_line_problem(rules.last_line, facts.tail) if rules.last_line is not None else None,
        f"it has the same content as {facts.twin}" if facts.twin else None,
    ]


def _sidecar_problem(sidecar: Sidecar, facts: Facts) -> str | None:
    found = facts.sidecar
    if found is None:
        if sidecar.kind is SidecarKind.MANIFEST:
            return f"it waits for its sidecar: no manifest {sidecar.name} names it"
        return f"it waits for its sidecar {sidecar.of(facts.name)}"
    if found.doubt is not None:
        return f"it waits for its sidecar: {found.name} {found.doubt}"
    return None if sidecar.kind is SidecarKind.PRESENCE else _digest_problem(found, facts.content.sha256)


def _digest_problem(found: Found, sha256: str | None) -> str | None:
    if found.problem is not None:
        return f"its sidecar {found.name} {found.problem}"
    if sha256 is None:
        return "its own SHA-256 is not known, so its sidecar cannot be compared"
    if found.digest != sha256:
        return f"its SHA-256 is {sha256}, and its sidecar {found.name} says {found.digest}"
    return None
