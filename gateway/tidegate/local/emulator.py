"""What of the emulator cannot be left as it is, mended inside it."""

from __future__ import annotations

import io
from typing import Any


def mend_listing_of_versions() -> None:
    """
    Keep a listing of versions from copying the bytes of the whole bucket. May be repeated.

    moto copies every object of the bucket, contents and all, for each listing (moto 5.2.5,
    `S3Backend.list_object_versions`, the only place that copies keys in this way). Two thousand uploads
    to one bucket wrote 80 GB of temporary files. A listing says names and sizes, so those are copied.
    """
    from moto.s3.models import FakeKey  # noqa: PLC0415 - an extra, and slow to import

    FakeKey.__deepcopy__ = _described  # type: ignore[attr-defined]


def _described(key: Any, memo: dict[int, Any]) -> Any:  # noqa: ARG001 - as `copy` calls it
    """Return the key as a listing tells of it: without contents, and without a claim on their buffers."""
    key.etag  # noqa: B018 - worked out of the contents when it is first asked for, and kept
    described = object.__new__(type(key))
    # What a key disposes of when it goes is its buffer and its parts: those of the listed one stay.
    described.__dict__.update(key.__dict__, _value_buffer=io.BytesIO(), multipart=None, disposed=True)
    return described
