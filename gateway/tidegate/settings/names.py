"""Names that follow from `name_prefix`, where the configuration does not give them itself."""

from __future__ import annotations

import re
from typing import Any

from tidegate.settings.kinds import NAME_PREFIX_PATTERN

# What a prefix names, by section; targets are named after themselves.
NAMED = {
    "landing": {"bucket": "{prefix}-landing", "kms_key": "alias/{prefix}-landing"},
    "tables": {
        "transfers": "{prefix}-transfers",
        "directory": "{prefix}-directory",
        "kms_key": "alias/{prefix}-records",
    },
    "sftp": {"host_key_kms_key": "alias/{prefix}-host-keys"},
}
_NAMED_TARGET = {"bucket": "{prefix}-{name}", "kms_key": "alias/{prefix}-{name}"}


def with_names(values: Any) -> Any:
    """
    Return the values with every name filled in that `name_prefix` decides and they do not.

    What is not of the expected shape is left as it is: checking is not done here. A null is said, and
    stays; sections that are built already are not looked into.
    """
    prefix = values.get("name_prefix") if isinstance(values, dict) else None
    # Of a prefix that is wrong, the names that follow from it would only be said to be wrong, too.
    if not isinstance(prefix, str) or not re.fullmatch(NAME_PREFIX_PATTERN, prefix):
        return values
    named = dict(values)
    for section, names in NAMED.items():
        named[section] = _filled(values.get(section, {}), names, prefix=prefix)
    deliveries = values.get("deliveries", {})
    if isinstance(deliveries, dict):
        targets = deliveries.get("targets", [{"name": "private"}])
        named["deliveries"] = {**deliveries, "targets": _targets(targets, prefix)}
    return named


def _targets(targets: Any, prefix: str) -> Any:
    if not isinstance(targets, list | tuple):
        return targets
    return [
        _filled(each, _NAMED_TARGET, prefix=prefix, name=each["name"])
        if isinstance(each, dict) and isinstance(each.get("name"), str)
        else each
        for each in targets
    ]


def _filled(section: Any, names: dict[str, str], **parts: object) -> Any:
    if not isinstance(section, dict):
        return section
    return {**{key: name.format(**parts) for key, name in names.items()}, **section}
