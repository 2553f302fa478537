"""
An S3 that forgets what it is sent, with moto's DynamoDB and KMS behind the same URL.

For tests and benchmarks of the gateway's own memory and speed: an emulator that keeps objects would
be measured instead. Runs as a process of its own: `python s3_sink.py`, and prints its URL.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from threading import Lock
from urllib.parse import parse_qs

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

_XML = [("Content-Type", "application/xml")]
_BLOCK = 1024 * 1024


class Sink:
    """S3 verbs on nothing: sizes and metadata are kept, bytes are counted and dropped."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock = Lock()
        self._objects: dict[str, tuple[int, list[tuple[str, str]]]] = {}
        self._uploads: dict[str, tuple[int, list[tuple[str, str]]]] = {}

    def __call__(self, environ, start_response) -> Iterable[bytes]:
        path, query = environ["PATH_INFO"], parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        is_object = path.count("/") > 1 and "HTTP_X_AMZ_TARGET" not in environ
        if not is_object:
            return self._moto(environ, start_response)
        if environ["REQUEST_METHOD"] == "PUT":
            return self._put(environ, start_response, path, query)
        if environ["REQUEST_METHOD"] == "POST":
            return self._post(environ, start_response, path, query)
        if environ["REQUEST_METHOD"] == "DELETE":
            start_response("204 No Content", [])
            return []
        return self._head(start_response, path)

    def _put(self, environ, start_response, path, query) -> Iterable[bytes]:
        size = _drain(environ)
        with self._lock:
            if "uploadId" in query:
                before, metadata = self._uploads[query["uploadId"][0]]
                self._uploads[query["uploadId"][0]] = (before + size, metadata)
            else:
                self._objects[path] = (size, _metadata(environ))
        start_response("200 OK", [("ETag", '"sink"'), ("Content-Length", "0")])
        return [b""]

    def _post(self, environ, start_response, path, query) -> Iterable[bytes]:
        _drain(environ)
        bucket, key = path[1:].split("/", 1)
        if "uploads" in query:
            upload = hashlib.sha256(f"{path}{len(self._uploads)}".encode()).hexdigest()
            self._uploads[upload] = (0, _metadata(environ))
            name, inner = "InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>"
        else:
            self._objects[path] = self._uploads[query["uploadId"][0]]
            name, inner = "CompleteMultipartUploadResult", '<ETag>"sink"</ETag>'
        body = (
            f"<?xml version='1.0'?><{name}><Bucket>{bucket}</Bucket><Key>{key}</Key>{inner}</{name}>".encode()
        )
        start_response("200 OK", [*_XML, ("Content-Length", str(len(body)))])
        return [body]

    def _head(self, start_response, path) -> Iterable[bytes]:
        if path not in self._objects:
            start_response("404 Not Found", [("Content-Length", "0")])
            return []
        size, metadata = self._objects[path]
        modified = ("Last-Modified", "Fri, 20 Nov 2026 10:00:00 GMT")
        start_response("200 OK", [("ETag", '"sink"'), ("Content-Length", str(size)), modified, *metadata])
        return []


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type, message, *args) -> None:  # noqa: A002 - its base's name
        pass


def _drain(environ) -> int:
    left = size = int(environ.get("CONTENT_LENGTH") or 0)
    while left:
        left -= len(environ["wsgi.input"].read(min(left, _BLOCK)))
    return size


def _metadata(environ) -> list[tuple[str, str]]:
    prefix = "HTTP_X_AMZ_META_"
    return [
        ("x-amz-meta-" + name.removeprefix(prefix).lower().replace("_", "-"), value)
        for name, value in environ.items()
        if name.startswith(prefix)
    ]


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, Sink(), threaded=True, request_handler=_Handler)
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
