"""Airflow's Cloud Run operators against an emulator; only endpoint and credentials differ from the cloud.

Usage: python drive.py HOST:PORT PROJECT REGION JOB_ID. Prints one JSON object with what the operators gave back.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any
from unittest.mock import MagicMock

os.environ["AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"] = "google-cloud-platform://"  # read when Airflow is imported

import grpc
from airflow.providers.common.compat.sdk import AirflowException, TaskDeferred
from airflow.providers.google.cloud.hooks.cloud_run import CloudRunAsyncHook, CloudRunHook
from airflow.providers.google.cloud.operators.cloud_run import (
    CloudRunCreateJobOperator,
    CloudRunDeleteJobOperator,
    CloudRunExecuteJobOperator,
    CloudRunListJobsOperator,
    CloudRunUpdateJobOperator,
)
from google.cloud.run_v2 import Job, JobsAsyncClient, JobsClient
from google.cloud.run_v2.services.jobs.transports import JobsGrpcAsyncIOTransport, JobsGrpcTransport

address, project, region, job_id = sys.argv[1:]
where: dict[str, Any] = {"project_id": project, "region": region}


def connect(_hook: CloudRunHook, *_args: Any, **_options: Any) -> JobsClient:
    """Google's client, without the cloud's endpoint and credentials."""
    return JobsClient(transport=JobsGrpcTransport(channel=grpc.insecure_channel(address)))


async def connect_async(_hook: CloudRunAsyncHook, *_args: Any, **_options: Any) -> JobsAsyncClient:
    """The same for triggers."""
    return JobsAsyncClient(transport=JobsGrpcAsyncIOTransport(channel=grpc.aio.insecure_channel(address)))


CloudRunHook.get_conn = connect
CloudRunAsyncHook.get_conn = connect_async
CloudRunHook.get_credentials = lambda _hook: None


def context() -> Any:
    """What Airflow hands to a task: links and results go nowhere here."""
    return MagicMock()


def execute(**options: Any) -> CloudRunExecuteJobOperator:
    return CloudRunExecuteJobOperator(task_id="execute", job_name=job_id, **where, **options)


async def first_event(deferred: TaskDeferred) -> dict[str, Any]:
    """What the trigger tells the operator that waits for it."""
    async for event in deferred.trigger.run():
        found: dict[str, Any] = event.payload
        return found
    raise AssertionError("the trigger ended without an event")


def run_deferred(**options: Any) -> Any:
    operator = execute(deferrable=True, polling_period_seconds=0.1, **options)
    try:
        operator.execute(context())
    except TaskDeferred as deferred:
        return operator.execute_complete(context(), asyncio.run(first_event(deferred)))
    raise AssertionError("it was not deferred")


def failure(run: Any, **options: Any) -> str:
    try:
        run(**options)
    except AirflowException as error:
        return str(error)
    return ""


def job(task_count: int) -> Job:
    container = {"image": "sh", "args": ["exit ${CODE:-0}"]}
    return Job(template={"task_count": task_count, "template": {"containers": [container], "max_retries": 0}})


def main() -> None:
    seen: dict[str, Any] = {}
    created = CloudRunCreateJobOperator(task_id="create", job_name=job_id, job=job(2), **where).execute(context())
    seen["created"] = created["name"]
    seen["updated"] = CloudRunUpdateJobOperator(task_id="update", job_name=job_id, job=job(3), **where).execute(
        context()
    )["generation"]
    seen["executed"] = execute().execute(context())["latest_created_execution"]["completion_status"]
    fails = {"container_overrides": [{"env": [{"name": "CODE", "value": "6"}]}], "task_count": 1}
    seen["failure"] = failure(lambda **options: execute(**options).execute(context()), overrides=fails)
    seen["deferred"] = run_deferred(overrides={"task_count": 4})["name"]
    seen["deferred_failure"] = failure(run_deferred, overrides=fails)
    listed = CloudRunListJobsOperator(task_id="list", **where).execute(context())
    seen["listed"] = [entry["name"] for entry in listed]
    CloudRunDeleteJobOperator(task_id="delete", job_name=job_id, **where).execute(context())
    seen["left"] = len(CloudRunListJobsOperator(task_id="list-again", **where).execute(context()))
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
