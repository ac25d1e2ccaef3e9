"""A metadata server on loopback that gives tokens, and knows how often it was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit


@dataclass
class TokenServer:
    """`token` is what it gives; where `status` is not 200, or `answer` is set, that is what it says instead."""

    token: str = ""
    status: int = 200
    answer: str | None = None
    address: str = ""
    scopes: list[str] = field(default_factory=list)
    """Of each token that was given."""

    def reply(self, path: str, query: str) -> tuple[int, str]:
        """Answer as Google's does. (https://cloud.google.com/compute/docs/metadata)"""
        if not path.endswith("/token"):
            return 200, json.dumps({"email": "penstock@shop.iam.gserviceaccount.com", "scopes": [], "aliases": []})
        if self.status != 200 or self.answer is not None:
            return self.status, f"{self.token} is no answer" if self.answer is None else self.answer
        self.scopes.extend(parse_qs(query).get("scopes", []))
        return 200, json.dumps({"access_token": self.token, "expires_in": 3599, "token_type": "Bearer"})


@contextmanager
def serve_tokens() -> Iterator[TokenServer]:
    """Start one, and stop it."""
    tokens = TokenServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Metadata-Flavor") != "Google":
                self.send_error(403)
                return
            parts = urlsplit(self.path)
            status, text = tokens.reply(parts.path, parts.query)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Metadata-Flavor", "Google")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tokens.address = f"127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield tokens
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
