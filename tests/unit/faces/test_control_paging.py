"""Pages and their tokens."""

from __future__ import annotations

import base64

import pytest

from tidegate.faces.control.errors import ApiError
from tidegate.faces.control.paging import cut, new_token, page_size, place_of

NAMES = ["b", "", "a", "c", "ü"]


def pages(items: list[str], size: int) -> list[list[str]]:
    """Follow the tokens to the end."""
    found, request = [], {"MaxResults": size}
    while True:
        page, token = cut(items, request, "L", str)
        found.append(page)
        if token is None:
            return found
        request = {"MaxResults": size, "NextToken": token}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_following_the_tokens_shows_everything_once(size):
    """In order of names, whatever they are; and there is no token after the last page."""
    found = pages(NAMES, size)
    assert [name for page in found for name in page] == sorted(NAMES)
    assert all(len(page) == size for page in found[:-1])
    assert len(found) == -(-len(NAMES) // size)


def test_nothing_is_one_empty_page():
    """And no token."""
    assert cut([], {}, "L", str) == ([], None)


def test_what_goes_meanwhile_does_no_harm():
    """A page goes on behind the last name, also if that is not there any more."""
    _, token = cut(NAMES, {"MaxResults": 2}, "L", str)
    assert cut(["c", "b0"], {"NextToken": token}, "L", str) == (["b0", "c"], None)


def test_as_many_as_there_can_be():
    """Without a word of the client, a page holds a thousand."""
    assert page_size({}) == 1000
    assert page_size({"MaxResults": 7}) == 7


def changed(token: str) -> str:
    raw = bytearray(base64.urlsafe_b64decode(token))
    raw[-3] ^= 1
    return base64.urlsafe_b64encode(bytes(raw)).decode()


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "ü",
        "AAAA",
        base64.urlsafe_b64encode(b"00000000[1]").decode(),
        base64.urlsafe_b64encode(b"\xff" * 20).decode(),
        new_token("other", "a"),
        changed(new_token("L", "abc")),
        new_token("L", "abc")[4:],
    ],
)
def test_tokens_that_are_none(token):
    """Made up, cut, changed, or of another listing."""
    with pytest.raises(ApiError) as refused:
        place_of({"NextToken": token}, "L")
    assert refused.value.name == "InvalidNextTokenException"
