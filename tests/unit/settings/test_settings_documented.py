"""The reference page and the model say the same."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
import yaml
from pydantic_core import PydanticUndefined, to_jsonable_python

from tidegate.core.behaviour import PRESETS
from tidegate.settings import Settings, check_for_serve, load
from tidegate.settings.names import NAMED
from tidegate.settings.sections import BehaviourSettings
from tidegate.settings.shape import Setting, all_settings

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "configuration.md").read_text()
ROWS = dict(re.findall(r"^\| `([^`]+)` \| (.+?) \| .*? \| .+ \|$", PAGE, re.MULTILINE))
SETTINGS = {setting.name: setting for setting in all_settings()}


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())
def test_every_setting_is_in_the_page_with_its_default(setting: Setting) -> None:
    """Each setting has a row that gives the default a file would have to say."""
    cell = ROWS[setting.name]
    if setting.field.default_factory is not None:
        assert cell == "one target, see below"
    elif setting.field.default is PydanticUndefined:
        assert cell == "required"
    else:
        assert yaml.safe_load(cell.strip("`")) == to_jsonable_python(setting.field.default)


def test_the_page_has_no_setting_that_is_gone() -> None:
    """Each row is of a setting that exists."""
    assert ROWS.keys() <= SETTINGS.keys()


def test_bounds_are_on_the_page() -> None:
    """A row of a number with a range gives both ends, sizes in whole units."""
    for setting in SETTINGS.values():
        (row,) = re.findall(
            rf"^\| `{re.escape(setting.name)}` \| .+? \| (.*?) \| .+ \|$", PAGE, re.MULTILINE
        )[-1:]
        for bound in setting.field.metadata:
            for end in ("gt", "ge", "le"):
                value = getattr(bound, end, None)
                assert value is None or f"{in_units(setting.name, value)}" in row, setting.name


def in_units(name: str, value: int) -> str:
    from tidegate.settings.words import human_size

    return (human_size(value) if name.endswith("_bytes") else "") or str(value)


def yaml_blocks(page: str) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


def test_the_routes_on_the_page_load() -> None:
    """With the target that the page speaks of, its example of routes is good."""
    (block,) = yaml_blocks("configuration.md")
    targets = "deliveries: {targets: [{name: archive, bucket: example-archive}]}\n"
    settings = load("-", {}, io.StringIO(block + targets)).settings
    assert [route.name for route in settings.routes] == ["bank", "statements"]


def test_the_least_that_serves_does() -> None:
    """Of the configuration in docs/serve.md, `serve` would ask only for the key file it names."""
    (block,) = [block for block in yaml_blocks("serve.md") if "server_id:" in block]
    (problem,) = check_for_serve(load("-", {}, io.StringIO(block)).settings)
    assert problem.startswith("sftp.host_key_files[0]: /etc/tidegate/host_ed25519 does not exist")


def test_the_page_tells_what_a_prefix_names() -> None:
    """The table of names has each setting that a prefix names, with its name."""
    settings = Settings(name_prefix="example-prod")
    for section, names in NAMED.items():
        for name in names:
            value = getattr(getattr(settings, section), name)
            assert f"| `{section}.{name}` | `{value}` |\n" in PAGE


@pytest.mark.parametrize("choice", BehaviourSettings.model_fields)
def test_the_table_of_presets_is_that_of_the_code(choice: str) -> None:
    """The page gives each preset's value of each behaviour setting."""
    values = " | ".join(f"`{yaml_word(getattr(preset, choice))}`" for preset in PRESETS.values())
    assert f"| `behaviour.{choice}` | {values} |\n" in PAGE


def yaml_word(value: object) -> str:
    if isinstance(value, tuple):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
