"""Workflows that a server names, as definitions that travel with it."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field

from tidegate.settings.kinds import refused
from tidegate.settings.problems import shown
from tidegate.settings.resources import LogDestination, ResourceTags, WorkflowId
from tidegate.settings.sections import Section

# Transfer Family API, WorkflowStepType.
_TYPES = ("COPY", "CUSTOM", "TAG", "DELETE", "DECRYPT")
_STEPS = 8


def _step(step: dict[str, Any]) -> dict[str, Any]:
    if step.get("Type") not in _TYPES:
        raise refused(f"expected a step with a Type of {', '.join(_TYPES)}, not {shown(step.get('Type'))}")
    return step


Steps: TypeAlias = Annotated[
    tuple[Annotated[dict[str, Any], AfterValidator(_step)], ...], Field(max_length=_STEPS)
]


class WorkflowSettings(Section):
    """A workflow, as CreateWorkflow takes it."""

    id: WorkflowId = Field(description="What on_upload calls it; at another target it has another id.")
    description: Annotated[str, Field(max_length=256)] = Field(default="", description="For people.")
    steps: Steps = Field(description="What is done, one after the other, by the API's names.")
    on_exception_steps: Steps = Field(default=(), description="What is done once a step has failed.")
    structured_log_destinations: Annotated[tuple[LogDestination, ...], Field(max_length=1)] = Field(
        default=(), description="ARN of the log group of its executions."
    )
    tags: ResourceTags = Field(default={}, description="Tags that it is made with.")

    @property
    def members(self) -> dict[str, Any]:
        """What CreateWorkflow is told."""
        optional: dict[str, Any] = {
            "Description": self.description,
            "OnExceptionSteps": list(self.on_exception_steps),
            "StructuredLogDestinations": list(self.structured_log_destinations),
            "Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()],
        }
        return {"Steps": list(self.steps), **{name: value for name, value in optional.items() if value}}
