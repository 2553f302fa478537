"""
A check-up: questions asked one after another, each answered by a real call, none of which does harm.

What a question rests on is asked first; where that failed, the rest is not asked, so that one cause makes
one complaint and not twenty.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from tidegate.core.errors import GatewayError


class Verdict(StrEnum):
    GOOD = "good"
    WARNING = "warning"
    BAD = "BAD"
    NOT_ASKED = "not asked"


class Doubtful(GatewayError):
    """What was found is no failure, but somebody should know of it."""


@dataclass(frozen=True, slots=True)
class Question:
    """
    One question.

    Args:
        what: Names it in the table; unique.
        ask: Returns what was found, in a few words. Raises `GatewayError` if that is bad, `Doubtful` if
            it is not quite good.
        hint: How to mend it, where the error does not say.
        rests_on: Names of questions that must not have been answered badly.
    """

    what: str
    ask: Callable[[], Awaitable[str]]
    hint: str = ""
    rests_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question."""

    what: str
    verdict: Verdict
    said: str
    hint: str = ""


async def examine(questions: Iterable[Question]) -> AsyncIterator[Finding]:
    """Ask in order and yield each answer as it comes."""
    failed: set[str] = set()
    for question in questions:
        cause = next((name for name in question.rests_on if name in failed), None)
        found = await _asked(question) if cause is None else _not_asked(question, cause)
        if found.verdict in (Verdict.BAD, Verdict.NOT_ASKED):
            failed.add(question.what)
        yield found


async def _asked(question: Question) -> Finding:
    try:
        return Finding(question.what, Verdict.GOOD, await question.ask())
    except Doubtful as doubt:
        return Finding(question.what, Verdict.WARNING, doubt.detail, doubt.hint or question.hint)
    except GatewayError as error:
        return Finding(question.what, Verdict.BAD, error.detail, error.hint or question.hint)


def _not_asked(question: Question, cause: str) -> Finding:
    return Finding(question.what, Verdict.NOT_ASKED, f"rests on: {cause}")
