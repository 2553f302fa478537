"""Partners written in the configuration, and the homes they are given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tidegate.core.errors import InvalidName
from tidegate.core.homes import check_home, for_user
from tidegate.core.users import Home, HomeDirectoryType, Mapping, MappingType
from tidegate.settings.kinds import FilePath, HomeDirectory, PartnerName, VirtualDirectory
from tidegate.settings.problems import Problem
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


class PartnerSettings(Section):
    """One partner written in the configuration."""

    name: PartnerName = Field(description="User name that the partner logs in with; unique.")
    home: HomeDirectory | None = Field(
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
        if partner.mappings and partner.home is not None:
            yield Problem((*at, "mappings"), "a home is given, too: give one of them")
        elif partner.home_type == "PATH" and partner.mappings:
            yield Problem((*at, "mappings"), "only for a home of type LOGICAL")
        elif partner.home_type == "PATH" and partner.directory != "/":
            yield Problem((*at, "directory"), "only for a home of type LOGICAL: this one starts at its home")
        else:
            try:
                check_home(home_of(partner, settings.landing.bucket))
            except InvalidName as error:
                text = f"{error.detail}; {error.hint}" if error.hint else error.detail
                yield Problem((*at, "mappings" if partner.mappings else "home"), text)
