"""The whole surface through clients nobody here wrote: google-cloud-run over gRPC and REST, sync and async, and the
discovery-based google-api-python-client. Only endpoint and credentials differ from the cloud.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import google_auth_httplib2
import googleapiclient.discovery
import googleapiclient.errors
import grpc
import httplib2
import pytest
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2
from google.cloud.run_v2.services.executions.transports import ExecutionsGrpcAsyncIOTransport
from google.cloud.run_v2.services.jobs.transports import JobsGrpcAsyncIOTransport
from google.longrunning import operations_pb2
from google.protobuf import duration_pb2

from tests.jobs_emulator.harness import PARENT, SOON, Cloud, cloud, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def grpc_cloud() -> Iterator[Cloud]:
    with cloud(slots=2) as clients:
        yield clients


@pytest.fixture(scope="module", params=["grpc", "rest"])
def region(request: pytest.FixtureRequest, grpc_cloud: Cloud) -> Iterator[Cloud]:
    """The same clients over either transport."""
    if request.param == "grpc":
        yield grpc_cloud
        return
    clients = Cloud(grpc_cloud.address)
    clients.close()
    options = ClientOptions(api_endpoint=f"http://{grpc_cloud.address}")
    with (
        run_v2.JobsClient(transport="rest", client_options=options, credentials=AnonymousCredentials()) as jobs,
        run_v2.ExecutionsClient(
            transport="rest", client_options=options, credentials=AnonymousCredentials()
        ) as executions,
        run_v2.TasksClient(transport="rest", client_options=options, credentials=AnonymousCredentials()) as tasks,
    ):
        clients.jobs, clients.executions, clients.tasks = jobs, executions, tasks
        yield clients


@pytest.fixture
def job_id(request: pytest.FixtureRequest) -> str:
    """An id of the test's own."""
    return "j" + format(abs(hash(request.node.nodeid)) % 10**12, "d")


def test_a_job_is_created_read_listed_replaced_and_deleted(region: Cloud, job_id: str) -> None:
    name = f"{PARENT}/jobs/{job_id}"
    created = region.create(job_id, "echo hello", task_count=2)
    assert (created.name, created.generation, created.template.task_count) == (name, 1, 2)
    assert created.template.template.timeout.total_seconds() == 600
    assert region.jobs.get_job(name=name) == created
    assert name in [job.name for job in region.jobs.list_jobs(parent=PARENT)]
    created.template.task_count = 5
    updated = region.jobs.update_job(job=created).result(polling=SOON)
    assert (updated.generation, updated.template.task_count, updated.uid) == (2, 5, created.uid)
    assert updated.create_time == created.create_time < updated.update_time
    assert region.jobs.delete_job(name=name).result(polling=SOON).name == name
    with pytest.raises(exceptions.NotFound, match=f"Resource '{job_id}' of kind 'JOB' in region 'europe-west1'"):
        region.jobs.get_job(name=name)


def test_a_run_is_followed_to_its_end_and_its_tasks_are_seen(region: Cloud, job_id: str) -> None:
    region.create(job_id, task_count=3)
    operation = region.run(job_id)
    assert operation.metadata.task_count == 3
    execution = operation.result(polling=SOON)
    assert execution.succeeded_count == 3
    assert [e.name for e in region.executions.list_executions(parent=f"{PARENT}/jobs/{job_id}")] == [execution.name]
    assert execution.name in [e.name for e in region.executions.list_executions(parent=f"{PARENT}/jobs/-")]
    tasks = region.tasks_of(execution)
    assert [task.index for task in tasks] == [0, 1, 2]
    assert region.tasks.get_task(name=tasks[1].name).name == tasks[1].name
    assert len(list(region.tasks.list_tasks(parent=f"{PARENT}/jobs/{job_id}/executions/-"))) == 3
    deleted = region.executions.delete_execution(name=execution.name).result(polling=SOON)
    assert deleted.name == execution.name
    with pytest.raises(exceptions.NotFound, match="of kind 'EXECUTION'"):
        region.executions.get_execution(name=execution.name)


def test_failure_and_cancel_are_told_over_either_transport(region: Cloud, job_id: str) -> None:
    region.create(job_id, "exit ${CODE:-0}; sleep 100")
    operation = region.run(job_id, container_overrides=[{"env": [{"name": "CODE", "value": "4"}]}])
    with pytest.raises(exceptions.GoogleAPICallError, match="failed with exit code: 4"):
        operation.result(polling=SOON)
    region.create(job_id + "s", "sleep 100")
    operation = region.run(job_id + "s")
    wait_until(lambda: region.execution(operation).running_count, "it runs")
    region.executions.cancel_execution(name=operation.metadata.name).result(polling=SOON)
    assert operation.result(polling=SOON).cancelled_count == 1


