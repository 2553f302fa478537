"""
An S3 that writes down each request exactly as its bytes came, and answers so that the caller goes on.

It reads sockets itself: a framework for HTTP may decode a path, or put it into another form, before anyone
can look at it.
"""

from __future__ import annotations

import socketserver
import threading
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import quote_plus, unquote_to_bytes

_DATE = "Fri, 20 Nov 2026 10:00:00 GMT"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request: the target of its first line, and its headers by lower-case name, as bytes."""

    method: str
    target: bytes
    headers: dict[str, bytes]

    @property
    def path(self) -> bytes:
        """The path as it stands in the request, still encoded."""
        return self.target.partition(b"?")[0]

    @property
    def query(self) -> dict[str, bytes]:
        """The query, its values decoded. A plus stays one: S3 may read it as a blank, so it must not come."""
        pairs = (each.partition(b"=") for each in self.target.partition(b"?")[2].split(b"&") if each)
        return {name.decode(): unquote_to_bytes(value) for name, _, value in pairs}


class RecordingS3:
    """Runs while it is entered; `taken` returns what came since it was asked last."""

    def __init__(self) -> None:
        self._recorded: list[Recorded] = []
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _handler(self._recorded))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def taken(self) -> list[Recorded]:
        found = list(self._recorded)
        self._recorded.clear()
        return found

    def __enter__(self) -> RecordingS3:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(recorded: list[Recorded]) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while line := self.rfile.readline():
                method, target, _ = line.strip().split(b" ", 2)
                headers = {}
                while (header := self.rfile.readline()).strip():
                    name, _, value = header.partition(b":")
                    headers[name.decode().lower()] = value.strip()
                if headers.get("expect") == b"100-continue":
                    self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self.rfile.read(int(headers.get("content-length", b"0")))
                request = Recorded(method.decode(), target, headers)
                recorded.append(request)
                self.wfile.write(_answer(request))

    return Handler


def _answer(request: Recorded) -> bytes:
    status, body = _said(request)
    length = 1 if request.method == "HEAD" else len(body)
    lines = [
        f"HTTP/1.1 {status} Said",
        f"Date: {_DATE}",
        f"Last-Modified: {_DATE}",
        'ETag: "e"',
        f"Content-Length: {length}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _said(request: Recorded) -> tuple[int, bytes]:
    query = request.query
    asked = {
        "POST": {"uploads": "InitiateMultipartUploadResult", "uploadId": "CompleteMultipartUploadResult"},
        "GET": {
            "list-type": "ListBucketResult",
            "versions": "ListVersionsResult",
            "uploads": "ListMultipartUploadsResult",
            "uploadId": "ListPartsResult",
            "tagging": "Tagging",
        },
    }
    for word, root in asked.get(request.method, {}).items():
        if word in query:
            return 200, _xml(root, _listed(request))
    if request.method == "PUT" and "x-amz-copy-source" in request.headers:
        return 200, _xml("CopyPartResult" if "partNumber" in query else "CopyObjectResult")
    if request.method == "GET":
        return 206, b"x"
    return (204 if request.method == "DELETE" else 200), b""


def _xml(root: str, inner: str = "") -> bytes:
    every = "<UploadId>u</UploadId><ETag>e</ETag><TagSet></TagSet><IsTruncated>false</IsTruncated>"
    return f"<?xml version='1.0'?><{root}>{every}{inner}</{root}>".encode()


def _listed(request: Recorded) -> str:
    """Return the one entry of a listing: its key is the prefix, written as S3 writes keys in answers."""
    query = request.query
    if "prefix" not in query:
        return ""
    assert query["encoding-type"] == b"url", "XML cannot say every key"
    at = "2026-11-20T10:00:00Z"
    key = f"<Key>{quote_plus(query['prefix'], safe='/')}</Key>"
    facts = (
        f"<VersionId>v1</VersionId><IsLatest>true</IsLatest><LastModified>{at}</LastModified><Size>1</Size>"
    )
    entry = f"{key}{facts}<UploadId>u</UploadId><Initiated>{at}</Initiated>"
    kinds = "".join(f"<{kind}>{entry}</{kind}>" for kind in ("Contents", "Version", "Upload"))
    return f"<EncodingType>url</EncodingType>{kinds}"
