"""AWS JSON 1.1 at the border: which requests are for Transfer Family, and how it answers."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from tidegate.core.shapes import ErrorShape, OperationShape
from tidegate.core.signatures import ApiRequest
from tidegate.faces.control.errors import ApiError
from tidegate.faces.control.serialising import serialised

# The largest home the service takes is 4 MB.
MAX_BODY_BYTES = 8 * 1024 * 1024

_TARGET_PREFIX = "TransferService."
_CONTENT_TYPE = "application/x-amz-json-1.1"
_SCOPE = re.compile(r"Credential=[^,\s]*/transfer/aws4_request", re.ASCII)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; `status` with its reason, as `200 OK`."""

    status: str
    body: bytes
    headers: dict[str, str]


def is_transfer_request(target: str, authorization: str) -> bool:
    """
    Tell whether a request is for Transfer Family.

    Args:
        target: The header X-Amz-Target.
        authorization: The header Authorization; its credential scope names the service.
    """
    return target.startswith(_TARGET_PREFIX) or _SCOPE.search(authorization) is not None


def operation_of(request: ApiRequest) -> str:
    """Return the operation that a request names. Raises `ApiError` if it names none of this service's."""
    target = request.header("x-amz-target")
    if request.method != "POST" or request.path not in ("", "/") or not target.startswith(_TARGET_PREFIX):
        raise unknown_operation()
    return target.removeprefix(_TARGET_PREFIX)


def unknown_operation() -> ApiError:
    return ApiError("UnknownOperationException", status=HTTPStatus.BAD_REQUEST)


def not_offered(operation: str) -> ApiError:
    """The operation is Transfer Family's, and not ours."""
    return ApiError(
        "NotImplementedException",
        f"{operation} is not offered by this version of tidegate. "
        "What is offered is told in its documentation: transfer-api.md.",
        status=HTTPStatus.NOT_IMPLEMENTED,
    )


def members_in(body: bytes) -> Any:
    """Return what the body says. Raises `ApiError`."""
    if len(body) > MAX_BODY_BYTES:
        raise _too_large()
    try:
        return json.loads(body or b"{}", parse_constant=_no_number)
    # The last: lists within lists, thousands deep.
    except (ValueError, RecursionError):
        raise ApiError("SerializationException", "The body is no JSON.", status=400) from None


def too_large() -> Answer:
    """Return the answer to a request whose body is not even read."""
    return failure(_too_large(), {})


def _too_large() -> ApiError:
    return ApiError(
        "RequestEntityTooLargeException",
        f"The request is larger than {MAX_BODY_BYTES} bytes, or does not say how large it is.",
        status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    )


def success(operation: OperationShape, members: dict[str, Any] | None) -> Answer:
    """Return the answer of an operation that was carried out."""
    if operation.output is None:
        return _answer(HTTPStatus.OK, b"", {})
    return _answer(HTTPStatus.OK, _json(serialised(operation.output, members or {})), {})


def failure(error: ApiError, errors: Mapping[str, ErrorShape]) -> Answer:
    """Return the answer that says the error; what the model knows of it goes before what `error` says."""
    shape = errors.get(error.name)
    text = shape.text_member if shape else "Message"
    said = {text: error.text} if text else {}
    status = shape.status if shape else error.status or HTTPStatus.BAD_REQUEST
    body = {"__type": error.name, **said, **error.members}
    return _answer(HTTPStatus(status), _json(body), {"x-amzn-ErrorType": error.name})


def unavailable() -> Answer:
    """Return the answer where no gateway is behind the border, or none that has time."""
    text = "The gateway does not answer: it starts, stops or is busy."
    # Without the model: who asks now need not wait until it is read.
    error = ApiError("ServiceUnavailableException", text, status=HTTPStatus.INTERNAL_SERVER_ERROR)
    return failure(error, {})


def _answer(status: HTTPStatus, body: bytes, headers: dict[str, str]) -> Answer:
    own = {"Content-Type": _CONTENT_TYPE, "x-amzn-RequestId": str(uuid.uuid4()), **headers}
    return Answer(f"{status.value} {status.phrase}", body, own)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