def test_errors_have_the_class_of_their_code(region: Cloud, job_id: str) -> None:
    region.create(job_id)
    with pytest.raises(exceptions.Conflict, match=f"Resource '{job_id}' already exists"):
        region.create(job_id)
    with pytest.raises(
        exceptions.InvalidArgument if region.jobs.transport.kind == "grpc" else exceptions.BadRequest
    ) as caught:
        region.create("Wrong_Id")
    assert "is not a job id" in str(caught.value)
    with pytest.raises(exceptions.BadRequest, match="task_count"):
        region.create(job_id + "x", task_count=10_001)
    with pytest.raises(exceptions.NotFound, match=r"Image 'nix' not found. The image table has: gone, sh, true"):
        region.create(job_id + "y", container={"image": "nix"})
    with pytest.raises(exceptions.BadRequest, match="Image 'nix' not found"):
        region.run(job_id + "y")


def test_validate_only_says_what_would_be_and_does_nothing(region: Cloud, job_id: str) -> None:
    job = run_v2.Job(template={"template": {"containers": [{"image": "true"}]}})
    request = {"parent": PARENT, "job_id": job_id, "job": job, "validate_only": True}
    planned = region.jobs.create_job(request=request).result(polling=SOON)
    assert planned.template.task_count == 1
    with pytest.raises(exceptions.NotFound):
        region.jobs.get_job(name=planned.name)
    region.create(job_id)
    would_run = region.jobs.run_job(request={"name": planned.name, "validate_only": True}).result(polling=SOON)
    assert would_run.task_count == 1
    region.jobs.delete_job(request={"name": planned.name, "validate_only": True}).result(polling=SOON)
    assert list(region.executions.list_executions(parent=planned.name)) == []


def test_a_job_that_is_not_there_is_created_by_an_update_that_allows_it(region: Cloud, job_id: str) -> None:
    name = f"{PARENT}/jobs/{job_id}"
    job = run_v2.Job(name=name, template={"template": {"containers": [{"image": "true"}]}})
    with pytest.raises(exceptions.NotFound):
        region.jobs.update_job(job=job)
    created = region.jobs.update_job(request={"job": job, "allow_missing": True}).result(polling=SOON)
    assert (created.name, created.generation) == (name, 1)


def test_lists_come_in_pages(region: Cloud, job_id: str) -> None:
    location = f"projects/paged-{job_id}/locations/europe-west1"
    job = run_v2.Job(template={"template": {"containers": [{"image": "true"}]}})
    for number in range(5):
        region.jobs.create_job(parent=location, job_id=f"job-{number}", job=job).result(polling=SOON)
    pager = region.jobs.list_jobs(request={"parent": location, "page_size": 2})
    assert [[j.name[-1] for j in page.jobs] for page in pager.pages] == [["0", "1"], ["2", "3"], ["4"]]


def test_operations_are_got_listed_waited_for_and_deleted(region: Cloud, job_id: str) -> None:
    region.create(job_id, "sleep 0.5")
    name = region.run(job_id).operation.name
    assert region.jobs.get_operation(operations_pb2.GetOperationRequest(name=name)).done is False
    unfinished = region.jobs.list_operations(operations_pb2.ListOperationsRequest(name=PARENT, filter="done=false"))
    assert name in [operation.name for operation in unfinished.operations]
    waited = region.jobs.wait_operation(
        operations_pb2.WaitOperationRequest(name=name, timeout=duration_pb2.Duration(seconds=20))
    )
    if isinstance(waited, bytes):  # google-cloud-run 0.16 does not parse this answer over gRPC
        waited = operations_pb2.Operation.FromString(waited)
    assert waited.done
    region.jobs.delete_operation(operations_pb2.DeleteOperationRequest(name=name))
    with pytest.raises(exceptions.NotFound, match="does not exist"):
        region.jobs.get_operation(operations_pb2.GetOperationRequest(name=name))


