"""The border where botocore's exceptions become ours. Nothing above it sees an AWS error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError
from botocore.parsers import ResponseParserError

from tidegate.core.errors import (
    AccessDenied,
    AlreadyExists,
    ChangedMeanwhile,
    GatewayError,
    InvalidName,
    NotFound,
    StoreUnavailable,
    Throttled,
    Unsupported,
)

_NOT_FOUND = {
    "404",
    # HEAD of a delete marker by its version: there is no object under it.
    "405",
    "MethodNotAllowed",
    "NoSuchKey",
    "NoSuchBucket",
    "NoSuchVersion",
    "NoSuchUpload",
    "NotFoundException",
    "ResourceNotFoundException",
    "NoSuchEntity",
    # Settings of a bucket that nobody made.
    "NoSuchBucketPolicy",
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "ObjectLockConfigurationNotFoundError",
    "OwnershipControlsNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
}
_DENIED = {
    "403",
    "AccessDenied",
    "AccessDeniedException",
    "KMS.AccessDeniedException",
    "KMS.DisabledException",
    "KMS.KMSInvalidStateException",
    "KMS.NotFoundException",
    # Archived: not to be read or copied until somebody restores it.
    "InvalidObjectState",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "ExpiredToken",
    "ExpiredTokenException",
}
_CHANGED = {
    "412",
    "PreconditionFailed",
    "ConditionalCheckFailedException",
    # Transfer Family: something else is being done to the server.
    "ConflictException",
    # Another write of the key was under way: whoever asked has to look again, as after a 412.
    "ConditionalRequestConflict",
}
_THROTTLED = {
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "KMS.ThrottlingException",
    "RequestLimitExceeded",
    "ProvisionedThroughputExceededException",
}
_PAGE = re.compile(r"(b')?<(!doctype html|html)", re.IGNORECASE)
# The last: Transfer Family's word for all that it does not take.
_BAD_NAME = {"KeyTooLongError", "InvalidBucketName", "InvalidRequestException"}
_EXISTS = {"ResourceExistsException"}
# How an endpoint that stands in for AWS says that it does not have an operation.
_NOT_OFFERED = {"NotImplementedException", "UnknownOperationException"}


@contextmanager
def translated() -> Iterator[None]:
    """Turn whatever botocore raises inside into our error family, with the cause kept for the log."""
    try:
        yield
    except ClientError as error:
        raise from_client_error(error) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise AccessDenied(
            f"no AWS credentials: {error}",
            hint="give the process a role, or set aws.access_key_id and aws.secret_access_key",
        ) from error
    except (BotoCoreError, ResponseParserError) as error:
        # The second: what answered is no AWS, such as a proxy with a page of its own.
        raise StoreUnavailable(_one_line(_without_page(str(error)))) from error


def from_client_error(error: ClientError) -> GatewayError:
    """Return our error for an answer that AWS gave."""
    answer = error.response.get("Error", {})
    code = str(answer.get("Code", ""))
    message = _without_page(str(answer.get("Message", "")))
    detail = _one_line(f"{error.operation_name}: {code}: {message}")
    if code == "TransactionCanceledException":
        return _from_cancelled_transaction(error, detail)
    for codes, kind in (
        (_NOT_FOUND, NotFound),
        (_DENIED, AccessDenied),
        (_CHANGED, ChangedMeanwhile),
        (_THROTTLED, Throttled),
        (_BAD_NAME, InvalidName),
        (_EXISTS, AlreadyExists),
        (_NOT_OFFERED, Unsupported),
    ):
        if code in codes:
            return kind(detail)
    return StoreUnavailable(detail)


def _from_cancelled_transaction(error: ClientError, detail: str) -> GatewayError:
    reasons = [reason.get("Code", "None") for reason in error.response.get("CancellationReasons", [])]
    told = f"{detail} {reasons}" if reasons else detail
    if "ConditionalCheckFailed" in reasons or "ConditionalCheckFailed" in detail:
        return ChangedMeanwhile(told)
    return StoreUnavailable(told)


def _without_page(text: str) -> str:
    """Cut off the page that a web server or a proxy answered with: it says who it is, and no more."""
    page = _PAGE.search(text)
    return f"{text[: page.start()]}a web page, which is no answer of AWS's" if page else text


def _one_line(text: str) -> str:
    return " ".join(text.split())
