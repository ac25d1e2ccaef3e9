"""Opens Google's own clients.

Over gRPC on one channel, or over REST; against the service or an emulator. The account needs, on the jobs:
run.jobs.get, .create, .update, .run, .runWithOverrides; run.executions.get, .list, .cancel; run.tasks.list (all in
roles/run.developer); and iam.serviceAccounts.actAs on what the jobs run as.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import google.auth
import grpc
from google.auth import exceptions as auth
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2
from google.cloud.run_v2.services.executions.transports import ExecutionsGrpcTransport
from google.cloud.run_v2.services.jobs.transports import JobsGrpcTransport
from google.cloud.run_v2.services.tasks.transports import TasksGrpcTransport
from google.oauth2.credentials import Credentials

import chain.jobs.cloudrun.client_errors  # noqa: F401 - what these clients raise is known from now on
from chain.jobs.cloudrun.errors import translate
from chain.jobs.cloudrun.place import Place
from chain.jobs.cloudrun.services import Clients
from staging.config.cloud import CloudConfig

_CHANNEL_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),  # a page of executions carries their definitions
    ("grpc.keepalive_time_ms", 60_000),  # a laptop that slept finds its connection dead at the next look
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 4_000),
]


@contextmanager
def open_clients(cloud: CloudConfig, place: Place) -> Iterator[Clients]:
    """Yield clients as the pipeline asks for them.

    InputError where there are no credentials.
    """
    credentials = _emulator_credentials(place) if place.emulator else _find_credentials(place)
    if cloud.transport == "rest":
        with _rest_clients(cloud, place, credentials) as clients:
            yield clients
        return
    channel = _open_channel(cloud, place, credentials)
    try:
        yield Clients(
            jobs=run_v2.JobsClient(transport=JobsGrpcTransport(channel=channel)),
            executions=run_v2.ExecutionsClient(transport=ExecutionsGrpcTransport(channel=channel)),
            tasks=run_v2.TasksClient(transport=TasksGrpcTransport(channel=channel)),
        )
    finally:
        channel.close()


def _open_channel(cloud: CloudConfig, place: Place, credentials: Any) -> grpc.Channel:  # noqa: ANN401 - untyped there
    if place.emulator:
        return with_token(grpc.insecure_channel(place.emulator, options=_CHANNEL_OPTIONS), place.token)
    host = cloud.endpoint or JobsGrpcTransport.DEFAULT_HOST
    return JobsGrpcTransport.create_channel(
        host if ":" in host else f"{host}:443", credentials=credentials, options=_CHANNEL_OPTIONS
    )


@contextmanager
def _rest_clients(cloud: CloudConfig, place: Place, credentials: Any) -> Iterator[Clients]:  # noqa: ANN401 - as above
    endpoint = f"http://{place.emulator}" if place.emulator else cloud.endpoint
    options: Any = {"api_endpoint": endpoint} if endpoint else {}
    with (
        run_v2.JobsClient(transport="rest", credentials=credentials, client_options=options) as jobs,
        run_v2.ExecutionsClient(transport="rest", credentials=credentials, client_options=options) as executions,
        run_v2.TasksClient(transport="rest", credentials=credentials, client_options=options) as tasks,
    ):
        yield Clients(jobs, executions, tasks)


def _emulator_credentials(place: Place) -> Any:  # noqa: ANN401 - any of google.auth's classes
    return Credentials(place.token) if place.token else AnonymousCredentials()


def _find_credentials(place: Place) -> Any:  # noqa: ANN401 - any of google.auth's classes
    try:
        credentials, _ = google.auth.default(default_scopes=JobsGrpcTransport.AUTH_SCOPES)
    except auth.GoogleAuthError as error:
        raise translate(error, place, "find credentials for Cloud Run") from error
    return credentials


def with_token(channel: grpc.Channel, token: str) -> grpc.Channel:
    """Return the channel, sending the token where there is one.

    As Google's clients send theirs; a channel without TLS has no other way.
    """
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
