"""Session policies: how they are kept, and what one says in the session of a user."""

from __future__ import annotations

import json
from typing import Any

from tidegate.core.iam.documents import InvalidPolicy, parsed_json
from tidegate.core.iam.variables import values_for, with_values
from tidegate.core.users import User

# AWS STS API, AssumeRole, Policy.
STS_POLICY_CHARS = 2048


def check_session_policy(text: str) -> str:
    """Return the policy that a request gives a user, unchanged. Raises `InvalidPolicy` if it is no object."""
    if text:
        parsed_json(text)
    return text


def session_document(user: User) -> dict[str, Any] | None:
    """Return the user's policy with its variables replaced; None: it has none. Raises `InvalidName`."""
    if not user.policy:
        return None
    try:
        found: dict[str, Any] = with_values(parsed_json(user.policy), values_for(user))
    except RecursionError as error:
        raise InvalidPolicy("the session policy holds lists within lists, hundreds deep") from error
    return found


def session_text(user: User) -> str | None:
    """Return the same as the text STS takes. Raises `InvalidName`, also if it is longer than STS takes."""
    document = session_document(user)
    if document is None:
        return None
    text = json.dumps(document, separators=(",", ":"))
    if len(text) > STS_POLICY_CHARS:
        raise InvalidPolicy(
            f"the session policy has {len(text)} characters once its variables are replaced",
            hint=f"STS takes {STS_POLICY_CHARS}, without blanks between members: shorten it",
        )
    return text
