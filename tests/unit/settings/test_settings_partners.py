"""Homes of partners in a configuration."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tidegate.core.errors import InvalidSettings
from tidegate.core.users import Home, HomeDirectoryType, Mapping, MappingType
from tidegate.settings import Settings, json_schema, load


def settings_with(partner: str) -> Settings:
    text = f"landing: {{bucket: landing}}\npartners:\n  - {{name: acme, {partner}}}\n"
    return load("-", {}, io.StringIO(text)).settings


def home(partner: str) -> Home:
    settings = settings_with(partner)
    return settings.home_of(settings.partners[0])


def refused(partner: str) -> str:
    with pytest.raises(InvalidSettings) as caught:
        settings_with(partner)
    return caught.value.detail


def test_several_entries() -> None:
    """Entries, targets and types are the home's; a partner's name is filled in."""
    mappings = (
        "[{entry: /in, target: '/landing/${transfer:UserName}'}, "
        "{entry: /readme, target: /b-1/readme.txt, type: FILE}]"
    )
    assert home(f"mappings: {mappings}, directory: /in") == Home(
        HomeDirectoryType.LOGICAL,
        "/in",
        (Mapping("/in", "/landing/acme"), Mapping("/readme", "/b-1/readme.txt", MappingType.FILE)),
    )


def test_one_target() -> None:
    """A home is shown as `/`, or by its real path; sessions start in a directory of it."""
    assert home("home: /b-1/x") == Home.chroot("/b-1/x")
    assert home("directory: /in") == Home(HomeDirectoryType.LOGICAL, "/in", (Mapping("/", "/landing/acme"),))
    assert home("home: /b-1/x, home_type: PATH") == Home(HomeDirectoryType.PATH, "/b-1/x")
    assert home("home_type: PATH") == Home(HomeDirectoryType.PATH, "/landing/acme")


@pytest.mark.parametrize(
    ("partner", "said"),
    [
        ("home: /b-1, mappings: [{entry: /in, target: /b-1}]", "mappings: a home is given, too"),
        (
            "home_type: PATH, mappings: [{entry: /in, target: /b-1}]",
            "mappings: only for a home of type LOGICAL",
        ),
        ("home_type: PATH, directory: /in", "directory: only for a home of type LOGICAL"),
        ("mappings: [{entry: /in, target: /b-1}, {entry: /in/x, target: /b-1}]", "at or below the entry"),
        ("mappings: [{entry: /, target: /b-1/x, type: FILE}]", "cannot be a FILE"),
        ("mappings: [{entry: /f, target: /b-1, type: FILE}]", "names no key"),
        ("mappings: [{entry: /in, target: /b-1}], directory: /out", "lies under no mapping"),
        ("mappings: [{entry: in, target: /b-1}]", "mappings[0].entry: "),
        ("mappings: [{entry: /in, target: /B-1}]", "mappings[0].target: "),
        ("mappings: [{entry: /in, target: /b-1, type: LINK}]", "mappings[0].type: "),
        ("mappings: [{target: /b-1}]", "mappings[0].entry"),
    ],
)
def test_homes_that_cannot_be_used(partner: str, said: str) -> None:
    """Each is refused with its line, the setting and the reason."""
    detail = refused(partner)
    assert detail.startswith("standard input line 3: partners[0].")
    assert said in detail


def test_targets_of_deliveries_overlap_no_entry() -> None:
    """Copies that landed among the uploads of any of a partner's entries would be copied again."""
    text = """\
deliveries: {targets: [{name: a, bucket: b-1, prefix: copies/}]}
partners: [{name: acme, mappings: [{entry: /in, target: /landing}, {entry: /out, target: /b-1/copies}]}]
"""
    with pytest.raises(InvalidSettings, match="copies overlap /b-1/copies, the home of acme"):
        load("-", {}, io.StringIO(text))


def test_the_schema_knows_entries() -> None:
    """Editors offer the types, and ask for entry and target."""
    schema: dict[str, Any] = json_schema()["$defs"]["MappingSettings"]
    assert schema["required"] == ["entry", "target"]
    assert schema["properties"]["type"]["enum"] == ["DIRECTORY", "FILE"]
    assert json_schema()["$defs"]["PartnerSettings"]["properties"]["home_type"]["enum"] == ["LOGICAL", "PATH"]
