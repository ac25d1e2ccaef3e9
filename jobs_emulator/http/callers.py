"""What is known of each connection and its requests.

By the connection's name in gRPC's server.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from jobs_emulator.errors import ApiError
from jobs_emulator.http.answers import Answer, HttpRequest, HttpResponse, json_response
from jobs_emulator.http.door import Door

_ASK_BROWSERS = (("www-authenticate", 'Basic realm="jobs emulator: the token as the password"'),)


@dataclass(slots=True)
class Callers:
    """Which connections are strange or unknown.

    `strangers`: the host that a client meant to call, if not this machine. `unknown`: those who must send the token.
    """

    door: Door
    strangers: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)

    def forget(self, peer: str) -> None:
        """The connection is over."""
        self.strangers.pop(peer, None)
        self.unknown.discard(peer)

    def checked(self, answer: Answer, *, is_known: bool) -> Answer:
        """`answer`, but unknown callers need the token."""
        if is_known:
            return answer

        async def check(request: HttpRequest) -> HttpResponse:
            try:
                self.door.check(request.headers.get("authorization", ""))
            except ApiError as exc:
                return replace(json_response(exc.to_json(), exc.http_status), headers=_ASK_BROWSERS)
            return await answer(request)

        return check
