"""Looking and mending, over fakes: what is done when, and what a failure leaves."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.core.audit import Finding
from tidegate.core.errors import AccessDenied, GatewayError, StoreUnavailable
from tidegate.ports.account import Aspect
from tidegate.services.setup import Outcome, bring, look


class Thing:
    """A resource with one side that can be mended, and one that cannot."""

    name = "thing"
    asks = "x:GetThing"

    def __init__(self, *, there: bool = True, good: bool = False, odd: bool = False) -> None:
        self.there, self.good, self.odd = there, good, odd
        self.done: list[str] = []
        self.failures: dict[str, GatewayError] = {}

    def _do(self, what: str) -> None:
        if what in self.failures:
            raise self.failures[what]
        self.done.append(what)

    async def missing(self) -> Finding | None:
        self._do("missing")
        return None if self.there else Finding("thing", "existence", "does not exist", by_setup=True)

    async def create(self) -> None:
        self._do("create")
        self.there = True

    def aspects(self) -> Sequence[Aspect]:
        return (
            Aspect("side", "x:GetSide", self._look, self._mend, "x:PutSide"),
            Aspect("oddity", "x:GetOddity", self._oddity),
        )

    async def _look(self) -> list[Finding]:
        self._do("look")
        return [] if self.good else [Finding("thing", "side", "is wrong", by_setup=True)]

    async def _mend(self) -> None:
        self._do("mend")
        self.good = True

    async def _oddity(self) -> list[Finding]:
        return [Finding("thing", "oddity", "is odd", "ask")] if self.odd else []


async def looked(thing: Thing) -> Outcome:
    (outcome,) = [each async for each in look([thing])]
    return outcome


async def brought(thing: Thing) -> Outcome:
    (outcome,) = [each async for each in bring([thing])]
    return outcome


async def test_a_look_does_nothing_but_look() -> None:
    """And says what would be mended."""
    thing = Thing(odd=True)
    outcome = await looked(thing)
    assert thing.done == ["missing", "look"]
    assert (outcome.state, outcome.mended) == ("wrong", ("side",))
    assert [each.what for each in outcome.left] == ["side", "oddity"]


async def test_what_is_missing_is_made_and_then_mended() -> None:
    """One outcome for both."""
    thing = Thing(there=False)
    assert await brought(thing) == Outcome("thing", "created", ("side",))
    assert thing.done == ["missing", "create", "look", "mend"]


async def test_what_is_good_is_left_alone() -> None:
    """The second run."""
    thing = Thing(good=True)
    assert await brought(thing) == await looked(thing) == Outcome("thing", "as it should be")
    assert "mend" not in thing.done


async def test_what_a_person_must_decide_is_left() -> None:
    """Beside what was mended; alone, nothing was."""
    outcome = await brought(Thing(odd=True))
    assert (outcome.state, [each.what for each in outcome.left]) == ("mended", ["oddity"])
    assert (await brought(Thing(good=True, odd=True))).state == "wrong"


async def test_a_denied_question_names_the_action() -> None:
    """And does not stop the next one."""
    thing = Thing(odd=True)
    thing.failures["look"] = AccessDenied("GetSide: AccessDenied")
    for outcome in (await looked(thing), await brought(thing)):
        first, second = outcome.left
        assert (first.what, first.by_setup) == ("side", False)
        assert first.problem == "could not be asked: GetSide: AccessDenied"
        assert "x:GetSide" in first.mend
        assert second.what == "oddity"


async def test_whether_it_is_there_may_be_denied_too() -> None:
    """Then nothing is made."""
    thing = Thing()
    thing.failures["missing"] = AccessDenied("no")
    outcome = await brought(thing)
    assert (outcome.state, thing.done) == ("wrong", [])
    assert "x:GetThing" in outcome.left[0].mend


async def test_a_failed_change_is_a_finding() -> None:
    """With what the service said; one of permission with the action."""
    thing = Thing()
    thing.failures["mend"] = AccessDenied("PutSide: AccessDenied")
    (found,) = (await brought(thing)).left
    assert (found.problem, found.by_setup) == ("could not be mended: PutSide: AccessDenied", False)
    assert "x:PutSide" in found.mend
    missing = Thing(there=False)
    missing.failures["create"] = StoreUnavailable("CreateThing: LimitExceeded", hint="ask for more")
    (found,) = (await brought(missing)).left
    assert (found.problem, found.mend) == ("could not be made: CreateThing: LimitExceeded", "ask for more")
