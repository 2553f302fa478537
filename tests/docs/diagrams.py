"""
The tables in the pages that are taken from the code: states, presets, shapes of the DynamoDB tables.

Run as a program it writes them anew: `.venv/bin/python tests/docs/diagrams.py`. tests/docs/test_docs.py
fails while a page and the code differ.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Set
from dataclasses import fields
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any

import costs
import parity

# As a program this file is not under pytest's path.
sys.path.insert(1, str(Path(__file__).parent.parent))
from support.behaviour_facts import FACTS, Fact
from tidegate.adapters.aws.tables import directory_table, transfers_table
from tidegate.core import deliveries, parts, renames, transfers
from tidegate.core.behaviour import PRESETS, Behaviour
from tidegate.core.evidence import Evidence
from tidegate.core.extensions import EXTENSIONS
from tidegate.core.limits import GIB, MIB, S3_MAX_OBJECT_BYTES, TIB
from tidegate.core.parts import PartSchedule
from tidegate.core.policies import Estate, administrator_policy, gateway_policy, handlers_policy, sweep_policy
from tidegate.core.resource_policies import Document
from tidegate.core.security_policies import POLICIES, SecurityPolicy
from tidegate.core.sftp_requests import PACKETS, packet_of

DOCS = Path(__file__).parent.parent.parent / "docs"
_PART_BYTES = 8 * MIB  # the default of uploads.part_size_bytes
_BLOCK = re.compile(r"(<!-- generated: ([\w -]+) -->\n).*?(<!-- end of generated -->)", re.DOTALL)


def state_table(transitions: Mapping[StrEnum, Set[StrEnum]]) -> str:
    """Return the arrows of a state table, in the order of its states."""
    rows = []
    for state, targets in transitions.items():
        reached = [f"`{other}`" for other in type(state) if other in targets]
        rows.append([f"`{state}`", ", ".join(reached) or "nothing: an end"])
    return _table(["state", "may become"], rows)


def preset_table() -> str:
    """Return the choices of each preset, in the words of the settings."""
    names = list(PRESETS)
    rows = [
        [f"`{field.name}`", *(_shown(getattr(PRESETS[name], field.name)) for name in names)]
        for field in fields(Behaviour)
    ]
    return _table(["choice", *(f"`{name}`" for name in names)], rows)


def extension_table() -> str:
    """Return every known extension, where it is offered, and what it means or why it is not."""
    rows = [
        [
            f"`{name.decode()}`",
            *("offered" if name in PRESETS[each].extensions else "no" for each in PRESETS),
            means,
        ]
        for name, means in ((each.name, each.means) for each in EXTENSIONS.values())
    ]
    return _table(["extension", *(f"`{name}`" for name in PRESETS), ""], rows)


def packet_table() -> str:
    """Return every packet type a client could send, and what is done with it."""
    rows = [[str(each.kind), each.name, each.answer, each.why] for each in PACKETS.values()]
    return _table(["type", "packet", "is", ""], [*rows, ["any other", "", "refused", packet_of(0).why]])


def evidence_table() -> str:
    """Return what each word for how well something is known means."""
    return _table(["evidence", ""], [[f"`{each}`", each.meaning] for each in Evidence])


def fact_tables() -> str:
    """Return what AWS and each preset answer, a table for each group of questions."""
    groups = {fact.group: [each for each in FACTS if each.group == fact.group] for fact in FACTS}
    head = ["asked", "AWS", "evidence", *(f"`{name}`" for name in PRESETS), "setting"]
    return "\n".join(
        f"### {group}\n\n{_table(head, [_fact_row(fact) for fact in facts])}"
        for group, facts in groups.items()
    )


def _fact_row(fact: Fact) -> list[str]:
    ours = zip((fact.transfer_family, fact.partner_safe), fact.verdicts, strict=True)
    return [
        _cell(fact.asked),
        _cell(fact.aws),
        f"`{fact.evidence}`",
        *(
            f"{_cell(answer)} ({'**differs**' if verdict == 'differs' else verdict})"
            for answer, verdict in ours
        ),
        f"`{fact.setting}`" if fact.setting else "",
    ]


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def policy_table() -> str:
    """Return the security policies: which algorithms each has, in its order."""
    head = ["policy", "ciphers", "key exchanges", "MACs", "signatures", "evidence"]
    return _table(head, [_policy_row(policy) for policy in POLICIES.values()])


def _policy_row(policy: SecurityPolicy) -> list[str]:
    lists = (policy.ciphers, policy.kexs, policy.macs, policy.host_key_algorithms)
    known = {"lists": policy.evidence, "signatures": policy.host_key_evidence}
    if policy.evidence is None:
        evidence = "ours"
    elif policy.evidence is policy.host_key_evidence:
        evidence = f"`{policy.evidence}`"
    else:
        evidence = ", ".join(f"{what} `{word}`" for what, word in known.items())
    return [f"`{policy.name}`", *("<br>".join(f"`{name}`" for name in names) for names in lists), evidence]


def index_table() -> str:
    """Return the keys of both tables and of their indexes."""
    rows = []
    for shape in (transfers_table("transfers"), directory_table("directory")):
        rows.append([f"table {shape['TableName']}", *_key_names(shape["KeySchema"]), "all"])
        for index in shape.get("GlobalSecondaryIndexes", ()):
            kept = _projected(index["Projection"])
            rows.append([f"index `{index['IndexName']}`", *_key_names(index["KeySchema"]), kept])
    return _table(["", "partition key", "sort key", "attributes"], rows)


def part_table() -> str:
    """Return how parts grow with their number, and how far each size reaches."""
    schedule, rows, reach = PartSchedule(_PART_BYTES, 90 * _PART_BYTES), [], 0
    bounds = pairwise((0, *(last for last, _ in parts._GROWTH)))
    for before, last in bounds:
        reach += (last - before) * schedule.size_of(last)
        factor = schedule.size_of(last) // _PART_BYTES
        rows.append([f"{before + 1:,} to {last:,}", str(factor), _rounded(min(reach, S3_MAX_OBJECT_BYTES))])
    return _table(
        ["parts", "size, as multiple of `uploads.part_size_bytes`", "reached by then, with 8 MiB"], rows
    )


def largest_table() -> str:
    """Return the largest file for some budgets, by the rule of `assembly`: no part above half the budget."""
    rows = []
    for budget in (64 * MIB, 256 * MIB, GIB, 1405 * MIB, 2 * GIB):
        schedule = PartSchedule(_PART_BYTES, min(90 * _PART_BYTES, budget // 2))
        rows.append([f"{budget // MIB:,} MiB", _rounded(schedule.largest_object_bytes)])
    return _table(["`uploads.buffer_budget_bytes`", "largest file"], rows)


def create_table(shape: Mapping[str, object]) -> str:
    """Return the shape of a table as `aws dynamodb create-table --cli-input-json` reads it."""
    members = ",\n".join(f"  {json.dumps(name)}: {_spread(value)}" for name, value in shape.items())
    return f"```json\n{{\n{members}\n}}\n```\n"


_KEY = "arn:aws:kms:eu-central-1:111122223333:key/{}-KEY-ID"
# That of the configuration in docs/serve.md.
EXAMPLE = Estate(
    region="eu-central-1",
    account="111122223333",
    landing=("example-landing",),
    landing_keys=(_KEY.format("LANDING"),),
    targets=(("example-private", ""),),
    target_keys=(_KEY.format("TARGET"),),
    transfers="tidegate-transfers",
    directory="tidegate-directory",
    host_keys_key=_KEY.format("LANDING"),
    server_id="s-0123456789abcdef0",
    user_roles=("arn:aws:iam::111122223333:role/partners/*",),
)


def policy(document: Document) -> str:
    """Return a policy document as a block."""
    return f"```json\n{json.dumps(document, indent=2)}\n```\n"


def _beyond(document: Document, other: Document) -> Document:
    """Return the statements that only the first of two policies has."""
    return {
        **document,
        "Statement": [each for each in document["Statement"] if each not in other["Statement"]],
    }


GENERATED = {
    "transfer states": lambda: state_table(transfers.TRANSITIONS),
    "delivery states": lambda: state_table(deliveries.TRANSITIONS),
    "rename states": lambda: state_table(renames.TRANSITIONS),
    "presets": preset_table,
    "extensions": extension_table,
    "packets": packet_table,
    "evidence": evidence_table,
    "behaviour facts": fact_tables,
    "security policies": policy_table,
    "parts": part_table,
    "largest files": largest_table,
    "indexes": index_table,
    "transfers table": lambda: create_table(transfers_table("tidegate-transfers")),
    "directory table": lambda: create_table(directory_table("tidegate-directory")),
    "gateway policy": lambda: policy(gateway_policy(EXAMPLE)),
    "handlers policy": lambda: policy(handlers_policy(EXAMPLE)),
    "sweep rights": lambda: policy(_beyond(sweep_policy(EXAMPLE), handlers_policy(EXAMPLE))),
    "administrator policy": lambda: policy(administrator_policy(EXAMPLE)),
    **costs.GENERATED,
    **parity.GENERATED,
}


def names_in(text: str) -> list[str]:
    """Return the names of the generated blocks in a page."""
    return [found[2] for found in _BLOCK.finditer(text)]


def rewritten(text: str) -> str:
    """Return the page with every generated block as the code has it now."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{GENERATED[found[2]]()}\n{found[3]}", text)


