"""Requests that botocore signs, held against a list of credentials."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tidegate.adapters.aws.signatures import Credential, SignatureCheck
from tidegate.adapters.memory.clock import ManualClock
from tidegate.core.signatures import ApiRequest, Caller, CallerRefused

REGION = "eu-west-1"
ADMIN = Credential("AKIDADMIN", "secret of the admin", "admin")
READER = Credential("AKIDREADER", "secret/of+the=reader", "read")
GUEST = Credential("ASIAGUEST", "secret of the guest", "admin", session_token="token==")
BODY = b'{"ServerId":"s-0123456789abcdef0"}'


def signed(
    by: Credential = ADMIN,
    *,
    secret: str | None = None,
    service: str = "transfer",
    region: str = REGION,
    query: str = "",
    body: bytes = BODY,
    **headers: str,
) -> ApiRequest:
    """Return the request as a server gets it."""
    request = AWSRequest(
        "POST",
        f"http://127.0.0.1:4566/{query}",
        {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "TransferService.DescribeServer",
            **headers,
        },
        body,
    )
    credentials = Credentials(by.access_key_id, secret or by.secret_access_key, by.session_token or None)
    SigV4Auth(credentials, service, region).add_auth(request)
    sent = {name.lower(): value for name, value in request.headers.items()}
    sent |= {"host": "127.0.0.1:4566", "accept-encoding": "identity", "user-agent": "Boto3/1"}
    return ApiRequest("POST", "/", query.removeprefix("?"), sent, body)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def check(clock: ManualClock) -> SignatureCheck:
    return SignatureCheck("transfer", REGION, [ADMIN, READER, GUEST], clock)


def refusal(check: SignatureCheck, request: ApiRequest) -> str:
    with pytest.raises(CallerRefused) as refused:
        check(request)
    return refused.value.name


@pytest.mark.parametrize("by", [ADMIN, READER, GUEST])
def test_who_signed_is_told(check, by):
    """Each credential of the list, with what it may do; a temporary one with its session token."""
    assert check(signed(by)) == Caller(by.access_key_id, by.access)


@pytest.mark.parametrize(
    "form",
    [
        {"body": b""},
        {"query": "?b=2&a=1%2F&a=0"},
        {"X-Amz-Meta-Odd": "  two   blanks "},
        {"X-Amz-Content-SHA256": sha256(BODY).hexdigest()},
    ],
)
def test_forms_of_requests(check, form):
    """No body, a query, blanks in a header, and a hash that the client names."""
    assert check(signed(**form)).access_key_id == ADMIN.access_key_id


def test_a_key_that_is_not_on_the_list(check):
    """It is told apart from a wrong secret, as AWS does."""
    assert refusal(check, signed(replace(ADMIN, access_key_id="AKIDOTHER"))) == "UnrecognizedClientException"
    assert refusal(check, signed(secret="another")) == "InvalidSignatureException"


@pytest.mark.parametrize("token", ["", "other"])
def test_a_session_token_must_be_that_of_its_key(check, token):
    """Missing or another; and one beside a key that has none is refused, too."""
    assert refusal(check, signed(replace(GUEST, session_token=token))) == "UnrecognizedClientException"
    assert refusal(check, signed(replace(ADMIN, session_token="x"))) == "UnrecognizedClientException"


def test_what_was_changed_on_its_way(check):
    """Body, path, query, method, or a header that was signed."""
    good = signed()
    for changed in (
        replace(good, body=BODY + b" "),
        replace(good, path="/other"),
        replace(good, query="a=1"),
        replace(good, method="PUT"),
        replace(good, headers={**good.headers, "x-amz-target": "TransferService.DeleteServer"}),
        replace(good, headers={**good.headers, "host": "127.0.0.1:1"}),
        replace(good, headers={**good.headers, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}),
        replace(
            good, headers={name: value for name, value in good.headers.items() if name != "content-type"}
        ),
    ):
        assert refusal(check, changed) == "InvalidSignatureException"


def test_a_body_whose_hash_was_left_out(check):
    """Who signs that the body is not signed is refused."""
    unsigned = signed(**{"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    assert refusal(check, unsigned) == "InvalidSignatureException"


def test_what_decides_must_be_signed(check):
    """A header of AWS's that was put in behind the signature changes what a request means."""
    good = signed()
    added = replace(good, headers={**good.headers, "x-amz-more": "1"})
    assert refusal(check, added) == "InvalidSignatureException"


def test_another_service_or_region(check):
    """What was signed for S3, or for elsewhere, is not for us."""
    assert refusal(check, signed(service="s3")) == "InvalidSignatureException"
    assert refusal(check, signed(region="us-east-1")) == "InvalidSignatureException"


def test_old_and_new_requests(clock):
    """Five minutes either way, and not a second more; the day of the scope is that of the date."""
    made = datetime.now(UTC).replace(microsecond=0)
    good = signed()
    made = datetime.strptime(good.header("x-amz-date"), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    for off, is_taken in ((300, True), (301, False), (-300, True), (-301, False)):
        check = SignatureCheck("transfer", REGION, [ADMIN], ManualClock(made + timedelta(seconds=off)))
        if is_taken:
            check(good)
        else:
            assert refusal(check, good) == "InvalidSignatureException"


@pytest.mark.parametrize("date", ["", "yesterday", "2026-01-31T00:00:00Z"])
def test_a_date_that_is_none(check, date):
    """Nothing tells then how old it is."""
    good = signed()
    assert refusal(check, replace(good, headers={**good.headers, "x-amz-date": date})) == (
        "IncompleteSignatureException"
    )


def test_a_date_of_another_day_than_the_scope(check):
    """Yesterday's key signs nothing of today."""
    good = signed()
    header = good.header("authorization")
    day = good.header("x-amz-date")[:8]
    moved = replace(good, headers={**good.headers, "authorization": header.replace(f"/{day}/", "/20200101/")})
    assert refusal(check, moved) == "InvalidSignatureException"


def test_a_request_that_is_not_signed(check):
    """It is refused before anything else is looked at."""
    assert refusal(check, ApiRequest("POST", "/", "", {}, b"")) == "MissingAuthenticationTokenException"


def test_secrets_are_in_no_message():
    """Neither in the credential as it is shown, nor in a refusal."""
    assert "secret" not in repr(ADMIN)
