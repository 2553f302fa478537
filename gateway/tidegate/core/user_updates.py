"""What UpdateUser changes: members that are not named keep their value."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tidegate.core.errors import InvalidName
from tidegate.core.homes import check_transfer_home
from tidegate.core.iam.session_policies import check_session_policy
from tidegate.core.limits import TRANSFER_MAPPINGS_PER_USER
from tidegate.core.users import Home, HomeDirectoryType, Mapping, PosixProfile, User


@dataclass(frozen=True, slots=True)
class HomeUpdate:
    """Members of a home as a request names them; None is one that it does not name."""

    type: HomeDirectoryType | None = None
    directory: str | None = None
    mappings: tuple[Mapping, ...] | None = None

    def applied(self, home: Home) -> Home:
        """
        Return the home with these members.

        A home of another type keeps nothing that belongs to the old type: its directory is of another tree,
        and a PATH home has no mappings.

        Raises:
            InvalidName: It cannot be used.
        """
        if self == HomeUpdate():
            return home
        base = home if self.type in (None, home.type) else Home(self.type, "")
        changed = Home(
            base.type,
            base.directory if self.directory is None else self.directory,
            base.mappings if self.mappings is None else self.mappings,
        )
        return check_user_home(changed)


@dataclass(frozen=True, slots=True)
class UserUpdate:
    """Members of a user as a request names them; None is one that it does not name."""

    home: HomeUpdate = HomeUpdate()
    role: str | None = None
    policy: str | None = None
    posix_profile: PosixProfile | None = None

    def applied(self, user: User) -> User:
        """Return the user with these members. Raises `InvalidName`."""
        return replace(
            user,
            home=self.home.applied(user.home),
            role=user.role if self.role is None else self.role,
            policy=user.policy if self.policy is None else check_session_policy(self.policy),
            posix_profile=self.posix_profile or user.posix_profile,
        )


def check_user_home(home: Home) -> Home:
    """Return a home that the Transfer API asks for, if it takes it. Raises `InvalidName`."""
    if len(home.mappings) > TRANSFER_MAPPINGS_PER_USER:
        raise InvalidName(
            f"the home has {len(home.mappings)} mappings, and can have {TRANSFER_MAPPINGS_PER_USER}",
            hint="map a directory in place of many below it",
        )
    return check_transfer_home(home)
