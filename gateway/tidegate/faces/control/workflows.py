"""Operations on workflows, and on their executions."""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.core.arns import Arns
from tidegate.core.workflows import Step, Workflow, steps_of
from tidegate.faces.control.api import Members, Operation
from tidegate.faces.control.errors import about, unknown
from tidegate.faces.control.paging import cut, first_of, page_size, place_of
from tidegate.faces.control.servers import tag_members, tags_in
from tidegate.services.workflows import Workflows


class WorkflowOperations:
    """
    Operations of the API on workflows.

    Executions are those under way, as at AWS, and nothing here starts any: none is found.
    """

    def __init__(self, workflows: Workflows, arns: Arns) -> None:
        self._workflows = workflows
        self._arns = arns

    def operations(self) -> dict[str, Operation]:
        return {
            "CreateWorkflow": self._create,
            "DescribeWorkflow": self._describe,
            "ListWorkflows": self._list,
            "DeleteWorkflow": self._delete,
            "ListExecutions": self._list_executions,
            "DescribeExecution": self._no_execution,
            "SendWorkflowStepState": self._no_execution,
        }

    async def _create(self, request: Members) -> Members:
        wanted = Workflow(
            "",
            request.get("Description", ""),
            steps_of(request["Steps"]),
            steps_of(request.get("OnExceptionSteps", [])),
            tags_in(request.get("Tags", [])),
            tuple(request.get("StructuredLogDestinations", ())),
        )
        return {"WorkflowId": (await self._workflows.create(wanted)).workflow_id}

    async def _describe(self, request: Members) -> Members:
        workflow = await self._named(request)
        described = {
            **self._common(workflow),
            "Steps": _members(workflow.steps),
            "OnExceptionSteps": _members(workflow.on_exception_steps),
            "Tags": tag_members(workflow.tags),
            # A model that is older than this member knows it in no request either.
            "StructuredLogDestinations": list(workflow.log_destinations) or None,
        }
        return {"Workflow": described}

    async def _list(self, request: Members) -> Members:
        listing, size = "ListWorkflows", page_size(request)
        found = await self._workflows.page(place_of(request, listing) or "", size + 1)
        page, token = first_of(found, size, listing, lambda workflow: workflow.workflow_id)
        return {"Workflows": list(map(self._common, page)), "NextToken": token}

    async def _delete(self, request: Members) -> None:
        with about("Workflow", request["WorkflowId"]):
            await self._workflows.remove(request["WorkflowId"])

    # --- executions -----------------------------------------------------------------------------

    async def _list_executions(self, request: Members) -> Members:
        workflow_id = (await self._named(request)).workflow_id
        none: list[Members] = []
        page, token = cut(none, request, f"ListExecutions {workflow_id}", str)
        return {"WorkflowId": workflow_id, "Executions": page, "NextToken": token}

    async def _no_execution(self, request: Members) -> Members:
        # AWS answers alike for one that never was and for one that has ended.
        await self._named(request)
        raise unknown("Execution", request["ExecutionId"])

    # --- members --------------------------------------------------------------------------------

    async def _named(self, request: Members) -> Workflow:
        with about("Workflow", request["WorkflowId"]):
            return await self._workflows.get(request["WorkflowId"])

    def _common(self, workflow: Workflow) -> Members:
        return {
            "Arn": self._arns.workflow(workflow.workflow_id),
            "WorkflowId": workflow.workflow_id,
            "Description": workflow.description or None,
        }


def _members(steps: Iterable[Step]) -> list[Members]:
    return [step.member() for step in steps]
