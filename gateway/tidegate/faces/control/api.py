"""The Transfer Family API: a request in, its answer out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import structlog

from tidegate.core.errors import GatewayError
from tidegate.core.ids import new_error_id
from tidegate.core.shapes import OperationShape, ServiceShape
from tidegate.core.signatures import ApiRequest, Caller, CallerRefused, CheckCaller
from tidegate.faces.control.errors import ApiError, translated
from tidegate.faces.control.protocol import (
    Answer,
    failure,
    members_in,
    not_offered,
    operation_of,
    success,
    unknown_operation,
)
from tidegate.faces.control.validation import checked

Members: TypeAlias = dict[str, Any]
# What carries out an operation: the members of a request that fits the model, to those of the answer.
Operation: TypeAlias = Callable[[Members], Awaitable[Members | None]]

_log = structlog.get_logger("tidegate.api")

_LOOKING = ("Describe", "List", "Test")
# Members that say what a call was about; none of them is a secret.
_NAMES = ("ServerId", "UserName", "SshPublicKeyId", "HostKeyId", "WorkflowId", "Arn")
_DENIED = "You do not have sufficient access to perform this action."


class TransferApi:
    """Answers requests by the operations it is given, in the form of the service's model."""

    def __init__(
        self, service: ServiceShape, operations: Mapping[str, Operation], check_caller: CheckCaller
    ) -> None:
        self._service = service
        self._operations = operations
        self._check_caller = check_caller

    async def answer(self, request: ApiRequest) -> Answer:
        """Return the answer to any request; raises nothing but cancellation."""
        try:
            return await self._carried_out(request)
        except ApiError as error:
            return failure(error, self._service.errors)
        except CallerRefused as error:
            _log.warning("caller refused", error=error.name, reason=error.detail)
            refusal = ApiError(error.name, error.detail, status=error.http_status)
            return failure(refusal, self._service.errors)
        except GatewayError as error:
            _log.error("operation failed", operation=request.header("x-amz-target"), reason=str(error))
            return failure(translated(error), self._service.errors)
        except Exception:  # noqa: BLE001 - the last place that can tell the caller, and the log, of it
            error_id = new_error_id()
            _log.exception("operation failed", operation=request.header("x-amz-target"), error_id=error_id)
            fault = ApiError("InternalServiceError", f"An internal error occurred (error id {error_id}).")
            return failure(fault, self._service.errors)

    async def _carried_out(self, request: ApiRequest) -> Answer:
        caller = self._check_caller(request)
        shape = self._operation(operation_of(request))
        self._check_access(caller, shape.name)
        carry_out = self._operations.get(shape.name)
        if carry_out is None:
            raise not_offered(shape.name)
        members = checked(shape.input, members_in(request.body))
        if shape.name.startswith(_LOOKING):
            return success(shape, await carry_out(members))
        told = {name: members[name] for name in _NAMES if name in members}
        record = _log.bind(operation=shape.name, by=caller.access_key_id, client_ip=request.client_ip, **told)
        try:
            said = await carry_out(members)
        except (ApiError, GatewayError) as error:
            record.warning("refused by the Transfer API", reason=str(error))
            raise
        record.info("changed by the Transfer API", **{**told, **_named(said)})
        return success(shape, said)

    def _operation(self, name: str) -> OperationShape:
        shape = self._service.operations.get(name)
        if shape is None:
            raise unknown_operation()
        return shape

    @staticmethod
    def _check_access(caller: Caller, operation: str) -> None:
        if caller.access == "read" and not operation.startswith(_LOOKING):
            raise ApiError("AccessDeniedException", _DENIED)


def _named(said: Members | None) -> Members:
    """Return what an answer says of whom it was about: of something new only it knows the id."""
    return {name: said[name] for name in _NAMES if said and name in said}
