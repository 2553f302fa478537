"""
`tidegate_handlers.deliver.handler`: delivers what events wake it for.

Triggers: an SQS queue with partial batch responses; or S3, SNS or EventBridge, directly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from tidegate.core.errors import GatewayError
from tidegate.core.wakeups import Outcome, Wakeup
from tidegate.services.wakeups import Wakeups
from tidegate_handlers.events import Message, is_batch, messages_of, wakeups_in, wakeups_in_text
from tidegate_handlers.runtime import Context, Runtime, runtime, seconds_left

_log = structlog.get_logger("tidegate.handlers")

# With less than this left no further message is taken up.
_LEAST_SECONDS = 8.0

Response = dict[str, object]


class NotDelivered(Exception):
    """An event has to come again: Lambda repeats an invocation that raises."""


def handler(event: object, context: Context) -> Response:
    """
    Deliver what is owed for the objects of one event.

    Returns:
        For a batch of SQS, `batchItemFailures`: the messages that have to come again. Otherwise
        `outcomes`: how many wake-ups had which outcome.

    Raises:
        NotDelivered: Of an event that is no batch: something has to be waited for, or failed.
        UnknownEvent: An event that is no batch is none of the known shapes.
        InvalidSettings: The configuration cannot be used.
    """
    return asyncio.run(deliver(runtime(), event, context))


async def deliver(owned: Runtime, event: object, context: Context) -> Response:
    """Do what `handler` does, with a given runtime."""
    if not owned.delivers():
        return {"batchItemFailures": []}
    wakeups = await owned.wakeups()
    if is_batch(event):
        lanes = owned.settings.deliveries.concurrency
        return await _Batch(wakeups, context, lanes).take(messages_of(event))
    return await _direct(wakeups, wakeups_in(event), context)


async def _direct(wakeups: Wakeups, found: Sequence[Wakeup], context: Context) -> Response:
    try:
        async with asyncio.timeout(seconds_left(context)):
            outcomes, problems = await _taken(wakeups, found)
    except TimeoutError:
        raise NotDelivered("the time of this invocation has run out") from None
    if problems:
        raise NotDelivered("; ".join(problems))
    return {"outcomes": {outcome.value: outcomes.count(outcome) for outcome in dict.fromkeys(outcomes)}}


async def _taken(wakeups: Wakeups, found: Sequence[Wakeup]) -> tuple[list[Outcome], list[str]]:
    """Take all, whatever becomes of one; return the outcomes, and why some have to come again."""
    outcomes: list[Outcome] = []
    problems: list[str] = []
    for wakeup in found:
        try:
            answer = await wakeups.take(wakeup)
        except GatewayError as error:
            problems.append(f"{wakeup.location}: {error}")
            continue
        outcomes.append(answer.outcome)
        if answer.outcome is Outcome.LATER:
            problems.append(f"{wakeup.location}: {answer.reason}")
    return outcomes, problems


class _Batch:
    """The messages of one batch: several at once, and none begun when time is nearly out."""

    def __init__(self, wakeups: Wakeups, context: Context, lanes: int) -> None:
        self._wakeups = wakeups
        self._context = context
        self._lanes = asyncio.Semaphore(lanes)

    async def take(self, messages: Sequence[Message]) -> Response:
        """Return the response: every message that is not done with is among its failures."""
        tasks = [asyncio.create_task(self._one(message)) for message in messages]
        _, late = await asyncio.wait(tasks, timeout=seconds_left(self._context))
        for task in late:
            # A copy that S3 has begun goes on; its delivery is due again when the lease runs out.
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        failed = [message for message, end in zip(messages, ended, strict=True) if not _is_done(message, end)]
        return {"batchItemFailures": [{"itemIdentifier": message.message_id} for message in failed]}

    async def _one(self, message: Message) -> list[str]:
        """Return why the message has to come again; nothing if it is done with."""
        async with self._lanes:
            if seconds_left(self._context) < _LEAST_SECONDS:
                return ["the time of this invocation is nearly out"]
            try:
                return (await _taken(self._wakeups, wakeups_in_text(message.body)))[1]
            except GatewayError as error:
                return [str(error)]


def _is_done(message: Message, end: list[str] | BaseException) -> bool:
    """Tell whether the message is done with; if not, say why in the log."""
    if isinstance(end, asyncio.CancelledError):
        end = ["the time of this invocation has run out"]
    if isinstance(end, BaseException):
        _log.error("message failed", message=message.message_id, exc_info=end)
        return False
    if end:
        _log.warning("message comes again", message=message.message_id, reason="; ".join(end))
    return not end
