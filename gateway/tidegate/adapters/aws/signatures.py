"""Checking signatures of version 4, by the signer that botocore signs with."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from tidegate.core.signatures import (
    Access,
    ApiRequest,
    Authorization,
    Caller,
    CallerRefused,
    authorization_of,
)
from tidegate.ports.clock import Clock

# What AWS allows a client's clock to be off.
_SKEW = timedelta(minutes=5)
_TIME = "%Y%m%dT%H%M%SZ"
_WRONG = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret"
    " Access Key and signing method. Consult the service documentation for details."
)


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """A pair of keys that may sign, and what whoever holds it may do."""

    access_key_id: str
    secret_access_key: str
    access: Access
    session_token: str = ""


class SignatureCheck:
    """Tells who signed a request, by a list of credentials. A `CheckCaller`."""

    def __init__(self, service: str, region: str, credentials: Iterable[Credential], clock: Clock) -> None:
        self._service = service
        self._region = region
        self._credentials = {each.access_key_id: each for each in credentials}
        self._clock = clock

    def __call__(self, request: ApiRequest) -> Caller:
        """
        Return who signed the request.

        Raises:
            CallerRefused: It is not signed, not by a key of the list, for another service, Region or day,
                or too old or too new; or its headers or its body are not those that were signed.
        """
        said = authorization_of(request)
        if (said.service, said.region) != (self._service, self._region):
            raise CallerRefused(
                "InvalidSignatureException",
                f"Credential should be scoped to service '{self._service}' and region '{self._region}'.",
            )
        at = self._signed_at(request, said)
        credential = self._credentials.get(said.access_key_id)
        token = request.header("x-amz-security-token")
        if credential is None or not _same(credential.session_token, token):
            raise CallerRefused(
                "UnrecognizedClientException", "The security token included in the request is invalid."
            )
        self._check_signed_headers(request, said)
        if not _same(_signature(request, said, credential, at), said.signature):
            raise CallerRefused("InvalidSignatureException", _WRONG)
        return Caller(credential.access_key_id, credential.access)

    def _signed_at(self, request: ApiRequest, said: Authorization) -> str:
        text = request.header("x-amz-date")
        try:
            at = datetime.strptime(text, _TIME).replace(tzinfo=UTC)
        except ValueError:
            raise CallerRefused(
                "IncompleteSignatureException", "X-Amz-Date is missing, or not YYYYMMDD'T'HHMMSS'Z'.", 400
            ) from None
        now = self._clock.now()
        if text[:8] != said.date:
            raise CallerRefused("InvalidSignatureException", "Date in Credential scope is not X-Amz-Date's.")
        if abs(now - at) > _SKEW:
            word = "expired" if at < now else "not yet current"
            raise CallerRefused(
                "InvalidSignatureException", f"Signature {word}: {text}, and it is {now.strftime(_TIME)}."
            )
        return text

    @staticmethod
    def _check_signed_headers(request: ApiRequest, said: Authorization) -> None:
        """What decides must be signed, or whoever passes the request on could change it."""
        decide = {name for name in request.headers if name == "host" or name.startswith("x-amz-")}
        if not {"host", *decide} <= set(said.signed_headers):
            raise CallerRefused(
                "InvalidSignatureException",
                "'Host' and every header that begins with 'X-Amz-' must be in SignedHeaders.",
            )
        if any(name not in request.headers for name in said.signed_headers):
            raise CallerRefused("InvalidSignatureException", _WRONG)


class _Resigned(SigV4Auth):
    """Signs what the client says that it signed."""

    def headers_to_sign(self, request: AWSRequest) -> Any:
        # botocore leaves some out by itself; other SDKs leave out others.
        chosen = HTTPHeaders()
        for name, value in request.headers.items():
            chosen[name.lower()] = value
        return chosen

    def payload(self, request: AWSRequest) -> str:
        return str(request.context["body_sha256"])


def _signature(request: ApiRequest, said: Authorization, credential: Credential, at: str) -> str:
    query = f"?{request.query}" if request.query else ""
    digest = sha256(request.body).hexdigest()
    # Where the client names a hash, that is what it signed; the body that came must have it.
    if not _same(request.header("x-amz-content-sha256") or digest, digest):
        raise CallerRefused("InvalidSignatureException", _WRONG)
    signed = AWSRequest(
        method=request.method,
        url=f"https://{request.header('host')}{request.path}{query}",
        headers={name: request.headers[name] for name in said.signed_headers},
    )
    signed.context |= {"timestamp": at, "body_sha256": digest}
    signer = _Resigned(
        Credentials(credential.access_key_id, credential.secret_access_key), said.service, said.region
    )
    to_sign = signer.string_to_sign(signed, signer.canonical_request(signed))
    return str(signer.signature(to_sign, signed))


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))
