"""One loopback port for both transports.

A connection that opens with HTTP/2's preface is spliced to the gRPC server, any other is served as HTTP/1.1 (RFC 9113,
section 3.4: a client with prior knowledge sends the preface first).
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from jobs_emulator.http1 import IDLE_SECONDS_MAX, REQUEST_SECONDS_MAX, Answer, serve_http1

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SPLICE_BYTES = 65_536
CONNECTIONS_MAX = 4000
CLOSE_SECONDS_MAX = 5.0
BACKLOG = 1024
LOOPBACK = "127.0.0.1"


class Front:
    """The listening socket and its connections."""

    def __init__(self, grpc_socket: Path, answer: Answer) -> None:
        self._grpc_socket = grpc_socket
        self._answer = answer
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, port: int) -> int:
        """Listens on the loopback address; returns the port, which is a free one for 0."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, port, backlog=BACKLOG)
        return int(self._server.sockets[0].getsockname()[1])

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
            if first.startswith(PREFACE):
                await self._splice(first, reader, writer)
            elif first:
                await serve_http1(first, reader, writer, self._answer)
        except (OSError, asyncio.CancelledError):
            pass  # the client has gone, or the emulator stops: there is nobody to tell
        finally:
            await _close(writer)

    async def _splice(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(str(self._grpc_socket))
        try:
            inner_writer.write(first)
            pumps = {
                asyncio.ensure_future(_pump(reader, inner_writer)),
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


async def _read_opening(reader: asyncio.StreamReader) -> bytes:
    """The first bytes: the whole preface, or what is enough to see that it is none. Empty when none come in time."""
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
    """Closes after what was written has left; at once, when the client does not take it."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_SECONDS_MAX):
            await writer.wait_closed()
    except (OSError, asyncio.CancelledError):
        writer.transport.abort()
