"""A strict, fault-injecting proxy before fake-gcs-server, as the adapter's tests need it.

Faults have the names of Google's storage-testbench where that has them. What fake-gcs-server gets wrong is done here:
preconditions on reads and deletes, checksums on the way up, and resumable sessions, of which only whole ones reach it.
"""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import http.client
import json
import re
import secrets
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import google_crc32c

_KIB = 1024
_UNIT_BYTES = 256 * _KIB
_OBJECT = re.compile(r"(?:/download)?/storage/v1/b/(?P<bucket>[^/]+)/o/(?P<name>[^/]+)")
_LIST = re.compile(r"/storage/v1/b/(?P<bucket>[^/]+)/o")
_UPLOAD = re.compile(r"/upload/storage/v1/b/(?P<bucket>[^/]+)/o")
_AFTER = re.compile(r"(?P<what>return-\d{3}|return-broken-stream|return-reset-connection|stall)-after-(?P<kib>\d+)K")
_STATUS = re.compile(r"return-(?P<status>\d{3})(?: (?P<reason>.+))?")
Permits = Callable[[str, str], bool]
"""Whether whoever calls has a permission (`storage.objects.get`) on a bucket."""

_NEEDED = {"media": "get", "stat": "get", "delete": "delete", "list": "list"}
_BUCKET = re.compile(r"(?:/upload|/download)?/storage/v1/b/(?P<bucket>[^/]+)/o.*")
_RANGE = re.compile(r"bytes (?:(?P<first>\d+)-(?P<last>\d+)|\*)/(?P<total>\d+|\*)")


