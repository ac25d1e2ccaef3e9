"""Opens the one place where both transports are answered."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

from jobs_emulator.api.dispatch import Dispatcher
from jobs_emulator.api.methods import Method
from jobs_emulator.errors import ApiError, Code, not_this_machine
from jobs_emulator.http.admin import AdminPages
from jobs_emulator.http.answers import HttpRequest, HttpResponse, json_response
from jobs_emulator.http.callers import Callers
from jobs_emulator.http.door import Door
from jobs_emulator.http.front import Front
from jobs_emulator.http.grpc_server import start_grpc_server
from jobs_emulator.http.origin import foreign_host, foreign_origin
from jobs_emulator.http.rest import RestApi


async def listen(
    methods: list[Method],
    dispatcher: Dispatcher,
    admin: AdminPages,
    *,
    folder: Path,
    port: int | None,
    door: Door,
    opened: AsyncExitStack,
) -> str:
    """Begins to listen; returns the address.

    On a port of loopback, 0 for a free one; for None on a Unix socket in `folder`, which only this user can enter.
    `opened` gets what ends it.
    """
    socket = folder / "grpc.sock"
    callers = Callers(door)
    grpc_server = await start_grpc_server(methods, dispatcher, socket, callers)
    opened.push_async_callback(grpc_server.stop, 0.0)
    rest = RestApi(methods, dispatcher)

    async def answer(request: HttpRequest) -> HttpResponse:
        refusal = _refusal(request)
        if refusal is not None:
            return json_response(refusal.to_json(), refusal.http_status)
        path = urlsplit(request.target).path
        return await (rest.answer(request) if path.startswith("/v2/") else admin.answer(request))

    front = Front(socket, answer, callers)
    opened.push_async_callback(front.stop)
    return await (front.start_private(folder / "api.sock") if port is None else front.start(port))


def _refusal(request: HttpRequest) -> ApiError | None:
    """Why a browser's request is not carried out; None when it is."""
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    if foreign_host(host):
        return not_this_machine(host)
    if origin is not None and foreign_origin(origin, host):
        return ApiError(Code.PERMISSION_DENIED, f"Origin '{origin}' may not call the emulator.")
    return None
