"""What docs/behaviour.md says of us is what a gateway answers: every row of the table is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

import support.behaviour_probes  # noqa: F401 - fills PROBES
from support.behaviour_asked import MIB, PROBES, Asked
from support.behaviour_facts import FACTS, Verdict
from tidegate.core.behaviour import Behaviour
from tidegate.core.evidence import Evidence
from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import Stored

DROPPED = "the connection drops amid an upload"


async def _drop(asked: Asked) -> None:
    """Leave an upload behind; the session is over after it."""
    handle = await asked.session.open("dropped")
    assert {each.status for each in await asked.session.write(handle, 0, bytes(9 * MIB))} == {0}


def _dropped(gateway: LocalGateway, stored: Stored, status: str) -> str:
    gateway.wait_for_transfer("dropped", status=status)
    there = "acme/dropped" in stored.keys()  # noqa: SIM118 - a method of ours
    return f"{'' if there else 'nothing '}stored; {status}"


@pytest.mark.lengthy
async def test_every_row_is_what_a_gateway_answers(
    gateway: LocalGateway, preset: str, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """Statuses, texts and attributes on the wire, and what is in S3; a difference shows its rows."""
    seen, there = {}, stored(gateway)
    async with packets(gateway) as session:
        asked = Asked(gateway, session, there)
        for name in ("old", "full/f", "both/f", "shown/f", "shown/d/f"):
            await asked.put(name)
        for name, probe in PROBES.items():
            seen[name] = await probe(asked)
        await _drop(asked)
    status = "PARTIAL" if preset == "transfer-family" else "KEPT"
    seen[DROPPED] = await asyncio.to_thread(_dropped, gateway, there, status)
    expected = {fact.asked: getattr(fact, preset.replace("-", "_")) for fact in FACTS}
    assert seen.keys() == expected.keys()
    differing = {name: (said, expected[name]) for name, said in seen.items() if said != expected[name]}
    assert not differing, "\n".join(
        f"{name}: {said!r}, not {ours!r}" for name, (said, ours) in differing.items()
    )


def test_the_table_is_of_one_piece() -> None:
    """Questions are asked once; what is not known about AWS is not called the same, nor different."""
    names = [fact.asked for fact in FACTS]
    assert len(set(names)) == len(names)
    settings = {f"behaviour.{field.name}" for field in fields(Behaviour)}
    assert {fact.setting for fact in FACTS if fact.setting} <= settings
    for fact in FACTS:
        if fact.evidence is Evidence.UNKNOWN:
            assert set(fact.verdicts) == {Verdict.UNKNOWN}, fact.asked
        same = Verdict.SAME in fact.verdicts and Verdict.DIFFERS not in fact.verdicts
        if same and fact.verdicts[0] is fact.verdicts[1]:
            assert fact.transfer_family == fact.partner_safe, fact.asked