@dataclass(frozen=True)
class Request:
    """What came in.

    `kind` is insert (in one request), session, chunk, last, status, cancel, stat, media, delete, list or other.
    """

    kind: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """What goes out."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class _Session:
    bucket: str
    query: dict[str, str]
    metadata: dict[str, Any]
    stored: bytearray = field(default_factory=bytearray)
    reply: Reply | None = None
    cancelled: bool = False


@dataclass(eq=False)
class _Fault:
    kind: str
    name: str
    skip: int


class _ConnectionCut(Exception):  # noqa: N818 - no error: a fault that was asked for
    """The client gets no (more) answer."""


class GcsProxy:
    """Serves on a free loopback port until `close`. `arm` says what goes wrong; nothing does by itself.

    Faults, for requests of one kind, so many times:
    `return-503` (or another status): refused before it is applied. `return-503-after-apply`: applied, then that.
    `return-403 rateLimitExceeded`: refused with that reason. `without-sums`: answered without any CRC32C and MD5.
    `return-reset-connection[-after-apply]`: the same, by a reset. `stall`: no answer until `close`.
    `return-503-after-256K`, `return-reset-connection-after-256K`: of a chunk, so much is stored, then that.
    `return-broken-stream-after-256K`, `stall-after-256K`: of a download, so much arrives.
    `corrupt-down`, `corrupt-up`: one bit is flipped on its way. `forget`: the session is no longer known.

    With `permits` it is the door of one account, and refuses what that may not do.
    """

    def __init__(self, backend: str, permits: Permits | None = None) -> None:
        self._permits = permits
        self.backend = urlsplit(backend).netloc
        self.requests: list[Request] = []
        self._faults: list[_Fault] = []
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; stalled requests end."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def arm(self, kind: str, fault: str, *, times: int = 1, skip: int = 0) -> None:
        """Let this happen to the next requests of this kind (`any`: of all kinds), after `skip` of them."""
        with self._lock:
            self._faults += [_Fault(kind, fault, skip) for _ in range(times)]

    def disarm(self) -> None:
        """Forget what was armed and has not happened."""
        with self._lock:
            self._faults.clear()

    def unfired(self) -> list[str]:
        """Return the faults that no request met: a test that leaves some has not tested what it says."""
        with self._lock:
            return [f"{fault.kind}: {fault.name}" for fault in self._faults]

    def count(self, kind: str) -> int:
        """Return how many requests of this kind came."""
        with self._lock:
            return sum(request.kind == kind for request in self.requests)

    def answer(self, request: Request) -> Iterator[Reply | bytes]:
        """Give the reply's head, then its body in pieces; raises _ConnectionCut."""
        with self._lock:
            self.requests.append(request)
            name = self._take_fault(request.kind)
        after = _AFTER.fullmatch(name)
        if (refusal := self._refuse(request, name, after)) is not None:
            yield from (refusal, refusal.body)
            return
        if name == "corrupt-up":
            request = Request(**{**vars(request), "body": _flip_middle_bit(request.body)})
        reply = self._check_rights(request) or self._apply(request)
        if name.endswith("-after-apply"):
            reply = self._fail(name.removesuffix("-after-apply"))
        if name == "without-sums":
            reply.body = json.dumps(_without_sums(json.loads(reply.body))).encode()
        if name == "corrupt-down":
            reply.body = _flip_middle_bit(reply.body)
        yield reply
        if not after:
            yield reply.body
            return
        yield reply.body[: int(after["kib"]) * _KIB]
        if after["what"] == "stall":
            self._closing.wait()
        raise _ConnectionCut

    def _take_fault(self, kind: str) -> str:
        for fault in self._faults:
            if fault.kind in (kind, "any"):
                if fault.skip == 0:
                    self._faults.remove(fault)
                    return fault.name
                fault.skip -= 1
        return ""

    def _refuse(self, request: Request, name: str, after: re.Match[str] | None) -> Reply | None:
        """Return the answer to a request that is not (wholly) applied."""
        if name == "stall":
            self._closing.wait()
            raise _ConnectionCut
        if name == "forget":
            with self._lock:
                self._sessions.pop(request.query.get("upload_id", ""), None)
        if after and request.kind in ("chunk", "last"):
            self._store_some(request, int(after["kib"]) * _KIB)
            return self._fail(after["what"])
        return self._fail(name) if name == "return-reset-connection" or _STATUS.fullmatch(name) else None

    def _fail(self, what: str) -> Reply:
        if what == "return-reset-connection":
            raise _ConnectionCut
        answer = _matched(_STATUS, what)
        return _error(int(answer["status"]), reason=answer["reason"])

    def _apply(self, request: Request) -> Reply:
        match request.kind:
            case "insert":
                return self._insert(request)
            case "session":
                return self._begin(request)
            case "chunk" | "last" | "status":
                return self._chunk(request)
            case "cancel":
                return self._cancel(request)
            case "stat" | "media" | "delete":
                return self._at_generation(request)
        return self._forward(request)

    def _check_rights(self, request: Request) -> Reply | None:
        """As the service has it: an overwrite takes delete, too, and who may not list is not told what is missing.

        https://cloud.google.com/storage/docs/access-control/iam-json
        """
        if self._permits is None:
            return None
        found = _BUCKET.fullmatch(request.path)
        if found is None:
            return _error(403, "the caller has no permission on the bucket itself")
        bucket = found["bucket"]
        needed = [_NEEDED.get(request.kind, "create")]
        if needed == ["create"] and request.query.get("ifGenerationMatch", "0") != "0":
            needed.append("delete")
        for permission in needed:
            if not self._has(f"storage.objects.{permission}", bucket):
                return _error(403, f"the caller does not have storage.objects.{permission} access to {bucket}")
        if request.kind in ("stat", "media") and not self._has("storage.objects.list", bucket):
            stat = self._send("GET", request.path.removeprefix("/download"), {}, b"")
            if stat.status == http.client.NOT_FOUND:
                return _error(403, f"the caller does not have storage.objects.list access to {bucket}")
        return None

    def _has(self, permission: str, bucket: str) -> bool:
        assert self._permits is not None
        return self._permits(permission, bucket)

    def _insert(self, request: Request) -> Reply:
        metadata, data = _parse_multipart(request)
        name = request.query.get("name") or metadata["name"]
        bucket = _matched(_UPLOAD, request.path)["bucket"]
        return self._store(bucket, name, metadata, data, request.query)

    def _store(self, bucket: str, name: str, metadata: dict[str, Any], data: bytes, query: dict[str, str]) -> Reply:
        if "ifGenerationMatch" not in query:
            return _error(400, "this proxy takes no plain overwrite: ifGenerationMatch is missing")
        crc32c = metadata.get("crc32c")
        if crc32c is None:
            return _error(400, "this proxy takes no upload without its crc32c")
        if crc32c != _crc32c(data):
            return _error(400, f"Provided CRC32C {crc32c} doesn't match calculated CRC32C {_crc32c(data)}.")
        boundary = secrets.token_hex(16)
        head = json.dumps({**metadata, "name": name}).encode()
        body = b"".join(
            [
                *(b"--", boundary.encode(), b"\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n", head),
                *(b"\r\n--", boundary.encode(), b"\r\ncontent-type: application/octet-stream\r\n\r\n", data),
                *(b"\r\n--", boundary.encode(), b"--"),
            ]
        )
        match = quote(query["ifGenerationMatch"])
        path = f"/upload/storage/v1/b/{bucket}/o?uploadType=multipart&ifGenerationMatch={match}"
        headers = {"content-type": f'multipart/related; boundary="{boundary}"'}
        with self._lock:  # one writer at a time: a create-only race has one winner
            return self._send("POST", path, headers, body)

    def _begin(self, request: Request) -> Reply:
        bucket = _matched(_UPLOAD, request.path)["bucket"]
        metadata = json.loads(request.body or b"{}")
        upload_id = secrets.token_hex(16)
        with self._lock:
            self._sessions[upload_id] = _Session(bucket, request.query, metadata)
        return Reply(200, {"Location": f"{self.endpoint}{request.path}?uploadType=resumable&upload_id={upload_id}"})

    def _chunk(self, request: Request) -> Reply:
        with self._lock:
            session = self._sessions.get(request.query.get("upload_id", ""))
            if session is None or session.cancelled:
                return _error(499 if session else 404, "there is no such upload session any more")
            if session.reply is not None:
                return session.reply
            spoken = _matched(_RANGE, request.headers["content-range"])
            if spoken["first"] is not None and (fault := _chunk_fault(request, session)):
                return _error(400, fault)
            if spoken["first"] is not None:
                self._store_some(request, len(request.body))
            if spoken["total"] == "*" or len(session.stored) < int(spoken["total"]):
                return _incomplete(session)
            session.reply = self._finish(session)
            return session.reply

    def _finish(self, session: _Session) -> Reply:
        name = session.query.get("name") or session.metadata["name"]
        data, session.stored = bytes(session.stored), bytearray()
        return self._store(session.bucket, name, session.metadata, data, session.query)

    def _store_some(self, request: Request, size_bytes: int) -> None:
        with self._lock:
            session = self._sessions[request.query["upload_id"]]
            first = int(_matched(_RANGE, request.headers["content-range"])["first"])
            session.stored += request.body[len(session.stored) - first :][:size_bytes]
            if hashes := request.headers.get("x-goog-hash"):
                session.metadata["crc32c"] = hashes.removeprefix("crc32c=")

    def _cancel(self, request: Request) -> Reply:
        with self._lock:
            if session := self._sessions.get(request.query.get("upload_id", "")):
                session.cancelled = True
                session.stored = bytearray()
        return Reply(499)

    def _at_generation(self, request: Request) -> Reply:
        match = request.query.get("ifGenerationMatch")
        if match is not None:
            stat = self._send("GET", request.path.removeprefix("/download"), {}, b"")
            if stat.status == http.client.OK and json.loads(stat.body)["generation"] != match:
                return _error(412)
        return self._forward(request)

    def _forward(self, request: Request) -> Reply:
        query = "&".join(f"{quote(key)}={quote(value)}" for key, value in request.query.items())
        return self._send(request.method, f"{request.path}?{query}", request.headers, request.body)

    def _send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        connection = http.client.HTTPConnection(self.backend, timeout=60)
        try:
            kept = {key: value for key, value in headers.items() if key not in ("host", "content-length")}
            connection.request(method, path, body=body, headers=kept)
            answer = connection.getresponse()
            data = answer.read()
            dropped = ("content-length", "transfer-encoding", "connection", "date")
            return Reply(answer.status, {k: v for k, v in answer.getheaders() if k.lower() not in dropped}, data)
        finally:
            connection.close()


