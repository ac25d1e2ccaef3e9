"""The API over gRPC.

Generic handlers over the client's own messages, on a Unix socket that the front splices to. Requests arrive as bytes
and are parsed here, so that a malformed one gets the API's error and not a broken stream.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc

from jobs_emulator.api.dispatch import Dispatcher, parse_request
from jobs_emulator.api.methods import Method
from jobs_emulator.errors import ApiError, Code, LostReplyError, not_this_machine
from jobs_emulator.http.callers import Callers

REQUEST_BYTES_MAX = 4 * 2**20
"""Largest request over either transport: gRPC's own default."""

Context = Any
"""grpc.aio.ServicerContext; grpc ships no types."""

_STATUS_OF = {code.value[0]: code for code in grpc.StatusCode}


async def start_grpc_server(
    methods: list[Method], dispatcher: Dispatcher, socket: Path, callers: Callers
) -> grpc.aio.Server:
    """A started grpc.aio server on the Unix socket.

    `callers` says who is refused.
    """
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", REQUEST_BYTES_MAX),
            ("grpc.so_reuseport", 0),
            ("grpc.max_metadata_size", 64 * 1024),
        ]
    )
    by_service: dict[str, dict[str, Any]] = defaultdict(dict)
    for method in methods:
        by_service[method.service][method.name] = grpc.unary_unary_rpc_method_handler(
            _behaviour(method, dispatcher, callers)
        )
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(service, handlers) for service, handlers in by_service.items()]
    )
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    return server


def _behaviour(
    method: Method, dispatcher: Dispatcher, callers: Callers
) -> Callable[[bytes, Context], Awaitable[bytes]]:
    async def answer(data: bytes, context: Context) -> bytes:
        try:
            _refuse_others(context, callers)
            authorization = str(dict(context.invocation_metadata() or ()).get("authorization", ""))
            response = await dispatcher.call(method, parse_request(method, data), authorization)
        except LostReplyError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Connection reset by peer (chaos switch: reply lost)")
            raise  # abort raises by itself; this is for the reader
        except ApiError as exc:
            details = (("grpc-status-details-bin", exc.to_status().SerializeToString()),)
            await context.abort(_STATUS_OF[int(exc.code)], exc.message, trailing_metadata=details)
            raise
        return bytes(response.SerializeToString())

    return answer


def _refuse_others(context: Context, callers: Callers) -> None:
    """No page speaks HTTP/2 in plain text; this check is for a proxy that translates."""
    metadata = dict(context.invocation_metadata() or ())
    if callers.strangers and (authority := callers.strangers.get(context.peer())) is not None:
        raise not_this_machine(authority)
    if context.peer() in callers.unknown:
        callers.door.check(metadata.get("authorization", ""))
    origin = metadata.get("origin")
    if origin is not None:
        raise ApiError(Code.PERMISSION_DENIED, f"Origin '{origin}' may not call the emulator.")
