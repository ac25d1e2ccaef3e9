"""TCP proxies before a database server that cut the line, once: around one message, such as COMMIT, or after so many
bytes of answers.

`before`: the message never reaches the server. `after`: it does, and its answer never comes back. Later connections
pass untouched.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar

HOST = "127.0.0.1"
Cut = Literal["before", "after"]
P = TypeVar("P", bound="TcpCut")


class TcpCut:
    """Forwards to `port` of this machine; cuts once, at the `hit`-th message that holds `trigger` (from 1)."""

    def __init__(self, port: int, trigger: bytes, cut: Cut, *, hit: int = 1, seconds: float = 0.2) -> None:
        self._server_port = port
        self._trigger = trigger
        self._cut = cut
        self._hits_left = hit
        self._seconds = seconds
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self.connections = 0

    def serve(self) -> None:
        """Accept until closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                server = socket.create_connection((HOST, self._server_port))
                self._start(self._forward_requests, client, server)
                self._start(self._forward_answers, client, server)

    def close(self) -> None:
        """Stop accepting."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _start(self, work: Callable[[socket.socket, socket.socket], None], *sockets: socket.socket) -> None:
        threading.Thread(target=work, args=sockets, daemon=True).start()

    def _forward_requests(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if self._trigger in data and self.cuts == 0:
                    self._hits_left -= 1
                    if self._hits_left == 0:
                        self.cuts += 1
                        self._break(client, server, data)
                        return
                server.sendall(data)
        self._end(client, server)

    def _forward_answers(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        self._end(client, server)

    def _break(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        """End the client's side first, so that no answer slips through; the server's then, or a while later."""
        self._end(client)
        if self._cut == "after":
            server.sendall(data)
            time.sleep(self._seconds)
        self._end(server)

    def _end(self, *sockets: socket.socket) -> None:
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)  # wakes the other thread; closing alone would wait for its recv
            each.close()


class ByteCut(TcpCut):
    """Forwards to `port`; cuts the connection over which the answers' byte of this number (from 1, of all) would go.

    Counts from `arm` on.
    """

    def __init__(self, port: int, at_byte: int) -> None:
        super().__init__(port, b"", "before")
        self.bytes_left = at_byte
        self._is_armed = False
        self._lock = threading.Lock()

    def arm(self) -> None:
        """Begin to count."""
        self._is_armed = True

    def _forward_requests(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
        self._end(client, server)

    def _forward_answers(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                with self._lock:
                    left, self.bytes_left = self.bytes_left, self.bytes_left - self._is_armed * len(data)
                if self._is_armed and 0 < left <= len(data):
                    self.cuts += 1
                    client.sendall(data[: left - 1])
                    break
                client.sendall(data)
        self._end(client, server)


@contextmanager
def cut_line_at_byte(port: int, at_byte: int) -> Iterator[ByteCut]:
    """A proxy that serves while the body runs."""
    with _serve(ByteCut(port, at_byte)) as proxy:
        yield proxy


@contextmanager
def cut_line(port: int, trigger: bytes, cut: Cut, *, hit: int = 1) -> Iterator[TcpCut]:
    """A proxy that serves while the body runs."""
    with _serve(TcpCut(port, trigger, cut, hit=hit)) as proxy:
        yield proxy


@contextmanager
def _serve(proxy: P) -> Iterator[P]:
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join(5)
