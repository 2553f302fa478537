"""What becomes of AWS's errors at the border."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from tidegate.adapters.aws.errors import from_client_error, translated
from tidegate.core.errors import (
    AccessDenied,
    ChangedMeanwhile,
    GatewayError,
    InvalidName,
    NotFound,
    StoreUnavailable,
    Throttled,
)


def answer(code: str, message: str = "why", operation: str = "PutObject", **more: object) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}, **more}, operation)


PAGE = "<!DOCTYPE HTML>\n<html><body><h1>Error response</h1></body></html>"


@pytest.mark.parametrize(
    "error",
    [answer("501", PAGE, "DescribeTable"), ResponseParserError(f"invalid XML received: b'{PAGE}'")],
    ids=["answer", "no XML"],
)
def test_a_web_page_is_not_repeated(error: Exception) -> None:
    """Whoever mistook a web server for AWS reads that, and not the page."""
    with pytest.raises(StoreUnavailable) as caught, translated():
        raise error
    assert caught.value.detail.endswith(": a web page, which is no answer of AWS's")
    assert "html" not in caught.value.detail.lower()


CODES: dict[type[GatewayError], str] = {
    NotFound: """
        404 405 MethodNotAllowed NoSuchKey NoSuchBucket NoSuchVersion NoSuchUpload NotFoundException
        ResourceNotFoundException
        """,
    AccessDenied: """
        403 AccessDenied AccessDeniedException KMS.AccessDeniedException KMS.DisabledException
        KMS.NotFoundException KMS.KMSInvalidStateException InvalidObjectState InvalidAccessKeyId
        SignatureDoesNotMatch ExpiredToken
        """,
    ChangedMeanwhile: "412 PreconditionFailed ConditionalCheckFailedException",
    InvalidName: "KeyTooLongError InvalidBucketName",
    Throttled: """
        SlowDown Throttling ThrottlingException KMS.ThrottlingException RequestLimitExceeded
        ProvisionedThroughputExceededException
        """,
    StoreUnavailable: """
        InternalError ServiceUnavailable 503 500 RequestTimeout BadDigest InvalidPart
        TransactionConflictException NeverHeardOfIt
        """,
}


@pytest.mark.parametrize(("kind", "codes"), CODES.items())
def test_codes(kind, codes):
    """Each code becomes one error of ours; what is unknown or broken may have taken effect."""
    for code in codes.split():
        assert type(from_client_error(answer(code))) is kind, code


def test_says_what_was_asked():
    """The detail names the operation, the code and AWS's words, on one line."""
    error = from_client_error(answer("AccessDenied", "no\n  way\t!"))
    assert error.detail == "PutObject: AccessDenied: no way !"


def test_an_answer_without_code():
    """An answer that says nothing is a fault of the store."""
    assert type(from_client_error(ClientError({}, "HeadObject"))) is StoreUnavailable


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        (["None", "ConditionalCheckFailed"], ChangedMeanwhile),
        (["ConditionalCheckFailed", "TransactionConflict"], ChangedMeanwhile),
        (["TransactionConflict", "None"], StoreUnavailable),
        (["ThrottlingError"], StoreUnavailable),
        ([], StoreUnavailable),
    ],
)
def test_a_cancelled_transaction(reasons, kind):
    """A transaction is refused by a condition, or else it was only in somebody's way."""
    cancelled = answer(
        "TransactionCanceledException", CancellationReasons=[{"Code": reason} for reason in reasons]
    )
    assert type(from_client_error(cancelled)) is kind


def test_a_cancelled_transaction_in_words_alone():
    """Emulators list the reasons only in the message."""
    cancelled = answer("TransactionCanceledException", "reasons [ConditionalCheckFailed, None]")
    assert type(from_client_error(cancelled)) is ChangedMeanwhile


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (answer("NoSuchKey"), NotFound),
        (NoCredentialsError(), AccessDenied),
        (PartialCredentialsError(provider="env", cred_var="secret"), AccessDenied),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), StoreUnavailable),
        (ResponseParserError("invalid XML received"), StoreUnavailable),
        (ConnectTimeoutError(endpoint_url="http://127.0.0.1:1"), StoreUnavailable),
        (ReadTimeoutError(endpoint_url="http://127.0.0.1:1"), StoreUnavailable),
    ],
)
def test_whatever_botocore_raises(raised, kind):
    """Nothing of botocore's comes through, and the cause is kept for the log."""
    with pytest.raises(GatewayError) as caught, translated():
        raise raised
    assert type(caught.value) is kind
    assert caught.value.__cause__ is raised
    assert "\n" not in caught.value.detail


@pytest.mark.parametrize("raised", [NotFound("ours"), KeyError("ETag"), OSError("disk")])
def test_other_errors(raised):
    """What is not botocore's comes through as it is."""
    with pytest.raises(type(raised)) as caught, translated():
        raise raised
    assert caught.value is raised


def test_no_error():
    """Where nothing goes wrong nothing is done."""
    with translated():
        result = 1
    assert result == 1
