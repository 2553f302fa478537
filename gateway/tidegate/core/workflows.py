"""Workflows as Transfer Family defines them: steps for files that came whole, and steps for errors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from tidegate.core.errors import InvalidName
from tidegate.core.limits import S3_TAGS_PER_OBJECT, TRANSFER_STEPS_PER_WORKFLOW
from tidegate.core.tags import Tags

StepType: TypeAlias = Literal["COPY", "CUSTOM", "TAG", "DELETE", "DECRYPT"]

# Transfer Family API, WorkflowStep: the member that goes with each type.
_DETAILS: Mapping[str, str] = {
    "COPY": "CopyStepDetails",
    "CUSTOM": "CustomStepDetails",
    "TAG": "TagStepDetails",
    "DELETE": "DeleteStepDetails",
    "DECRYPT": "DecryptStepDetails",
}
# Transfer Family API, SourceFileLocation of every step.
_SOURCES = ("${previous.file}", "${original.file}")
# User guide, "Use predefined steps"; the API Reference writes Transfer with a capital.
_VARIABLE = re.compile(r"\$\{([^}]*)\}?")
_KNOWN_VARIABLES = ("transfer:UserName", "transfer:UploadDate", "Transfer:UserName", "Transfer:UploadDate")
_FUNCTION = re.compile(r"arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:function:\S+")


@dataclass(frozen=True, slots=True)
class Step:
    """
    One step.

    Args:
        details: The details member of its type, by the API's names: such as Name, SourceFileLocation, and
            DestinationFileLocation, which is `{"S3FileLocation": {"Bucket": ..., "Key": ...}}`.
    """

    type: StepType
    details: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def member(self) -> dict[str, Any]:
        """Return it as the API writes it."""
        return {"Type": self.type, _DETAILS[self.type]: dict(self.details)}


@dataclass(frozen=True, slots=True)
class Workflow:
    """
    One workflow. It never changes, but for its tags.

    Args:
        steps: Taken one after the other.
        on_exception_steps: Taken in their stead from the first error on.
        log_destinations: ARNs of log groups of its executions.
    """

    workflow_id: str
    description: str = ""
    steps: tuple[Step, ...] = ()
    on_exception_steps: tuple[Step, ...] = ()
    tags: Tags = ()
    log_destinations: tuple[str, ...] = ()


def step_of(member: Mapping[str, Any]) -> Step:
    """
    Return a step that the API describes.

    Raises:
        InvalidName: It could not be taken: `detail` says why, and names it if it has a name.
    """
    if member.get("Type") not in get_args(StepType):
        raise InvalidName("a step has no Type", hint=f"one of {', '.join(_DETAILS)}")
    kind: StepType = member["Type"]
    given = sorted(name for name in _DETAILS.values() if name in member)
    if given != [_DETAILS[kind]]:
        says = ", ".join(given) or "none"
        raise InvalidName(f"a step of Type {kind} has {_DETAILS[kind]} and no other details, not {says}")
    details = member[_DETAILS[kind]]
    name = f"step {details['Name']}" if details.get("Name") else f"a step of Type {kind}"
    for problem in _problems(kind, details):
        raise InvalidName(f"{name}: {problem}")
    return Step(kind, details)


def steps_of(members: Iterable[Mapping[str, Any]]) -> tuple[Step, ...]:
    """Return the steps that the API describes, in their order. Raises `InvalidName`."""
    steps = tuple(map(step_of, members))
    if len(steps) > TRANSFER_STEPS_PER_WORKFLOW:
        raise InvalidName(f"there are {len(steps)} steps, and there can be {TRANSFER_STEPS_PER_WORKFLOW}")
    return steps


def _problems(kind: StepType, details: Mapping[str, Any]) -> Iterable[str]:
    source = details.get("SourceFileLocation", _SOURCES[0])
    if source not in _SOURCES:
        yield f"SourceFileLocation is {source}, and can be {' or '.join(_SOURCES)}"
    if kind in ("COPY", "DECRYPT"):
        yield from _destination_problems(details.get("DestinationFileLocation", {}))
    elif kind == "CUSTOM":
        target = details.get("Target", "")
        if _FUNCTION.fullmatch(target) is None:
            yield f"Target is {target or 'not named'}, and must be the ARN of a Lambda function"
    elif kind == "TAG":
        yield from _tag_problems(details.get("Tags", ()))


def _destination_problems(destination: Mapping[str, Any]) -> Iterable[str]:
    if "EfsFileLocation" in destination:
        yield "DestinationFileLocation is on EFS, and this gateway knows S3 alone"
    place = destination.get("S3FileLocation", {})
    if not place.get("Bucket") or not place.get("Key"):
        yield "DestinationFileLocation names no S3FileLocation with Bucket and Key"
    for variable in _VARIABLE.findall(place.get("Key", "")):
        if variable not in _KNOWN_VARIABLES:
            yield f"${{{variable}}} in Key is neither ${{transfer:UserName}} nor ${{transfer:UploadDate}}"


def _tag_problems(tags: Iterable[Mapping[str, str]]) -> Iterable[str]:
    counts = Counter(tag["Key"] for tag in tags)
    if not 1 <= counts.total() <= S3_TAGS_PER_OBJECT:
        yield f"there are {counts.total()} tags, and there can be 1 to {S3_TAGS_PER_OBJECT}"
    yield from (f"the tag {key!r} is named {count} times" for key, count in counts.items() if count > 1)
