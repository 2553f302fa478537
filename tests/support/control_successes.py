"""Every operation of the Transfer API that is offered, carried out: the tables together."""

from __future__ import annotations

from support.control_success import EXECUTION, WORKFLOW, Members
from support.control_success_servers import HOST_KEYS, SERVERS
from support.control_success_users import OTHERS, TAGS, USERS, WORKFLOWS

SUCCESSES = (*SERVERS, *HOST_KEYS, *USERS, *WORKFLOWS, *TAGS, *OTHERS)
# Operations that are offered and have nothing to succeed with: whom they are about is never there.
NEVER = {
    "DescribeExecution": "executions under way are shown, and nothing starts any",
    "SendWorkflowStepState": "no step waits for an answer, as nothing starts an execution",
}
# What is asked of these.
NEVER_ASKED: dict[str, Members] = {
    "DescribeExecution": WORKFLOW | {"ExecutionId": EXECUTION},
    "SendWorkflowStepState": WORKFLOW | {"ExecutionId": EXECUTION, "Token": "t", "Status": "SUCCESS"},
}
# One request for each operation that can be carried out, or fails for nothing but what it is about.
REQUESTS = {each.operation: each.members for each in reversed(SUCCESSES)} | NEVER_ASKED
