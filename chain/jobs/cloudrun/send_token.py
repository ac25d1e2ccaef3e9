"""Sends an emulator's token with each call.

As Google's clients send theirs; a channel without TLS has no other way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc


def with_token(channel: grpc.Channel, token: str) -> grpc.Channel:
    """Return the channel, sending the token where there is one."""
    return grpc.intercept_channel(channel, _SendToken(token)) if token else channel


class _SendToken(grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc] # grpc ships no types
    def __init__(self, token: str) -> None:
        self._header = ("authorization", f"Bearer {token}")

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:  # noqa: ANN401 - untyped there
        """Add the header to one call."""
        made = _Details()
        for name in ("method", "timeout", "credentials", "wait_for_ready", "compression"):
            setattr(made, name, getattr(details, name, None))
        made.metadata = [*(details.metadata or ()), self._header]
        return continuation(made, request)


class _Details(grpc.ClientCallDetails):  # type: ignore[misc] # as above
    """What grpc asks of a call's details; it has no class of its own for them."""
