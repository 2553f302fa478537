"""What was mended inside the emulator stays mended, and harms nothing else."""

from __future__ import annotations

import gc
import hashlib
from typing import Any

import pytest
from moto.s3 import models

from tidegate.local.emulator import mend_listing_of_versions


@pytest.fixture
def backend() -> Any:
    mend_listing_of_versions()
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
