"""One JSON document by HTTP: no redirect, no proxy, no more than a bound, within a time."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from contextlib import closing
from urllib.parse import urlsplit

from tidegate.core.errors import ProviderFailed

# More than the longest list of mappings, and keys beside it.
_MAX_ANSWER_BYTES = 4 * 1024 * 1024
_PIECE_BYTES = 64 * 1024
_CONNECTIONS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}


def answer_of(url: str, headers: Mapping[str, str], body: bytes | None, seconds: float) -> object:
    """
    Return what a GET, or a POST if there is a body, is answered with. Blocks.

    Names of headers are sent as they are written.

    Raises:
        ProviderFailed: There was no answer of status 200 with JSON in time. `detail` names the host alone: a
            URL may hold secrets.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # a port that is none, or half an address of IPv6
        raise ProviderFailed("the URL of the identity provider is none") from None
    if parts.scheme not in _CONNECTIONS or not parts.hostname:
        raise ProviderFailed("the URL of the identity provider is neither http nor https")
    until = time.monotonic() + seconds
    place = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    # Not urllib.request: it follows redirects, asks proxies of the environment, and spells headers anew.
    connection = _CONNECTIONS[parts.scheme](parts.hostname, port, timeout=seconds)
    try:
        with closing(connection):
            connection.request("GET" if body is None else "POST", place, body, dict(headers))
            with connection.getresponse() as answer:
                if answer.status != http.client.OK:
                    raise ProviderFailed(f"{parts.hostname} answered with HTTP status {answer.status}")
                content = _content(answer, until)
    except (
        OSError,
        ValueError,
        http.client.HTTPException,
    ) as error:  # the second: letters no request can hold
        raise ProviderFailed(f"{parts.hostname} cannot be asked: {type(error).__name__}") from None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise ProviderFailed(f"{parts.hostname} answered no JSON") from None


def _content(answer: http.client.HTTPResponse, until: float) -> bytes:
    pieces, size = [], 0
    while piece := answer.read1(_PIECE_BYTES):
        pieces.append(piece)
        size += len(piece)
        if size > _MAX_ANSWER_BYTES:
            raise ProviderFailed(f"the answer is longer than {_MAX_ANSWER_BYTES:,} bytes")
        if time.monotonic() > until:
            raise ProviderFailed("the answer did not end in time")
    return b"".join(pieces)
