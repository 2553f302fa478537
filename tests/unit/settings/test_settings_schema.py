"""The JSON Schema and the examples in config/."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import yaml

from tidegate.settings import LoadedSettings, Settings, check_for_serve, json_schema, load

EXAMPLES = Path(__file__).parents[3] / "config" / "examples"


def example(name: str) -> LoadedSettings:
    return load(str(EXAMPLES / name), {}, io.StringIO())


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
    assert [settings.home_of(partner) for partner in settings.partners] == ["/tidegate-landing/acme"]


def test_the_example_for_serve_lacks_nothing_but_its_host_key() -> None:
    """serve.yaml loads, and `serve` would ask only for the key file it names."""
    (problem,) = check_for_serve(example("serve.yaml").settings)
    assert problem.startswith(
        "sftp.host_key_files[0]: /etc/tidegate/host_ed25519 does not exist; make one with"
    )


def test_the_example_for_serve_states_its_own_names() -> None:
    """No bucket, key or target of production is left to a default."""
    values: dict[str, Any] = yaml.safe_load((EXAMPLES / "serve.yaml").read_text())
    assert {"bucket", "kms_key"} <= values["landing"].keys()
    assert values["deliveries"]["targets"]
    assert {"region"} <= values["aws"].keys()
