"""The generated blocks of docs/parity.md."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

# As part of a program this file is not under pytest's path.
sys.path.insert(1, str(Path(__file__).parent.parent))
from support.parity_behaviours import BEHAVIOURS
from support.parity_checks import CHECKS
from support.parity_later import LATER
from support.parity_members import OPERATIONS, STRUCTURES
from support.parity_rows import Row, Verdict

ROOT = Path(__file__).parent.parent.parent
_HEAD = ["", "AWS", "tidegate", "verdict", "evidence"]


def is_there(witness: str) -> bool:
    """Tell whether a test is there: one that comes with other work is named without a link to it."""
    name, _, test = witness.partition("::")
    path = ROOT / name
    return path.exists() and f"def {test}(" in path.read_text(encoding="utf-8")


def share_table() -> str:
    """Return how many rows of each part have each verdict; each member counts for itself."""
    requests = [row for request, _ in OPERATIONS.values() for row in request]
    answers = [row for _, answer in OPERATIONS.values() for row in answer]
    parts = {
        "members of requests": requests,
        "members of answers": answers,
        "members of structures in them": _all(STRUCTURES),
        "behaviour of the API": _all(BEHAVIOURS),
        "what imitators get wrong, and checks": _all(CHECKS),
        "logs, events, metrics, rights": _all(LATER),
    }
    rows = [[name, *_counts(found)] for name, found in parts.items()]
    everything = [row for found in parts.values() for row in found]
    return _table(["", *Verdict, "in all"], [*rows, ["**all**", *_counts(everything)]])


def _all(groups: Mapping[str, Iterable[Row]]) -> list[Row]:
    return [row for rows in groups.values() for row in rows]


def _counts(rows: Iterable[Row]) -> list[str]:
    counts = Counter(dict.fromkeys(Verdict, 0))
    for row in rows:
        counts[row.verdict] += len(row.what)
    return [*(str(counts[verdict]) for verdict in Verdict), str(counts.total())]


def operation_table() -> str:
    """Return the members of requests and answers."""
    rows = []
    for name, halves in OPERATIONS.items():
        for half, members in zip(("request", "answer"), halves, strict=True):
            rows += [[f"`{name}`", half, *_member_cells(row)] for row in _joined(members)]
    return _table(["operation", "", "members", *_HEAD[1:]], rows)


def structure_table() -> str:
    """Return the members of structures."""
    rows = [
        [f"`{name}`", *_member_cells(row)] for name, members in STRUCTURES.items() for row in _joined(members)
    ]
    return _table(["structure", "members", *_HEAD[1:]], rows)


def _joined(rows: Iterable[Row]) -> Iterator[Row]:
    """Return the rows with those that say the same of several members as one."""
    told: dict[object, list[str]] = {}
    for row in rows:
        told.setdefault((row.verdict, row.aws, row.ours, row.evidence), []).extend(row.what)
    for (verdict, aws, ours, evidence), names in told.items():  # type: ignore[misc]
        yield Row(tuple(sorted(names)), verdict, aws, ours, evidence)


def _member_cells(row: Row) -> list[str]:
    names = ", ".join(f"`{name}`" for name in row.what)
    return [names, _cell(row.aws), _cell(row.ours), _verdict(row), f"`{row.evidence}`"]


def behaviour_tables(groups: Mapping[str, Iterable[Row]]) -> str:
    """Return a table for each group, with the tests that show what stands there as ours."""
    return "\n".join(
        f"### {group}\n\n{_table([*_HEAD, 'shown by'], list(map(_behaviour_cells, rows)))}"
        for group, rows in groups.items()
    )


def _behaviour_cells(row: Row) -> list[str]:
    shown = "<br>".join(_witness(each) for each in row.witness)
    return [_cell(row.what[0]), _cell(row.aws), _cell(row.ours), _verdict(row), f"`{row.evidence}`", shown]


def _witness(witness: str) -> str:
    return f"`{witness}`" if is_there(witness) else witness.replace("::", " ")


def _verdict(row: Row) -> str:
    return "**differs**" if row.verdict is Verdict.DIFFERS else str(row.verdict)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, ["---"] * len(head), *rows])


GENERATED = {
    "parity shares": share_table,
    "parity operations": operation_table,
    "parity structures": structure_table,
    "parity behaviours": lambda: behaviour_tables(BEHAVIOURS),
    "parity checks": lambda: behaviour_tables(CHECKS),
    "parity later": lambda: behaviour_tables(LATER),
}
