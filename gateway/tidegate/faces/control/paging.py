"""
Listings in pages. A token is opaque to clients, and tells us where to go on.

It says of which operation and of which resource it is, and a few characters show that it is whole. It needs
no key: it tells no more than what its page ended with, and leads to no more than its listing.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any, TypeVar

from tidegate.core.limits import TRANSFER_MAX_RESULTS
from tidegate.faces.control.errors import ApiError

T = TypeVar("T")

_CHECK_CHARS = 8
_ENCODING = "utf-8"


def page_size(request: dict[str, Any]) -> int:
    """Return how many a page may hold: what the request says, or the most there can be."""
    return int(request.get("MaxResults", TRANSFER_MAX_RESULTS))


def new_token(listing: str, last: str) -> str:
    """Return the token for what follows `last` in a listing."""
    text = json.dumps([listing, last])
    return base64.urlsafe_b64encode(f"{_check_of(text)}{text}".encode(_ENCODING)).decode("ascii")


def place_of(request: dict[str, Any], listing: str) -> str | None:
    """
    Return after what the page begins; None for the first one.

    Raises:
        ApiError: The token is none of ours, or one of another listing.
    """
    token = request.get("NextToken")
    if token is None:
        return None
    try:
        told = base64.b64decode(token, altchars=b"-_", validate=True).decode(_ENCODING)
        check, text = told[:_CHECK_CHARS], told[_CHECK_CHARS:]
        of, last = json.loads(text)
    except (binascii.Error, ValueError, TypeError):
        raise _invalid() from None
    if check != _check_of(text) or of != listing or not isinstance(last, str):
        raise _invalid()
    return last


def cut(
    items: Iterable[T], request: dict[str, Any], listing: str, name_of: Callable[[T], str]
) -> tuple[list[T], str | None]:
    """
    Return the page that the request asks for, in order of names, and the token of the next one, if any.

    Args:
        items: All of the listing.

    Raises:
        ApiError: The token cannot be used.
    """
    after = place_of(request, listing)
    # By what comes after it, not by where it stands: it may have gone meanwhile.
    left = sorted((each for each in items if after is None or name_of(each) > after), key=name_of)
    return first_of(left, page_size(request), listing, name_of)


def first_of(
    items: list[T], size: int, listing: str, name_of: Callable[[T], str]
) -> tuple[list[T], str | None]:
    """Return up to `size` of the items, and the token for the rest; None if there is none."""
    page = items[:size]
    return page, new_token(listing, name_of(page[-1])) if len(items) > size else None


def _check_of(text: str) -> str:
    return sha256(f"tidegate page {text}".encode(_ENCODING)).hexdigest()[:_CHECK_CHARS]


def _invalid() -> ApiError:
    return ApiError("InvalidNextTokenException", "The NextToken parameter that was passed is invalid.")
