"""
Bringing an account to what a gateway needs: look at everything, mend what is wrong and may be mended.

Only what a look found `by_setup` is changed, so a second run changes nothing. One question that cannot be
asked, or one thing that cannot be mended, is a finding, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tidegate.core.audit import Finding
from tidegate.core.errors import AccessDenied, GatewayError
from tidegate.ports.account import Aspect, Resource

State = Literal["missing", "created", "wrong", "mended", "as it should be"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of one resource.

    Args:
        mended: The sides that were mended, or would be.
        left: What is still wrong. After a mere look: everything that is.
    """

    resource: str
    state: State
    mended: tuple[str, ...] = ()
    left: tuple[Finding, ...] = ()


async def look(resources: Iterable[Resource]) -> AsyncIterator[Outcome]:
    """Yield what is wrong with each resource, in order. Changes nothing."""
    for resource in resources:
        missing = await _missing(resource)
        if missing:
            state: State = "missing" if missing.by_setup else "wrong"
            yield Outcome(resource.name, state, left=(missing,))
            continue
        found = [finding for aspect in resource.aspects() for finding in await _look_at(resource, aspect)]
        by_setup = _distinct(finding.what for finding in found if finding.by_setup)
        yield Outcome(resource.name, "wrong" if found else "as it should be", by_setup, tuple(found))


async def bring(resources: Iterable[Resource]) -> AsyncIterator[Outcome]:
    """Make what is missing, mend what is wrong, and yield what became of each resource, in order."""
    for resource in resources:
        missing = await _missing(resource)
        if missing is None:
            yield await _mended(resource, "mended")
        elif not missing.by_setup:
            yield Outcome(resource.name, "wrong", left=(missing,))
        else:
            failure = await _failure_of_creating(resource)
            if failure:
                yield Outcome(resource.name, "wrong", left=(failure,))
            else:
                yield await _mended(resource, "created")


async def _mended(resource: Resource, state: State) -> Outcome:
    mended: list[str] = []
    left: list[Finding] = []
    for aspect in resource.aspects():
        found = await _look_at(resource, aspect)
        to_mend = [finding for finding in found if finding.by_setup]
        left += [finding for finding in found if not finding.by_setup]
        if to_mend:
            failure = await _failure_of_mending(resource, aspect)
            if failure:
                left += [failure]
            else:
                mended += [finding.what for finding in to_mend]
    if state == "mended" and not mended:
        state = "wrong" if left else "as it should be"
    return Outcome(resource.name, state, _distinct(mended), tuple(left))


async def _missing(resource: Resource) -> Finding | None:
    try:
        return await resource.missing()
    except GatewayError as error:
        return _unasked(resource, "existence", resource.asks, error)


async def _look_at(resource: Resource, aspect: Aspect) -> Sequence[Finding]:
    try:
        return await aspect.look()
    except GatewayError as error:
        return [_unasked(resource, aspect.what, aspect.asks, error)]


async def _failure_of_creating(resource: Resource) -> Finding | None:
    try:
        await resource.create()
    except GatewayError as error:
        return Finding(resource.name, "existence", f"could not be made: {error.detail}", _mend_of(error))
    return None


async def _failure_of_mending(resource: Resource, aspect: Aspect) -> Finding | None:
    assert aspect.mend is not None, f"{aspect.what} of {resource.name} claims to be mended by setup"
    try:
        await aspect.mend()
    except GatewayError as error:
        problem = f"could not be mended: {error.detail}"
        return Finding(resource.name, aspect.what, problem, _mend_of(error, aspect.takes))
    return None


def _unasked(resource: Resource, what: str, asks: str, error: GatewayError) -> Finding:
    return Finding(resource.name, what, f"could not be asked: {error.detail}", _mend_of(error, asks))


def _mend_of(error: GatewayError, actions: str = "") -> str:
    if isinstance(error, AccessDenied) and actions:
        return f"allow {' and '.join(actions.split())} to whoever runs tidegate setup"
    return error.hint or "see what the answer says, and run tidegate setup again"


def _distinct(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
