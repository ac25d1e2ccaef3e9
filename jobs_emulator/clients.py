"""Google's own clients, pointed at an emulator.

Nothing but channel and credentials differ from the cloud.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import grpc
from google.cloud import run_v2
from google.cloud.run_v2.services.executions.transports import ExecutionsGrpcTransport
from google.cloud.run_v2.services.jobs.transports import JobsGrpcTransport
from google.cloud.run_v2.services.tasks.transports import TasksGrpcTransport

from jobs_emulator.tokens import find_token


def jobs_client(address: str) -> run_v2.JobsClient:
    """A JobsClient of the emulator at `127.0.0.1:port`.

    Leave its `with`, or call `transport.close()`, to close it.
    """
    return run_v2.JobsClient(transport=JobsGrpcTransport(channel=_open_channel(address)))


def executions_client(address: str) -> run_v2.ExecutionsClient:
    """An ExecutionsClient of the emulator at `address`."""
    return run_v2.ExecutionsClient(transport=ExecutionsGrpcTransport(channel=_open_channel(address)))


def tasks_client(address: str) -> run_v2.TasksClient:
    """A TasksClient of the emulator at `address`."""
    return run_v2.TasksClient(transport=TasksGrpcTransport(channel=_open_channel(address)))


def _open_channel(address: str) -> grpc.Channel:
    """A channel that sends the emulator's token, where it has one."""
    channel = grpc.insecure_channel(address)
    token = find_token(address, os.environ)
    return grpc.intercept_channel(channel, SendToken(token)) if token else channel


class SendToken(grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc] # grpc ships no types
    """Adds the token to each call, as Google's clients add theirs."""

    def __init__(self, token: str) -> None:
        self._header = ("authorization", f"Bearer {token}")

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:  # noqa: ANN401 — untyped there
        """One call."""
        return continuation(_with_header(details, self._header), request)


class _Details(grpc.ClientCallDetails):  # type: ignore[misc] # as above
    """What grpc asks of a call's details; it has no class of its own for them."""


def _with_header(details: Any, header: tuple[str, str]) -> _Details:  # noqa: ANN401 — as above
    made = _Details()
    for name in ("method", "timeout", "credentials", "wait_for_ready", "compression"):
        setattr(made, name, getattr(details, name, None))
    made.metadata = [*(details.metadata or ()), header]
    return made
