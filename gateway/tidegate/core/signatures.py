"""
Requests to an AWS API, and what their header Authorization says.

AWS General Reference, "Signature Version 4 signing process". Whether a signature is right is told elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tidegate.core.errors import GatewayError

Access: TypeAlias = Literal["read", "admin"]

_ALGORITHM = "AWS4-HMAC-SHA256"
_SCOPE = re.compile(
    r"(?P<key>[\w+=,.@-]{1,128})/(?P<date>\d{8})/(?P<region>[a-z0-9-]{1,64})"
    r"/(?P<service>[a-z0-9-]{1,64})/aws4_request",
    re.ASCII,
)
_SIGNED = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+(;[a-z0-9!#$%&'*+.^_`|~-]+)*", re.ASCII)
_SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """
    An HTTP request as it came.

    Args:
        query: What follows the question mark, as written.
        headers: By their names in small letters.
        client_ip: Where it came from.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    client_ip: str = ""

    def header(self, name: str) -> str:
        """Return the header, empty if it is missing; `name` in small letters."""
        return self.headers.get(name, "")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, and what it may do: everything, or only look."""

    access_key_id: str
    access: Access


CheckCaller: TypeAlias = Callable[[ApiRequest], Caller]
"""Returns who sent the request; raises `CallerRefused`."""


class CallerRefused(GatewayError):
    """
    A request is not signed, or not as it must be.

    Args:
        name: The error an AWS service answers with. `detail` is its text.
        http_status: Of that answer.
    """

    def __init__(self, name: str, detail: str, http_status: int = 403) -> None:
        super().__init__(detail)
        self.name = name
        self.http_status = http_status


@dataclass(frozen=True, slots=True)
class Authorization:
    """What the header Authorization says; nothing of it is checked but its form."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str


def authorization_of(request: ApiRequest) -> Authorization:
    """Return what the request says of its signature. Raises `CallerRefused` if it says it in another form."""
    header = request.header("authorization")
    if not header:
        raise CallerRefused("MissingAuthenticationTokenException", "Missing Authentication Token")
    algorithm, _, rest = header.strip().partition(" ")
    if algorithm != _ALGORITHM:
        raise _incomplete(f"Authorization must begin with {_ALGORITHM}.")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(", " if ", " in rest else ","))
    for name in ("Credential", "Signature", "SignedHeaders"):
        if not parts.get(name):
            raise _incomplete(f"Authorization header requires '{name}' parameter.")
    scope = _SCOPE.fullmatch(parts["Credential"])
    if scope is None:
        raise _incomplete("Credential must be: key id, date, region, service and aws4_request, by slashes.")
    if _SIGNED.fullmatch(parts["SignedHeaders"]) is None or _SIGNATURE.fullmatch(parts["Signature"]) is None:
        raise _incomplete("SignedHeaders or Signature is not well formed.")
    signed = tuple(parts["SignedHeaders"].split(";"))
    return Authorization(
        scope["key"], scope["date"], scope["region"], scope["service"], signed, parts["Signature"]
    )


def any_caller(request: ApiRequest) -> Caller:
    """Take any credential, as local mode does: a request must be signed, by whomever."""
    return Caller(authorization_of(request).access_key_id, "admin")


def _incomplete(text: str) -> CallerRefused:
    return CallerRefused("IncompleteSignatureException", text, 400)
