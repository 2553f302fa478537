"""The JSON Schema of a configuration file, for editors."""

from __future__ import annotations

from typing import Any

from tidegate.settings.model import Settings


def json_schema() -> dict[str, Any]:
    """
    Return the schema (draft 2020-12) of the file as people write it.

    It knows names, types, bounds and forms. Rules between settings are checked only by `load`.
    """
    schema = Settings.model_json_schema(mode="validation")
    # With `name_prefix`, which may stand in a file that is extended, a target's name says its bucket.
    schema["$defs"]["DeliveryTargetSettings"]["required"].remove("bucket")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "tidegate configuration",
    }
