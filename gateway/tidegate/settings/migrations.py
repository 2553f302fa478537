"""
Versions of the format, and the text of an older configuration brought up to date.

A migration changes text, not values: comments and layout are the work of whoever wrote the file. Each
step leads from one version to the next, and what it returns must say what was said before.
"""

from __future__ import annotations

from collections.abc import Callable

import yaml

from tidegate.core.errors import InvalidSettings
from tidegate.settings.document import parse
from tidegate.settings.problems import Problem, refusal, shown

FORMAT_VERSION = 1
# A file of before there were versions, or whose author left the line out.
UNVERSIONED = 0
_VERSION = "version"


def refused_version(version: object, known: int = FORMAT_VERSION) -> str:
    """Return why a file that says this version cannot be loaded; empty if it can, or says none."""
    if version is None or (version == known and not isinstance(version, bool)):
        return ""
    if not isinstance(version, int) or isinstance(version, bool):
        return f"expected a whole number, not {shown(version)}"
    if UNVERSIONED <= version < known:
        return (
            f"{version} is older than {known}, which this tidegate reads; "
            "`tidegate config migrate FILE` brings it up to date"
        )
    return f"{shown(version)} is not known here; this tidegate reads version {known}"


def migrated(text: str, source: str) -> str:
    """
    Return the text in the format of this tidegate: the same text, if it is that already.

    Only the file itself is looked at, not what it extends; settings are not checked.

    Raises:
        InvalidSettings: It is no YAML mapping, is of a newer version, or cannot be changed as text.
    """
    version = version_of(text, source)
    while version < FORMAT_VERSION:
        text = STEPS[version](text, source)
        version += 1
    return text


def version_of(text: str, source: str) -> int:
    """Return the version a text says it is of, 0 if it says none. Raises as `migrated` does."""
    document = parse(text, source)
    version = document.values.get(_VERSION, UNVERSIONED)
    if isinstance(version, int) and not isinstance(version, bool) and 0 <= version <= FORMAT_VERSION:
        return version
    words = refused_version(version) or f"expected a whole number, not {shown(version)}"
    raise refusal(source, [Problem((_VERSION,), words, document.lines.get((_VERSION,)))], {})


def _say_version_1(text: str, source: str) -> str:
    return _with_version(text, 1, source)


# From each older version, the step to the next.
STEPS: dict[int, Callable[[str, str], str]] = {UNVERSIONED: _say_version_1}


def _with_version(text: str, version: int, source: str) -> str:
    """Return the text saying the version, on the line where it does or before the first setting."""
    wanted = {**parse(text, source).values, _VERSION: version}
    changed = _with_version_unchecked(text, version)
    if not _says(changed, wanted):
        # YAML can be written in ways that leave no line to put a key on.
        by_hand = f"write `{_VERSION}: {version}` into it yourself"
        raise InvalidSettings(f"{source}: cannot be changed as text; {by_hand}")
    return changed


def _says(text: str, wanted: dict[str, object]) -> bool:
    try:
        return parse(text, "").values == wanted
    except InvalidSettings:
        return False


def _with_version_unchecked(text: str, version: int) -> str:
    said = f"{_VERSION}: {version}"
    end_of_line = "\r\n" if "\r\n" in text else "\n"
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return text + ("" if not text or text.endswith("\n") else end_of_line) + said + end_of_line
    for key, value in root.value:
        if key.value == _VERSION:
            return text[: value.start_mark.index] + str(version) + text[value.end_mark.index :]
    if root.flow_style:
        inside = text.index("{", root.start_mark.index) + 1
        return f"{text[:inside]}{said}{', ' if root.value else ''}{text[inside:]}"
    first = root.value[0][0].start_mark
    return f"{text[: first.index]}{said}{end_of_line}{' ' * first.column}{text[first.index :]}"
