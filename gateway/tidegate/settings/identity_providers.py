"""What is asked in place of identity providers that servers name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tidegate.core.identity_providers import StandIn
from tidegate.settings.kinds import CallableName, ProviderName, ProviderUrl
from tidegate.settings.problems import Problem
from tidegate.settings.sections import Section

if TYPE_CHECKING:
    from tidegate.settings.model import Settings

Word = Annotated[str, Field(min_length=1, max_length=4096)]


class IdentityProviderSettings(Section):
    """A provider that servers name, and what is asked in its place: one of the other three."""

    function: ProviderName = Field(
        description="ARN of the Lambda function, or URL of the API, that servers name."
    )
    callable: CallableName | None = Field(default=None, description="Function of Python: module:function.")
    command: tuple[Word, ...] = Field(
        default=(), description="Command and its arguments; JSON on its input and output."
    )
    url: ProviderUrl | None = Field(default=None, description="URL that the event is POSTed to as JSON.")

    def stand_in(self) -> StandIn:
        """Return it as the gateway wants it."""
        return StandIn(self.function, self.callable or "", self.command, self.url or "")


def providers_are_whole(settings: Settings) -> Iterator[Problem]:
    """Yield which providers have nothing, or too much, in their place, and which are named twice."""
    first: dict[str, int] = {}
    for number, each in enumerate(settings.identity_providers):
        at = ("identity_providers", number)
        if sum(map(bool, (each.callable, each.command, each.url))) != 1:
            yield Problem(at, "give one of callable, command and url")
        if first.setdefault(each.function, number) != number:
            yield Problem((*at, "function"), f"is that of identity_providers[{first[each.function]}] already")
