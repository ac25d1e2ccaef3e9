"""One loopback port, or one Unix socket, for both transports.

The socket is this user's. A connection that opens with HTTP/2's preface is spliced to the gRPC server, any other is
served as HTTP/1.1 (RFC 9113, section 3.4: a client with prior knowledge sends the preface first).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from pathlib import Path

from jobs_emulator.http.answers import Answer
from jobs_emulator.http.callers import Callers
from jobs_emulator.http.http1 import IDLE_SECONDS_MAX, REQUEST_SECONDS_MAX, serve_http1
from jobs_emulator.http.http2_authority import PREFACE, AuthorityReader
from jobs_emulator.http.origin import foreign_host

SPLICE_BYTES = 65_536
CONNECTIONS_MAX = 4000
CLOSE_SECONDS_MAX = 5.0
BACKLOG = 1024
LOOPBACK = "127.0.0.1"


class Front:
    """The listening socket and its connections.

    `callers` gets what is known of each.
    """

    def __init__(self, grpc_socket: Path, answer: Answer, callers: Callers) -> None:
        self._grpc_socket = grpc_socket
        self._callers = callers
        self._numbers = itertools.count()
        self._answer = answer
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._is_private = False

    async def start(self, port: int) -> str:
        """Listens on the loopback address; returns `127.0.0.1:port`, a free one for 0."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, port, backlog=BACKLOG)
        return f"{LOOPBACK}:{self._server.sockets[0].getsockname()[1]}"

    async def start_private(self, path: Path) -> str:
        """Listens on a Unix socket; returns `unix:PATH`.

        In a folder that only this user may enter.
        """
        self._server = await asyncio.start_unix_server(self._accept, path, backlog=BACKLOG)
        self._is_private = True
        return f"unix:{path}"

    async def stop(self) -> None:
        """Stops listening and ends all connections."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        connection = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = await _read_opening(reader)
            is_known = await self._is_known(writer)
            if first.startswith(PREFACE):
                await self._splice(first, reader, writer, is_known=is_known)
            elif first:
                await serve_http1(first, reader, writer, self._callers.checked(self._answer, is_known=is_known))
        except (OSError, asyncio.CancelledError):
            pass  # the client has gone, or the emulator stops: nobody is there to read an answer
        finally:
            await _close(writer)

    async def _is_known(self, writer: asyncio.StreamWriter) -> bool:
        if self._is_private:
            return True
        peer, (_, port) = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        return await asyncio.to_thread(self._callers.door.knows, peer, port)

    async def _splice(
        self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_known: bool
    ) -> None:
        path = self._grpc_socket.with_name(f"c{next(self._numbers)}")
        peer = f"unix:{path}"
        if not is_known:
            self._callers.unknown.add(peer)
        inner_reader, inner_writer = await _connect(self._grpc_socket, path)
        try:
            pumps = {
                asyncio.ensure_future(self._pump_requests(peer, first, reader, inner_writer)),
                asyncio.ensure_future(_pump(inner_reader, writer)),
            }
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            await _close(inner_writer)
            self._callers.forget(peer)

    async def _pump_requests(
        self, peer: str, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Passes on what the client sends; the host that its first request means is known before that has left."""
        opening, data = AuthorityReader(), first
        while data:
            opening.feed(data)
            # No name can be pointed at a Unix socket: there, it is the socket's own path.
            if opening.authority and not self._is_private and foreign_host(opening.authority):
                self._callers.strangers[peer] = opening.authority
            writer.write(data)
            await writer.drain()
            if opening.authority is not None:
                await _pump(reader, writer)
                return
            data = await reader.read(SPLICE_BYTES)


async def _connect(server: Path, own: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to gRPC's server from a socket with a name, by which the server tells connections apart."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.setblocking(False)
        connection.bind(str(own))
        try:
            await asyncio.get_running_loop().sock_connect(connection, str(server))
        finally:
            own.unlink(missing_ok=True)
        return await asyncio.open_unix_connection(sock=connection)
    except BaseException:
        connection.close()
        raise


async def _read_opening(reader: asyncio.StreamReader) -> bytes:
    """The first bytes: the whole preface, or enough to see that it is none. Empty when none come in time."""
    first = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(IDLE_SECONDS_MAX) as limit:
            while len(first) < len(PREFACE) and PREFACE.startswith(first):
                data = await reader.read(SPLICE_BYTES)
                if not data:
                    return first
                first += data
                limit.reschedule(asyncio.get_running_loop().time() + REQUEST_SECONDS_MAX)
            return first
    return b""


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(SPLICE_BYTES):
        writer.write(data)
        await writer.drain()


async def _close(writer: asyncio.StreamWriter) -> None:
    """Closes when all that was written has left; at once, when the client does not take it."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_SECONDS_MAX):
            await writer.wait_closed()
    except (OSError, asyncio.CancelledError):
        writer.transport.abort()
