"""Partners written in the configuration, and the homes they are given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from tidegate.core.drift import USER_MEMBERS
from tidegate.core.errors import InvalidName
from tidegate.core.homes import check_transfer_home, for_user
from tidegate.core.users import Home, HomeDirectoryType, Mapping, MappingType, PosixProfile
from tidegate.settings.kinds import FilePath, HomeDirectory, PartnerName, VirtualDirectory
from tidegate.settings.problems import Problem
from tidegate.settings.resources import AnyHomeDirectory, PosixId, ResourceTags, RoleArn, SessionPolicy
from tidegate.settings.sections import Section

if TYPE_CHECKING:
    from tidegate.settings.model import Settings


class MappingSettings(Section):
    """One name in a partner's home, and what is behind it."""

    entry: VirtualDirectory = Field(description="The directory or file, as the partner sees it.")
    target: HomeDirectory = Field(
        description="/BUCKET/PREFIX of a directory, /BUCKET/KEY of a file; may hold ${transfer:UserName}."
    )
    type: Literal["DIRECTORY", "FILE"] = Field(
        default="DIRECTORY", description="FILE: the entry is one file, and nothing lies below it."
    )


class PosixSettings(Section):
    """Numbers a partner has on a file system."""

    uid: PosixId | None = Field(default=None, description="User id.")
    gid: PosixId | None = Field(default=None, description="Group id; goes with uid.")
    secondary_gids: Annotated[tuple[PosixId, ...], Field(max_length=16)] = Field(
        default=(), description="Further group ids."
    )


class PartnerSettings(Section):
    """One partner written in the configuration."""

    held_if_written: ClassVar[frozenset[str]] = frozenset(USER_MEMBERS)

    name: PartnerName = Field(description="User name that the partner logs in with; unique.")
    home: AnyHomeDirectory | None = Field(
        default=None, description="/BUCKET/PREFIX shown as /; null means /LANDING BUCKET/NAME."
    )
    home_type: Literal["LOGICAL", "PATH"] = Field(
        default="LOGICAL", description="PATH: the partner sees its home by its real path, below /."
    )
    mappings: tuple[MappingSettings, ...] = Field(
        default=(), description="What the partner sees, in place of a home; no entry below another."
    )
    directory: VirtualDirectory = Field(
        default="/", description="Where sessions start, as the partner sees it."
    )
    keys: tuple[str, ...] = Field(default=(), description="Public keys, as in authorized_keys.")
    key_files: tuple[FilePath, ...] = Field(
        default=(), description="Files of public keys, relative to this file."
    )
    role: RoleArn | None = Field(
        default=None, description="ARN of the IAM role that the partner works under; null means none."
    )
    policy: SessionPolicy | None = Field(
        default=None, description="Session policy that narrows the role, as a mapping or as JSON text."
    )
    posix_profile: PosixSettings = Field(
        default_factory=PosixSettings, description="Kept for whoever reads it back; {} means none."
    )
    tags: ResourceTags = Field(default={}, description="Tags of the partner.")

    @property
    def members(self) -> dict[str, Any]:
        """What the file names beside home and keys, even as null, by the member of a user it is."""
        values: dict[str, Any] = {
            "role": self.role or "",
            "policy": self.policy or "",
            "posix_profile": _posix_profile(self.posix_profile),
            "tags": tuple(self.tags.items()),
        }
        return {name: value for name, value in values.items() if name in self.model_fields_set}


def _posix_profile(posix: PosixSettings) -> PosixProfile | None:
    if posix.uid is None or posix.gid is None:
        return None
    return PosixProfile(posix.uid, posix.gid, posix.secondary_gids)


def home_of(partner: PartnerSettings, landing_bucket: str) -> Home:
    """Return the partner's home, with its name filled in; it may be one that `check_home` refuses."""
    shown = partner.home or f"/{landing_bucket}/{partner.name}"
    if partner.home_type == "PATH":
        home = Home(HomeDirectoryType.PATH, shown)
    elif partner.mappings:
        mappings = tuple(
            Mapping(each.entry, each.target, MappingType(each.type)) for each in partner.mappings
        )
        home = Home(HomeDirectoryType.LOGICAL, partner.directory, mappings)
    else:
        home = Home(HomeDirectoryType.LOGICAL, partner.directory, (Mapping("/", shown),))
    return for_user(home, partner.name)


def homes_can_be_used(settings: Settings) -> Iterator[Problem]:
    """Yield what is wrong with homes beyond their single values."""
    for number, partner in enumerate(settings.partners):
        at = ("partners", number)
        if (partner.posix_profile.uid is None) != (partner.posix_profile.gid is None):
            yield Problem((*at, "posix_profile"), "give uid and gid, both or neither")
        if partner.mappings and partner.home is not None:
            yield Problem((*at, "mappings"), "a home is given, too: give one of them")
        elif partner.home_type == "PATH" and partner.mappings:
            yield Problem((*at, "mappings"), "only for a home of type LOGICAL")
        elif partner.home_type == "PATH" and partner.directory != "/":
            yield Problem((*at, "directory"), "only for a home of type LOGICAL: this one starts at its home")
        else:
            try:
                check_transfer_home(home_of(partner, settings.landing.bucket))
            except InvalidName as error:
                text = f"{error.detail}; {error.hint}" if error.hint else error.detail
                yield Problem((*at, "mappings" if partner.mappings else "home"), text)
