"""Google's own clients, pointed at an emulator: nothing but channel and credentials differ from the cloud."""

from __future__ import annotations

import grpc
from google.cloud import run_v2
from google.cloud.run_v2.services.executions.transports import ExecutionsGrpcTransport
from google.cloud.run_v2.services.jobs.transports import JobsGrpcTransport
from google.cloud.run_v2.services.tasks.transports import TasksGrpcTransport


def jobs_client(address: str) -> run_v2.JobsClient:
    """A JobsClient of the emulator at `127.0.0.1:port`; leave its `with`, or call `transport.close()`, to close it."""
    return run_v2.JobsClient(transport=JobsGrpcTransport(channel=grpc.insecure_channel(address)))


def executions_client(address: str) -> run_v2.ExecutionsClient:
    """An ExecutionsClient of the emulator at `address`."""
    return run_v2.ExecutionsClient(transport=ExecutionsGrpcTransport(channel=grpc.insecure_channel(address)))


def tasks_client(address: str) -> run_v2.TasksClient:
    """A TasksClient of the emulator at `address`."""
    return run_v2.TasksClient(transport=TasksGrpcTransport(channel=grpc.insecure_channel(address)))
