"""A webhook on this machine: a real HTTP server that keeps what it is told and answers as it is bid."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "s3cret-path-of-a-hook"


class Hook:
    """`answers` are given one after the other, the last one for ever: a status, or a status and headers."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/services/{SECRET}?key=k3y-of-a-hook"
        self.answers: list[int | tuple[int, dict[str, str]]] = [200]
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []

    def events(self) -> list[str]:
        return [request["event"] for request in self.requests]


@contextmanager
def webhook() -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"].startswith("application/json")
            hook.requests.append(json.loads(body))
            hook.paths.append(self.path)
            answer = hook.answers.pop(0) if len(hook.answers) > 1 else hook.answers[0]
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - the library's name

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook = Hook(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
