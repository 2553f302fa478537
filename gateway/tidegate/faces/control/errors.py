"""Errors as the Transfer API answers them, and ours as its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tidegate.core.errors import (
    AlreadyExists,
    ChangedMeanwhile,
    GatewayError,
    InvalidKey,
    InvalidName,
    NotFound,
    StoreUnavailable,
    Throttled,
    TooManyKeys,
)

# What a client is asked to wait: a second, as a text.
_RETRY_AFTER = "1"
# Kinds that a text does not call by their own name.
_SAID = {"SshPublicKey": "SSH public key", "HostKey": "host key", "SecurityPolicy": "security policy"}


class ApiError(Exception):
    """
    An answer that is an error.

    Args:
        name: The error's name in the service's model, or one that every AWS service knows.
        text: For whoever called.
        members: Other members of the error, by name.
        status: HTTP status; None where the model says it.
    """

    def __init__(
        self, name: str, text: str = "", members: dict[str, str] | None = None, status: int | None = None
    ) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = text
        self.members = members or {}
        self.status = status


def invalid(text: str) -> ApiError:
    """The request cannot be carried out as it is."""
    return ApiError("InvalidRequestException", text)


def unknown(kind: str, resource: str) -> ApiError:
    """There is no such resource; `kind` is Transfer Family's word for it, such as `User`."""
    said = _SAID.get(kind, kind.lower())
    return ApiError("ResourceNotFoundException", f"Unknown {said}", _named(kind, resource))


def exists(text: str, kind: str, resource: str) -> ApiError:
    """There is one already."""
    return ApiError("ResourceExistsException", text, _named(kind, resource))


def _named(kind: str, resource: str) -> dict[str, str]:
    return {"Resource": resource, "ResourceType": kind}


@contextmanager
def about(kind: str, resource: str) -> Iterator[None]:
    """Answer what of our errors means that this resource is not there, or is there already."""
    try:
        yield
    except NotFound as error:
        raise unknown(kind, resource) from error
    except AlreadyExists as error:
        said = _SAID.get(kind, kind)
        raise exists(f"{said} already exists", kind, resource) from error


def translated(error: GatewayError) -> ApiError:
    """Return the answer to an error of ours. Whoever calls administers: it may read what is wrong."""
    if isinstance(error, TooManyKeys | InvalidName):
        return invalid(str(error))
    if isinstance(error, InvalidKey):
        return invalid(f"Unsupported or invalid SSH public key format: {error}")
    if isinstance(error, Throttled):
        return ApiError("ThrottlingException", members={"RetryAfterSeconds": _RETRY_AFTER})
    if isinstance(error, StoreUnavailable | ChangedMeanwhile):
        return ApiError("ServiceUnavailableException", str(error))
    return ApiError("InternalServiceError", str(error))