def _key_names(schema: Iterable[Mapping[str, str]]) -> list[str]:
    return [f"`{key['AttributeName']}`" for key in schema]


def _rounded(count: int) -> str:
    """Return bytes with two digits or, below a thousand, all of them; never more than there are."""
    unit, name = (TIB, "TiB") if count >= TIB else (GIB, "GiB") if count >= GIB else (MIB, "MiB")
    tenths = count * 10 // unit
    return f"{tenths // 10 if tenths % 10 == 0 or tenths >= 100 else tenths / 10} {name}"


def _spread(value: object) -> str:
    """Return JSON with the members of a list a line each."""
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join(f"    {json.dumps(member)}" for member in value) + "\n  ]"


def _projected(projection: Mapping[str, Any]) -> str:
    if projection["ProjectionType"] == "ALL":
        return "all"
    return ", ".join(["keys", *(f"`{name}`" for name in projection.get("NonKeyAttributes", ()))])


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        names = (name.decode() if isinstance(name, bytes) else name for name in value)
        return ", ".join(f"`{name}`" for name in names) or "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _table(head: list[str], rows: list[list[str]]) -> str:
    rule = ["---"] * len(head)
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, rule, *rows])


def main() -> None:
    """Write the generated blocks of all pages anew."""
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if names_in(text):
            page.write_text(rewritten(text), encoding="utf-8")


if __name__ == "__main__":
    main()
