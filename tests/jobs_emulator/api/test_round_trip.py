"""Every field of a job that goes in comes out, in the job and in its executions: over generated messages."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.cloud import run_v2
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.jobs_emulator.harness import PARENT, SOON, Cloud, cloud

pytestmark = pytest.mark.integration

Job = run_v2.Job.pb()
SERVER_SETS = {
    "name", "uid", "generation", "create_time", "update_time", "delete_time", "expire_time", "creator", "last_modifier",
    "observed_generation", "terminal_condition", "conditions", "execution_count", "latest_created_execution",
    "reconciling", "satisfies_pzs", "etag", "start_execution_token", "run_execution_token",
}  # fmt: skip
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: TEXT,
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
}


def values(field: Any) -> st.SearchStrategy[Any]:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return messages(field.message_type)
    if field.type == FieldDescriptor.TYPE_ENUM:
        return st.sampled_from([value.number for value in field.enum_type.values])
    return SCALARS[field.type]


@st.composite
def messages(draw: st.DrawFn, descriptor: Any) -> Any:
    """Any message of a descriptor; each of its fields may be there."""
    message = descriptor._concrete_class()
    if descriptor.full_name == "google.protobuf.Duration":
        message.seconds, message.nanos = draw(st.integers(0, 86_400)), draw(st.integers(0, 999_999_999))
        return message
    for field in descriptor.fields:
        if (field.name in SERVER_SETS and descriptor is Job.DESCRIPTOR) or not draw(st.booleans()):
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(message, field.name).update(draw(st.dictionaries(TEXT, TEXT, max_size=2)))
        elif field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(values(field), max_size=2)))
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            getattr(message, field.name).CopyFrom(draw(values(field)))
        else:
            setattr(message, field.name, draw(values(field)))
    return message


@st.composite
def jobs(draw: st.DrawFn) -> Any:
    """Any job the API would take: what it has rules for is put right, all else is as it came."""
    job = draw(messages(Job.DESCRIPTOR))
    execution, task = job.template, job.template.template
    execution.task_count = draw(st.integers(0, 10_000))
    execution.parallelism = draw(st.integers(0, 10_000))
    if task.HasField("max_retries"):
        task.max_retries = draw(st.integers(0, 10))
    if not task.containers:
        task.containers.add()
    volumes = [volume.name for volume in task.volumes]
    for position, container in enumerate(task.containers):
        container.name, container.image = f"c{position}", "true"
        container.resources.limits.clear()
        for resource in draw(st.sets(st.sampled_from(["cpu", "memory", "nvidia.com/gpu"]))):
            container.resources.limits[resource] = draw(st.sampled_from(["1", "512Mi", "2Gi", "1000m"]))
        for variable in container.env:
            variable.name = draw(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True))
        for mount in container.volume_mounts:
            mount.name = draw(st.sampled_from(volumes)) if volumes else ""
        if not volumes:
            container.ClearField("volume_mounts")
    return job


def without_server_fields_and_defaults(received: Any, sent: Any) -> Any:  # noqa: C901
    """The job as it was sent, if nothing of it was lost or changed; `sent` says which defaults were written back."""
    job = Job()
    job.CopyFrom(received)
    for name in SERVER_SETS:
        job.ClearField(name)
    if not sent.launch_stage:
        assert job.launch_stage == 4
        job.launch_stage = 0
    if not sent.template.task_count:
        job.template.task_count -= 1
    task, sent_task = job.template.template, sent.template.template
    if not sent_task.HasField("max_retries"):
        assert task.max_retries == 3
        task.ClearField("max_retries")
    if not (sent_task.timeout.seconds or sent_task.timeout.nanos):
        assert task.timeout.seconds == 600
        task.timeout.seconds = 0
        if not sent_task.HasField("timeout"):
            task.ClearField("timeout")
    if not sent_task.execution_environment:
        task.execution_environment -= 2
    for container, sent_container in zip(task.containers, sent_task.containers, strict=True):
        for resource, default in (("cpu", "1000m"), ("memory", "512Mi")):
            if resource not in sent_container.resources.limits:
                assert container.resources.limits.pop(resource) == default
        if not sent_container.HasField("resources"):
            container.ClearField("resources")
    return job


@pytest.fixture(scope="module")
def region() -> Iterator[Cloud]:
    with cloud(chaos={"never_start": True}) as clients:
        yield clients


thorough = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@thorough
@given(sent=jobs())
def test_a_job_comes_out_as_it_went_in(region: Cloud, sent: Any) -> None:
    name = f"{PARENT}/jobs/round"
    message = run_v2.UpdateJobRequest.pb()(allow_missing=True, job=sent)
    message.job.name = name
    region.jobs.update_job(run_v2.UpdateJobRequest.wrap(message)).result(polling=SOON)
    received = run_v2.Job.pb(region.jobs.get_job(name=name))
    assert without_server_fields_and_defaults(received, sent) == sent


@thorough
@given(sent=jobs())
def test_an_execution_has_all_of_its_jobs_template(region: Cloud, sent: Any) -> None:
    del sent.template.template.containers[1:]
    for variable in sent.template.template.containers[0].env:
        if variable.WhichOneof("values") == "value_source":
            variable.value = "no secrets here"
    message = run_v2.UpdateJobRequest.pb()(allow_missing=True, job=sent)
    message.job.name = f"{PARENT}/jobs/executed"
    job = run_v2.Job.pb(region.jobs.update_job(run_v2.UpdateJobRequest.wrap(message)).result(polling=SOON))
    execution = run_v2.Execution.pb(region.execution(region.run("executed")))
    assert execution.template == job.template.template
    assert (execution.labels, execution.annotations) == (job.template.labels, job.template.annotations)
    assert (execution.task_count, execution.launch_stage) == (job.template.task_count, job.launch_stage)
    assert 1 <= execution.parallelism <= execution.task_count
    task = run_v2.Task.pb(next(iter(region.tasks.list_tasks(parent=execution.name))))
    shared = set(task.DESCRIPTOR.fields_by_name) & set(job.template.template.DESCRIPTOR.fields_by_name)
    assert len(shared) >= 9
    for field in shared:
        assert getattr(task, field) == getattr(job.template.template, field), field
    region.executions.delete_execution(name=execution.name).result(polling=SOON)


@thorough
@given(sent=jobs())
def test_a_job_written_in_json_is_the_same_as_one_written_over_grpc(region: Cloud, sent: Any) -> None:
    body = json.dumps(json_format.MessageToDict(sent))
    connection = http.client.HTTPConnection(region.address)
    connection.request("PATCH", f"/v2/{PARENT}/jobs/json?allowMissing=true", body)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.request("GET", f"/v2/{PARENT}/jobs/json")
    read = json_format.ParseDict(json.loads(connection.getresponse().read()), Job())
    connection.close()
    assert response.status == 200, answer
    assert without_server_fields_and_defaults(read, sent) == sent
    assert run_v2.Job.pb(region.jobs.get_job(name=f"{PARENT}/jobs/json")) == read
