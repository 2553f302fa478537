"""What was mended inside the emulator stays mended, and harms nothing else."""

from __future__ import annotations

import gc
import hashlib
from typing import Any

import pytest
from moto.s3 import models

from tidegate.local.emulator import mend_listing_of_directories, mend_listing_of_versions


@pytest.fixture
def backend() -> Any:
    mend_listing_of_versions()
    mend_listing_of_directories()
    backend = models.S3Backend("us-east-1", "123456789012")
    backend.create_bucket("reports", "us-east-1")
    backend.put_bucket_versioning("reports", "Enabled")
    yield backend
    backend.reset()


def test_listing_versions_copies_no_contents(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No buffer is made for a listing, which tells size and ETag all the same."""
    backend.put_object("reports", "june.csv", b"id;amount\n")

    def no_buffer(*_: object, **__: object) -> None:
        raise AssertionError("contents were copied")

    with monkeypatch.context() as patched:
        patched.setattr(models.tempfile, "SpooledTemporaryFile", no_buffer)
        (listed,), *_ = backend.list_object_versions("reports")
    # MD5 is what S3 calls the ETag of a small object.
    assert (listed.size, listed.etag) == (10, f'"{hashlib.md5(b"id;amount" + bytes([10])).hexdigest()}"')


def test_a_listed_object_outlives_its_listing(backend: Any) -> None:
    """When the listing is forgotten, the object's bytes are still there."""
    backend.put_object("reports", "june.csv", b"id;amount\n")
    listing = backend.list_object_versions("reports")
    del listing
    gc.collect()
    assert backend.get_object("reports", "june.csv").value == b"id;amount\n"


def test_a_removed_directory_is_gone(backend: Any) -> None:
    """A prefix under which all was removed is not listed; one that still holds something is."""
    for key in ("gone/deep/a.csv", "left/a.csv", "left/b.csv"):
        backend.put_object("reports", key, b"x")
    for key in ("gone/deep/a.csv", "left/a.csv"):
        backend.delete_object("reports", key)
    bucket = backend.get_bucket("reports")
    for _, folders, _, _ in (
        backend.list_objects(bucket, prefix, "/", marker=None, max_keys=None) for prefix in ("", None)
    ):
        assert folders == ["left/"]
    keys, *_ = backend.list_objects(bucket, "left/", "/", marker=None, max_keys=None)
    assert [key.name for key in keys] == ["left/b.csv"]
    _, folders, _, _ = backend.list_objects(bucket, "gone/", "/", marker=None, max_keys=None)
    assert folders == []
