"""What the users of the server may do: who decides it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tidegate.settings.kinds import RolePattern
from tidegate.settings.sections import Section


class RightsSettings(Section):
    """What becomes of the Role and Policy that users carry."""

    mode: Literal["home", "assume", "evaluate"] | None = Field(
        default=None,
        description="Who decides what a user with a Role may do; null: evaluate in local, home in serve.",
    )
    roles: Literal["lenient", "strict"] = Field(
        default="lenient",
        description="Whether roles that the local IAM does not know allow everything, or nothing.",
    )
    user_roles: tuple[RolePattern, ...] = Field(
        default=(), description="Roles of users, which setup lets the gateway assume."
    )
