"""
YAML text to plain values, with the line of every one of them.

PyYAML composes the text to nodes, which know their lines; the values are then built here. Aliases
make a small text mean a large value, and may contain themselves, so both the number of values and
their depth are bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from tidegate.core.limits import MIB
from tidegate.settings.problems import Lines, Origins, Place, Problem, refusal

# As many partners as a server of Transfer Family can have, with a few keys each.
MAX_DOCUMENT_BYTES = 8 * MIB
# A document of the largest size has a tenth of these; settings are five levels deep.
MAX_VALUES = 200_000
MAX_DEPTH = 32

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_KNOWN_TAGS = frozenset(
    _TAG + name for name in ("null", "bool", "int", "float", "str", "timestamp", "map", "seq", "merge")
)
_NO_ORIGINS: Origins = {}


@dataclass(frozen=True, slots=True)
class Document:
    """
    What a text says.

    Args:
        values: The top-level mapping; empty for an empty text.
        lines: The line, from 1, of each key and each item; of the document itself at `()`.
    """

    values: dict[str, object]
    lines: Lines


def parse(text: str, source: str) -> Document:
    """
    Return what the YAML says.

    Raises:
        InvalidSettings: It is too large or deep, not YAML, says a key twice, uses tags of its own,
            or is no mapping. Every line names `source`.
    """
    if len(text.encode(errors="surrogatepass")) > MAX_DOCUMENT_BYTES:
        raise refusal(source, [_too_large()], _NO_ORIGINS)
    try:
        return _parse(text)
    except _Refused as refused:
        raise refusal(source, refused.problems, _NO_ORIGINS) from None


def _too_large() -> Problem:
    return Problem((), f"larger than {MAX_DOCUMENT_BYTES} bytes (8 MiB); is it the right file?")


class _Refused(Exception):
    """Carries problems to `parse`, which knows the name of the source."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__()
        self.problems = problems


def _parse(text: str) -> Document:
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        return Document({}, {}) if root is None else _document(root, loader)
    except yaml.YAMLError as error:
        raise _Refused(_malformed(error, text)) from None
    except RecursionError:
        raise _Refused(_too_deep(None)) from None
    except (ValueError, OverflowError):
        # PyYAML turns an escape such as "\UFFFFFFFF" to a character without looking.
        raise _Refused(Problem((), "not valid YAML: an escape or number that stands for nothing")) from None
    finally:
        if loader is not None:
            loader.dispose()


def _document(root: yaml.Node, loader: yaml.SafeLoader) -> Document:
    if problems := list(_unsound(root)):
        raise _Refused(*problems)
    builder = _Builder(loader)
    values = builder.build(root, (), 0)
    if values is None:
        return Document({}, {})
    if not isinstance(values, dict):
        text = "the top level must be a mapping of settings, such as `preset: transfer-family`"
        raise _Refused(Problem((), text, _line(root)))
    builder.lines[()] = _line(root)
    return Document(values, builder.lines)


def _unsound(root: yaml.Node) -> Iterator[Problem]:
    """Yield what is wrong with the nodes, each looked at once, however often it is referred to."""
    seen: set[int] = set()
    waiting: list[tuple[yaml.Node, Place]] = [(root, ())]
    while waiting:
        node, place = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.tag not in _KNOWN_TAGS:
            yield Problem(place, f"the tag {node.tag.replace(_TAG, '!!')!r} is not known here", _line(node))
        if isinstance(node, yaml.MappingNode):
            yield from _unsound_keys(node, place)
        waiting.extend(_inside(node, place))


def _inside(node: yaml.Node, place: Place) -> Iterator[tuple[yaml.Node, Place]]:
    if isinstance(node, yaml.SequenceNode):
        yield from ((item, (*place, number)) for number, item in enumerate(node.value))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield value, (*place, key.value if isinstance(key, yaml.ScalarNode) else "?")


def _unsound_keys(node: yaml.MappingNode, place: Place) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for key, _ in node.value:
        if key.tag == _MERGE:
            continue
        if key.tag != _TAG + "str":
            shown = repr(key.value) if isinstance(key, yaml.ScalarNode) else "a list or mapping"
            yield Problem(place, f"a key must be text, not {shown[:60]}", _line(key))
        elif key.value in first:
            yield Problem((*place, key.value), f"said twice, first on line {first[key.value]}", _line(key))
        else:
            first[key.value] = _line(key)


@dataclass(slots=True)
class _Builder:
    """Builds values of sound nodes and notes their lines."""

    loader: yaml.SafeLoader
    lines: dict[Place, int] = field(default_factory=dict)
    left: int = MAX_VALUES

    def build(self, node: yaml.Node, place: Place, depth: int) -> object:
        self.left -= 1
        if self.left < 0:
            raise _Refused(
                Problem((), f"holds more than {MAX_VALUES} values, aliases counted each time", _line(node))
            )
        if depth > MAX_DEPTH:
            raise _Refused(_too_deep(_line(node)))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place, depth)
        if isinstance(node, yaml.SequenceNode):
            return self._list(node, place, depth)
        return self._scalar(node, place)

    def _list(self, node: yaml.SequenceNode, place: Place, depth: int) -> list[object]:
        items = []
        for number, item in enumerate(node.value):
            self.lines[(*place, number)] = _line(item)
            items.append(self.build(item, (*place, number), depth + 1))
        return items

    def _mapping(self, node: yaml.MappingNode, place: Place, depth: int) -> dict[str, object]:
        values: dict[str, object] = {}
        # Merged keys first, so that the mapping's own replace them, wherever `<<` stands.
        for key, value in node.value:
            if key.tag == _MERGE:
                values.update(self._merged(value, place, depth + 1))
        for key, value in node.value:
            if key.tag != _MERGE:
                self.lines[(*place, key.value)] = _line(key)
                values[key.value] = self.build(value, (*place, key.value), depth + 1)
        return values

    def _merged(self, node: yaml.Node, place: Place, depth: int) -> dict[str, object]:
        values: dict[str, object] = {}
        # Of several merged mappings the first has the last word.
        for source in reversed(node.value) if isinstance(node, yaml.SequenceNode) else [node]:
            built = self.build(source, place, depth)
            if not isinstance(built, dict):
                raise _Refused(Problem(place, "<< takes a mapping or a list of mappings", _line(node)))
            values.update(built)
        return values

    def _scalar(self, node: yaml.Node, place: Place) -> object:
        try:
            return self.loader.construct_object(node)
        except (yaml.YAMLError, ValueError, LookupError, AttributeError):
            kind = node.tag.removeprefix(_TAG)
            raise _Refused(
                Problem(place, f"looks like a {kind} but is none; put it in quotes", _line(node))
            ) from None


def _too_deep(line: int | None) -> Problem:
    return Problem((), f"nested more than {MAX_DEPTH} levels deep, or an alias contains itself", line)


def _malformed(error: yaml.YAMLError, text: str) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        return Problem((), f"not valid YAML: {said}", None if mark is None else mark.line + 1)
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        character = ord(text[error.position])
        return Problem((), f"not valid YAML: character {character:#06x} is not allowed", line)
    return Problem((), "not valid YAML")


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
