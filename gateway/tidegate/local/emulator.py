"""What of the emulator cannot be left as it is, mended inside it."""

from __future__ import annotations

import io
from functools import wraps
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


def mend_listing_of_directories() -> None:
    """
    Keep what was removed from showing as a directory. May be repeated.

    With a delimiter moto names the prefixes of all keys, of those too that have nothing but a delete marker
    to show (moto 5.2.5, `S3Backend.list_objects`): a directory that was removed or renamed was still there.
    """
    from moto.s3.models import FakeTableStorageBucket, S3Backend  # noqa: PLC0415

    listed = S3Backend.list_objects
    if getattr(listed, "shows_what_is_there", False):
        return

    @wraps(listed)
    def mended(self: Any, bucket: Any, *args: Any, **kwargs: Any) -> Any:
        shown: Any = bucket if isinstance(bucket, FakeTableStorageBucket) else _Living(bucket)
        return listed(self, shown, *args, **kwargs)

    mended.shows_what_is_there = True  # type: ignore[attr-defined]
    S3Backend.list_objects = mended  # type: ignore[method-assign]


def mend_events() -> None:
    """
    Give events the account that they are of, as AWS's have it. May be repeated.

    moto knows it and leaves it out of what targets get (moto 5.2.5, `EventTemplateParser`).
    """
    from moto.events.utils import EventTemplateParser  # noqa: PLC0415

    EventTemplateParser.DEFAULT_EVENT_INPUT_TEMPLATE = (
        '{"version": "0", "id": "<id>", "detail-type": "<detail-type>", "source": "<source>", '
        '"account": "<account>", "time": <time>, "region": "<region>", "resources": <resources>, '
        '"detail": <detail>}'
    )


class _Living:
    """A bucket as far as a listing asks for it: the keys that have a current version."""

    def __init__(self, bucket: Any) -> None:
        from moto.s3.models import FakeDeleteMarker  # noqa: PLC0415

        self.keys = {name: key for name, key in bucket.keys.items() if not isinstance(key, FakeDeleteMarker)}


def _described(key: Any, memo: dict[int, Any]) -> Any:  # noqa: ARG001 - as `copy` calls it
    """Return the key as a listing tells of it: without contents, and without a claim on their buffers."""
    key.etag  # noqa: B018 - worked out of the contents when it is first asked for, and kept
    described = object.__new__(type(key))
    # What a key disposes of when it goes is its buffer and its parts: those of the listed one stay.
    described.__dict__.update(key.__dict__, _value_buffer=io.BytesIO(), multipart=None, disposed=True)
    return described