def _handler(proxy: GcsProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):
                super().handle()

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            parts = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
            headers = {key.lower(): value for key, value in self.headers.items()}
            kind = _kind(self.command, parts.path, query, headers)
            try:
                for piece in proxy.answer(Request(kind, self.command, parts.path, query, headers, body)):
                    self._send_piece(piece)
            except _ConnectionCut:
                self.wfile.flush()
                # Linger of zero seconds: the connection ends with a reset.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True

        def _send_piece(self, piece: Reply | bytes) -> None:
            if isinstance(piece, bytes):
                self.wfile.write(piece)
                return
            self.send_response(piece.status)
            for key, value in piece.headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(piece.body)))
            self.end_headers()

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = serve  # noqa: N815 - the standard library's names

    return Handler


def _kind(method: str, path: str, query: dict[str, str], headers: dict[str, str]) -> str:
    if _UPLOAD.fullmatch(path):
        return _kind_of_upload(method, query, headers)
    if method == "GET" and _OBJECT.fullmatch(path):
        return "media" if query.get("alt") == "media" else "stat"
    if method == "DELETE" and _OBJECT.fullmatch(path):
        return "delete"
    if method == "GET" and _LIST.fullmatch(path):
        return "list"
    return "other"


def _kind_of_upload(method: str, query: dict[str, str], headers: dict[str, str]) -> str:
    if "upload_id" not in query:
        return "session" if query.get("uploadType") == "resumable" else "insert"
    if method == "DELETE":
        return "cancel"
    spoken = _matched(_RANGE, headers["content-range"])
    if spoken["first"] is None:
        return "status"
    return "chunk" if spoken["total"] == "*" else "last"