def test_waiting_with_a_short_timeout_answers_that_it_is_not_done(grpc_cloud: Cloud, job_id: str) -> None:
    grpc_cloud.create(job_id, "sleep 100")
    operation = grpc_cloud.run(job_id)
    request = operations_pb2.WaitOperationRequest(name=operation.operation.name, timeout=duration_pb2.Duration(nanos=1))
    waited = grpc_cloud.jobs.wait_operation(request)
    assert not operations_pb2.Operation.FromString(waited).done
    grpc_cloud.executions.cancel_execution(name=operation.metadata.name).result(polling=SOON)


def test_the_async_client_does_the_same(grpc_cloud: Cloud, job_id: str) -> None:
    async def drive() -> tuple[run_v2.Execution, list[str]]:
        channel = grpc.aio.insecure_channel(grpc_cloud.address)
        jobs = run_v2.JobsAsyncClient(transport=JobsGrpcAsyncIOTransport(channel=channel))
        executions = run_v2.ExecutionsAsyncClient(transport=ExecutionsGrpcAsyncIOTransport(channel=channel))
        job = run_v2.Job(template={"task_count": 2, "template": {"containers": [{"image": "true"}]}})
        await (await jobs.create_job(parent=PARENT, job_id=job_id, job=job)).result()
        operation = await jobs.run_job(name=f"{PARENT}/jobs/{job_id}")
        execution = await operation.result()
        listed = [e.name async for e in await executions.list_executions(parent=f"{PARENT}/jobs/{job_id}")]
        await channel.close()
        return execution, listed

    execution, listed = asyncio.run(drive())
    assert execution.succeeded_count == 2
    assert listed == [execution.name]


@pytest.fixture
def discovery(grpc_cloud: Cloud) -> Iterator[Any]:
    """google-api-python-client, with the discovery document of its own package."""
    http = google_auth_httplib2.AuthorizedHttp(AnonymousCredentials(), http=httplib2.Http(timeout=30))
    service = googleapiclient.discovery.build(
        "run",
        "v2",
        http=http,
        static_discovery=True,
        client_options=ClientOptions(api_endpoint=f"http://{grpc_cloud.address}"),
    )
    yield service.projects().locations()
    service.close()


def test_the_discovery_based_client_creates_runs_and_reads(discovery: Any, job_id: str) -> None:
    body = {"template": {"taskCount": 2, "template": {"containers": [{"image": "true"}], "maxRetries": 0}}}
    created = discovery.jobs().create(parent=PARENT, jobId=job_id, body=body).execute()
    assert created["done"]
    assert created["response"]["template"]["template"]["timeout"] == "600s"
    assert created["response"]["latestCreatedExecution"]["createTime"] == "1970-01-01T00:00:00Z"
    body["template"]["taskCount"] = 3
    name = f"{PARENT}/jobs/{job_id}"
    discovery.jobs().patch(name=name, body=body, allowMissing=True).execute()
    operation = discovery.jobs().run(name=name, body={"overrides": {"taskCount": 4}}).execute()
    operation = discovery.operations().wait(name=operation["name"], body={"timeout": "20s"}).execute()
    assert operation["response"]["succeededCount"] == 4
    executions = discovery.jobs().executions()
    [listed] = executions.list(parent=name).execute()["executions"]
    tasks = executions.tasks().list(parent=listed["name"], pageSize=3).execute()
    assert [task.get("index", 0) for task in tasks["tasks"]] == [0, 1, 2]
    more = executions.tasks().list(parent=listed["name"], pageToken=tasks["nextPageToken"]).execute()
    assert [task["index"] for task in more["tasks"]] == [3]
    executions.delete(name=listed["name"]).execute()
    discovery.jobs().delete(name=name).execute()
    with pytest.raises(googleapiclient.errors.HttpError, match="of kind 'JOB'") as caught:
        discovery.jobs().get(name=name).execute()
    assert caught.value.status_code == 404


def test_the_discovery_based_client_cancels(discovery: Any, job_id: str) -> None:
    body = {"template": {"template": {"containers": [{"image": "sh", "args": ["sleep 100"]}]}}}
    discovery.jobs().create(parent=PARENT, jobId=job_id, body=body).execute()
    run = discovery.jobs().run(name=f"{PARENT}/jobs/{job_id}", body={}).execute()
    name = run["metadata"]["name"]
    discovery.jobs().executions().cancel(name=name, body={}).execute()
    deadline = time.monotonic() + 20
    while not discovery.operations().get(name=run["name"]).execute().get("done"):
        assert time.monotonic() < deadline
    assert discovery.jobs().executions().get(name=name).execute()["cancelledCount"] == 1
