"""Identity providers: who is asked about a user that the directory does not have."""

from __future__ import annotations

from typing import Protocol

from tidegate.core.identity_providers import Question


class IdentityProviderCall(Protocol):
    """One provider. Whoever calls it bounds the time, by cancelling."""

    async def ask(self, question: Question) -> object:
        """
        Return the answer: a value of JSON, whatever it says.

        Raises:
            ProviderFailed: It could not be asked, or failed. `detail` never holds the password.
            GatewayError: So did AWS.
        """
        ...
