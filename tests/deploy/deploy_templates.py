"""CloudFormation templates as plain values: short forms such as `!Ref X` written out."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"


class _Loader(yaml.SafeLoader):
    """Reads the tags of CloudFormation, and dates as the text they are."""


def _long_form(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _long_form)


def template(name: str) -> dict[str, Any]:
    """Return the template of this name, such as `storage`; the caller's to change."""
    return deepcopy(_read(name))


@cache
def _read(name: str) -> dict[str, Any]:
    text = (DEPLOY / f"{name}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, _Loader)
    return loaded


def resources(name: str, kind: str) -> dict[str, dict[str, Any]]:
    """Return the resources of a type, by their logical ids."""
    found: dict[str, dict[str, Any]] = template(name)["Resources"]
    return {each: resource for each, resource in found.items() if resource["Type"] == kind}


def statements(name: str, resource: str) -> list[dict[str, Any]]:
    """Return the statements of a policy resource, actions always as a list."""
    document = template(name)["Resources"][resource]["Properties"]["PolicyDocument"]
    return [{**each, "Action": _list(each["Action"])} for each in document["Statement"]]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
