"""HTTP/1.1 on an accepted connection, by h11.

One request after the other, bounded in size and time. h11 and not a framework: it is a parser without I/O, small and
strict about framing, and all that is needed here is a dozen routes; a framework would bring an event loop's worth of
dependencies into an extra that people install for their tests.
"""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus

import h11

from jobs_emulator.errors import ApiError, Code, LostReplyError
from jobs_emulator.http.answers import Answer, HttpRequest, HttpResponse, json_response
from jobs_emulator.http.grpc_server import REQUEST_BYTES_MAX

HEADER_BYTES_MAX = 64 * 1024
REQUEST_SECONDS_MAX = 30.0
"""A request must be whole within so long after its first byte."""

IDLE_SECONDS_MAX = 120.0
"""A connection may be silent so long between requests."""

DISCARD_SECONDS_MAX = 2.0
READ_BYTES = 65_536
HTTP_STATUSES = {status.value for status in HTTPStatus}


async def serve_http1(first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
    """Serves a connection until it ends.

    `first` is what was read of it already.
    """
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_BYTES_MAX)
    connection.receive_data(first)
    wait_seconds = REQUEST_SECONDS_MAX if first else IDLE_SECONDS_MAX
    try:
        while True:
            request = await _read_request(connection, reader, writer, wait_seconds)
            if request is None:
                return
            await _send(connection, writer, await answer(request))
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return
            connection.start_next_cycle()
            wait_seconds = REQUEST_SECONDS_MAX if connection.trailing_data[0] else IDLE_SECONDS_MAX
    except LostReplyError:
        return  # the connection ends without a word
    except ApiError as exc:
        await _send(connection, writer, json_response(exc.to_json(), exc.http_status))
        await _discard_rest(reader, writer)
    except h11.RemoteProtocolError as exc:
        error = ApiError(Code.INVALID_ARGUMENT, f"Bad HTTP request: {exc}", http_status=exc.error_status_hint)
        if connection.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            await _send(connection, writer, json_response(error.to_json(), error.http_status))
            await _discard_rest(reader, writer)


async def _read_request(
    connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wait_seconds: float
) -> HttpRequest | None:
    """The next request; None when the client has gone or was too slow."""
    try:
        async with asyncio.timeout(wait_seconds) as limit:
            head: h11.Request | None = None
            body = bytearray()
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    if connection.they_are_waiting_for_100_continue:
                        go_on = h11.InformationalResponse(status_code=100, headers=[])
                        writer.write(connection.send(go_on) or b"")
                    data = await reader.read(READ_BYTES)
                    connection.receive_data(data)
                    if data and wait_seconds == IDLE_SECONDS_MAX and head is None:
                        limit.reschedule(asyncio.get_running_loop().time() + REQUEST_SECONDS_MAX)
                        wait_seconds = REQUEST_SECONDS_MAX
                elif isinstance(event, h11.Request):
                    head = event
                elif isinstance(event, h11.Data):
                    body += event.data
                    if len(body) > REQUEST_BYTES_MAX:
                        raise _too_large()
                elif isinstance(event, h11.EndOfMessage) and head is not None:
                    headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
                    return HttpRequest(head.method.decode(), head.target.decode("latin-1"), headers, bytes(body))
                else:  # ConnectionClosed, PAUSED
                    return None
    except TimeoutError:
        return None


async def _send(connection: h11.Connection, writer: asyncio.StreamWriter, response: HttpResponse) -> None:
    headers = [
        ("content-type", response.content_type),
        ("content-length", str(len(response.body))),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        *response.headers,
    ]
    if connection.their_state is not h11.DONE:  # the rest of the request will not be read
        headers.append(("connection", "close"))
    reason = HTTPStatus(response.status).phrase if response.status in HTTP_STATUSES else ""
    head = h11.Response(status_code=response.status, headers=headers, reason=reason)
    for event in (head, h11.Data(data=response.body), h11.EndOfMessage()):
        writer.write(connection.send(event) or b"")
    async with asyncio.timeout(
        REQUEST_SECONDS_MAX
    ):  # a TimeoutError ends the connection of a client that does not read
        await writer.drain()


async def _discard_rest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Lets the client finish sending: a connection closed over unread bytes is reset, and the answer lost with it."""
    writer.write_eof()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS_MAX):
            while await reader.read(READ_BYTES):
                pass


def _too_large() -> ApiError:
    message = f"Request payload size exceeds the limit: {REQUEST_BYTES_MAX} bytes."
    return ApiError(Code.INVALID_ARGUMENT, message, http_status=413)
