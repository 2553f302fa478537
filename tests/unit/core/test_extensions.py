"""Which extensions are offered, and what they say."""

from __future__ import annotations

import pytest

from tidegate.core.behaviour import PRESETS
from tidegate.core.extensions import EXTENSIONS, is_whole, requests_of


@pytest.mark.parametrize("preset", PRESETS)
def test_what_a_preset_offers_can_be_answered(preset: str) -> None:
    """No preset names an extension that has no requests."""
    for name in PRESETS[preset].extensions:
        assert EXTENSIONS[name].can_be_offered


def test_every_known_extension_is_explained() -> None:
    """What is offered says what it means here, the rest why not."""
    assert all(each.means for each in EXTENSIONS.values())


def test_requests_are_those_of_what_is_offered() -> None:
    """`check-file` brings three requests, and nothing else brings them."""
    assert set(requests_of((b"check-file",))) == {b"check-file", b"check-file-name", b"check-file-handle"}
    assert requests_of(()) == {}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ((0, 0, 0), True),
        ((0, 10, 0), True),
        ((0, 11, 512), True),
        ((0, 9, 0), False),
        ((1, 0, 0), False),
        ((0, 0, 9), False),
    ],
)
def test_the_whole_file_is_one_digest_of_all_bytes(asked: tuple[int, int, int], expected: bool) -> None:
    """From 0, to the end or beyond, in one block."""
    assert is_whole(10, *asked) is expected
