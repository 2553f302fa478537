"""
S3's check of a whole object made of parts: what asks for it, and what endpoints say that cannot do it.

Source: S3 User Guide, "Checking object integrity", full object checksums; S3 API Reference,
CreateMultipartUpload and CompleteMultipartUpload.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from tidegate.core.errors import StoreUnavailable
from tidegate.core.objects import WholeObject

_TYPE = {"ChecksumType": "FULL_OBJECT"}
# What look-alikes say that compare the CRC32 of the whole with one of their own, or know no such header.
_REFUSALS = {"BadDigest", "InvalidArgument", "InvalidRequest", "NotImplemented"}

HINT = (
    "if all uploads in parts end so, the endpoint does not know checksums of whole objects:"
    " set aws.object_checksums: parts"
)


def asking(full: bool) -> Any:
    """Return the members of CreateMultipartUpload that ask for CRC32: of parts; if `full`, of the whole."""
    return {"ChecksumAlgorithm": "CRC32", **(_TYPE if full else {})}


def stating(full: bool, whole: WholeObject) -> Any:
    """Return the members of CompleteMultipartUpload that say, if `full`, what the parts must come to."""
    if not full:
        return {}
    known = {} if whole.crc32 is None else {"ChecksumCRC32": whole.crc32}
    return {**_TYPE, **known, "MpuObjectSize": whole.size}


def is_declined(full: bool, answer: Any) -> bool:
    """
    Tell whether an answer to CreateMultipartUpload names another kind of checksum than was asked for.

    One that names none is taken: whether AWS always does is not written down, and an endpoint that ignores
    the request may ignore what comes later as well.
    """
    return full and answer.get("ChecksumType", _TYPE["ChecksumType"]) != _TYPE["ChecksumType"]


@contextmanager
def explained(full: bool) -> Iterator[None]:
    """Add the hint to a refusal that may come of an endpoint that does not check whole objects."""
    try:
        yield
    except StoreUnavailable as error:
        if full and not error.hint and _code(error) in _REFUSALS:
            error.hint = HINT
        raise


def _code(error: StoreUnavailable) -> str:
    cause = error.__cause__
    return str(cause.response.get("Error", {}).get("Code", "")) if isinstance(cause, ClientError) else ""
