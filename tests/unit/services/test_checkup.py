"""How questions are asked: in order, once, and not where what they rest on has failed."""

from __future__ import annotations

from tidegate.core.errors import AccessDenied
from tidegate.services.checkup import Doubtful, Finding, Question, Verdict, examine


async def good() -> str:
    return "fine"


async def bad() -> str:
    raise AccessDenied("not allowed")


async def bad_with_a_hint() -> str:
    raise AccessDenied("not allowed", hint="ask somebody")


async def doubtful() -> str:
    raise Doubtful("strange")


async def found(*questions: Question) -> list[Finding]:
    return [finding async for finding in examine(questions)]


async def test_answers_come_in_the_order_of_the_questions() -> None:
    """Good, bad and doubtful answers each have their verdict and words."""
    answers = await found(Question("a", good), Question("b", bad, "mend it"), Question("c", doubtful, "look"))
    assert answers == [
        Finding("a", Verdict.GOOD, "fine"),
        Finding("b", Verdict.BAD, "not allowed", "mend it"),
        Finding("c", Verdict.WARNING, "strange", "look"),
    ]


async def test_the_hint_of_the_error_says_more() -> None:
    """A question's own hint is for errors that have none."""
    [answer] = await found(Question("b", bad_with_a_hint, "mend it"))
    assert answer.hint == "ask somebody"


async def test_what_rests_on_a_bad_answer_is_not_asked() -> None:
    """Nor is what rests on what was not asked; the rest goes on."""
    answers = await found(
        Question("a", bad),
        Question("b", good, rests_on=("a",)),
        Question("c", good, rests_on=("b",)),
        Question("d", good),
    )
    assert [answer.verdict for answer in answers] == [
        Verdict.BAD,
        Verdict.NOT_ASKED,
        Verdict.NOT_ASKED,
        Verdict.GOOD,
    ]
    assert (answers[1].said, answers[2].said) == ("rests on: a", "rests on: b")


async def test_a_doubt_stops_nobody() -> None:
    """What rests on a doubtful answer is asked."""
    answers = await found(Question("a", doubtful), Question("b", good, rests_on=("a",)))
    assert answers[1].verdict is Verdict.GOOD