def _chunk_fault(request: Request, session: _Session) -> str:
    spoken = _matched(_RANGE, request.headers["content-range"])
    size_bytes = int(spoken["last"]) + 1 - int(spoken["first"])
    if size_bytes != len(request.body) or int(spoken["first"]) > len(session.stored):
        return "the chunk does not begin where the last one ended, or has another length"
    if spoken["total"] == "*" and size_bytes % _UNIT_BYTES:
        return "a chunk that is not the last is a multiple of 256 KiB"
    if spoken["total"] != "*" and "crc32c=" not in request.headers.get("x-goog-hash", ""):
        return "this proxy takes no last chunk without the crc32c of all"
    return ""


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    assert match is not None, text
    return match


def _parse_multipart(request: Request) -> tuple[dict[str, Any], bytes]:
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + request.body, policy=email.policy.HTTP)
    boundary = message.get_boundary()
    assert boundary is not None
    pieces = request.body.split(b"--" + boundary.encode())
    metadata = pieces[1].partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
    data = (b"--" + boundary.encode()).join(pieces[2:-1]).partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
    return json.loads(metadata), data


def _incomplete(session: _Session) -> Reply:
    stored = len(session.stored) - len(session.stored) % _UNIT_BYTES  # GCS keeps whole units
    del session.stored[stored:]
    return Reply(308, {"Range": f"bytes=0-{stored - 1}"} if stored else {})


def _error(status: int, message: str = "injected", *, reason: str | None = None) -> Reply:
    detail = {"message": message} | ({"reason": reason} if reason else {})
    body = json.dumps({"error": {"code": status, "message": message, "errors": [detail]}}).encode()
    return Reply(status, {"Content-Type": "application/json"}, body)


def _without_sums(found: Any) -> Any:
    if isinstance(found, dict):
        return {key: _without_sums(each) for key, each in found.items() if key not in ("crc32c", "md5Hash")}
    return [_without_sums(each) for each in found] if isinstance(found, list) else found


def _flip_middle_bit(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def _crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()
