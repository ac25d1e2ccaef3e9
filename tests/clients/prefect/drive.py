"""Prefect's CloudRunWorkerV2 against an emulator; only endpoint and credentials differ from the cloud.

Usage: python drive.py HOST:PORT PROJECT REGION. Prints one JSON object with what the worker gave back.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import uuid
from types import SimpleNamespace
from typing import Any

from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from googleapiclient import discovery
from prefect_gcp.credentials import GcpCredentials
from prefect_gcp.workers.cloud_run_v2 import CloudRunWorkerJobV2Configuration, CloudRunWorkerV2

address, project, region = sys.argv[1:]


def connect(configuration: CloudRunWorkerJobV2Configuration) -> Any:
    """The discovery-based client the worker makes, without the cloud's endpoint and credentials."""
    options = ClientOptions(api_endpoint=f"http://{address}")
    credentials = AnonymousCredentials()
    return discovery.build("run", "v2", client_options=options, credentials=credentials).projects().locations()


class Worker(CloudRunWorkerV2):  # type: ignore[misc] # its package is not in this environment
    _get_client = staticmethod(connect)

    def get_flow_run_logger(self, flow_run: Any) -> Any:
        return logging.LoggerAdapter(logging.getLogger("worker"), {})


def configuration(script: str, **job: Any) -> CloudRunWorkerJobV2Configuration:
    container = {"image": "sh", "args": [script], "resources": {"limits": {"cpu": "1000m", "memory": "512Mi"}}}
    body = {
        "client": "prefect",
        "launchStage": "GA",
        "template": {"template": {"containers": [container], "maxRetries": 0, "timeout": "60s", **job}},
    }
    made = CloudRunWorkerJobV2Configuration(
        name=f"flow-{uuid.uuid4().hex[:6]}",
        command="",
        credentials=GcpCredentials.model_construct(project=project),
        job_body=body,
        region=region,
        keep_job=False,
        timeout=60,
        env={},
    )
    made._job_name = None
    return made


async def run(script: str) -> dict[str, Any]:
    worker = Worker("pool")
    result = await worker.run(SimpleNamespace(id=uuid.uuid4(), name="run"), configuration(script))
    return {"status_code": result.status_code, "identifier": result.identifier}


async def main() -> None:
    seen: dict[str, Any] = {"success": await run("exit 0"), "failure": await run("exit 3")}
    with connect(configuration("")) as locations:
        listed = locations.jobs().list(parent=f"projects/{project}/locations/{region}").execute()
    seen["jobs_left"] = len(listed.get("jobs", []))
    print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main())
