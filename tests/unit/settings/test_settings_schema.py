"""The JSON Schema and the examples in config/."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tidegate.core.errors import InvalidSettings
from tidegate.settings import LoadedSettings, Settings, check_for_serve, json_schema, load

EXAMPLES = Path(__file__).parents[3] / "config" / "examples"
SECRETS = {"OBJECTS_ACCESS_KEY_ID": "id", "OBJECTS_SECRET_ACCESS_KEY": "secret"}


def example(name: str) -> LoadedSettings:
    return load(str(EXAMPLES / name), SECRETS, io.StringIO())


def test_the_schema_is_of_draft_2020_12() -> None:
    """The schema names its draft and itself, and is plain JSON."""
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "tidegate configuration"
    assert json.loads(json.dumps(schema)) == schema


def test_the_schema_knows_every_section_and_no_other_name() -> None:
    """Editors can complete every name and mark every unknown one."""
    schema = json_schema()
    assert list(schema["properties"]) == list(Settings.model_fields)
    objects = [schema, *schema["$defs"].values()]
    assert all(part["additionalProperties"] is False for part in objects)
    for field in (field for part in objects for field in part["properties"].values()):
        # A section described in the same words as its model leaves the words to the model.
        assert "description" in field or "description" in schema["$defs"][field["$ref"].rpartition("/")[2]]


def test_the_schema_asks_for_secrets_by_name() -> None:
    """A secret written out does not validate; `${NAME}` does."""
    aws = json_schema()["$defs"]["AwsSettings"]["properties"]
    for name in ("access_key_id", "secret_access_key"):
        (pattern,) = [kind["pattern"] for kind in aws[name]["anyOf"] if kind["type"] == "string"]
        assert re.search(pattern, "${STORE_SECRET}")
        assert not re.search(pattern, "wJalrXUtnFEMI")


def test_the_example_for_local_says_what_is_the_default() -> None:
    """local.yaml loads, and differs from the defaults in naming the preset only."""
    settings = example("local.yaml").settings
    assert settings == Settings(preset="transfer-family")


def test_the_partners_in_the_example_for_local_load_once_uncommented() -> None:
    """The commented part of local.yaml is valid too."""
    plain, mark, commented = (EXAMPLES / "local.yaml").read_text().partition("# partners:\n")
    text = plain + (mark + commented).replace("\n# ", "\n").removeprefix("# ")
    settings = load("-", {}, io.StringIO(text)).settings
    assert [settings.home_of(partner).target for partner in settings.partners] == ["/tidegate-landing/acme"]


def test_the_schema_takes_what_a_base_file_may_leave_out() -> None:
    """A target needs no bucket where a prefix names it; what only a whole configuration has is not asked."""
    schema = json_schema()
    assert "required" not in schema
    assert schema["$defs"]["DeliveryTargetSettings"]["required"] == ["name"]
    assert {"extends", "name_prefix"} <= schema["properties"].keys()


def test_the_schema_knows_the_forms_of_routes() -> None:
    """Editors offer the storage classes and refuse an empty list of partners; tags have any name."""
    route = json_schema()["$defs"]["RouteSettings"]["properties"]
    assert "STANDARD_IA" in route["storage_class"]["enum"]
    assert route["partners"]["minItems"] == 1
    assert route["tags"]["additionalProperties"] == {"type": "string"}


# --- examples ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_the_example_of_an_environment_serves(name: str) -> None:
    """Of what `serve` can see without AWS nothing is missing."""
    assert check_for_serve(example(f"{name}.yaml").settings) == []


def test_the_base_of_the_examples_is_valid_but_does_not_serve() -> None:
    """Nobody starts what the environments have in common by mistake: it names no server."""
    (problem,) = check_for_serve(example("base.yaml").settings)
    assert problem.startswith("server_id: serve must be told")


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_environments_differ_only_where_they_differ(name: str) -> None:
    """No environment says again, outside of a list, what the base says already."""
    base, over = values_of("base.yaml"), values_of(f"{name}.yaml")
    assert over.pop("extends") == "base.yaml"
    said_below = dict(leaves(base))
    assert [
        place for place, value in leaves(over) if place in said_below and said_below[place] == value
    ] == []


def test_environments_share_no_names() -> None:
    """Buckets, tables, keys and servers of one environment are of that one alone."""
    settings = [example(f"{name}.yaml").settings for name in ("dev", "staging", "prod")]
    for kind in (
        lambda each: each.server_id,
        lambda each: each.landing.bucket,
        lambda each: each.tables.transfers,
        lambda each: each.deliveries.targets[0].bucket,
    ):
        assert len({kind(each) for each in settings}) == 3


def test_the_example_for_production_shows_what_production_needs() -> None:
    """Routes, a load balancer, handlers that deliver, and names that are not those of `local`."""
    settings = example("prod.yaml").settings
    assert [route.name for route in settings.routes] == ["bank", "statements"]
    assert settings.deliveries.owner == "handlers"
    assert settings.sftp.proxy_protocol_from
    assert settings.landing.bucket == "example-prod-landing"
    assert settings.aws.access_key_id is None


def test_secrets_of_the_example_for_development_are_variables() -> None:
    """Keys for the look-alike are named, not written."""
    with pytest.raises(InvalidSettings, match="the environment variable OBJECTS_ACCESS_KEY_ID is not set"):
        load(str(EXAMPLES / "dev.yaml"), {}, io.StringIO())


def values_of(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((EXAMPLES / name).read_text())
    return values


def leaves(values: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value that is no mapping, by its dotted name."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{before}{key}.")
        else:
            yield before + key, value
