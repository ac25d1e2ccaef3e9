"""What no client should send: the emulator answers with the API's error, and lives."""

from __future__ import annotations

import http.client
import json
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import run_v2
from google.rpc import error_details_pb2, status_pb2

from jobs_emulator.http import http1
from tests.jobs_emulator.harness import PARENT, SOON, Cloud, cloud

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def region() -> Iterator[Cloud]:
    with cloud() as clients:
        yield clients


@pytest.fixture(autouse=True)
def _it_lives(region: Cloud) -> Iterator[None]:
    yield
    assert list(region.jobs.list_jobs(parent="projects/alive/locations/europe-west1")) == []


def ask(
    region: Cloud, verb: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    """Status and JSON of one REST request; a body that is not text is written as JSON."""
    text = body if isinstance(body, str | bytes | None) else json.dumps(body)
    with closing(http.client.HTTPConnection(region.address, timeout=30)) as connection:
        connection.request(verb, path, text, headers or {})
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def call(region: Cloud, method: str, data: bytes) -> bytes:
    """A gRPC call of raw bytes."""
    with grpc.insecure_channel(region.address) as channel:
        raw = channel.unary_unary(method, request_serializer=None, response_deserializer=None)
        return bytes(raw(data, timeout=30))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("projects/acme/locations/nowhere/jobs/report", "in region 'nowhere' in project 'acme' does not exist"),
        ("projects/other/locations/europe-west1/jobs/report", "in project 'other' does not exist"),
        ("projects/acme/locations/europe-west1/jobs/other", "Resource 'other' of kind 'JOB'"),
    ],
)
def test_a_wrong_project_region_or_job_is_not_found_by_name(region: Cloud, name: str, told: str) -> None:
    for read in (region.jobs.get_job, region.jobs.run_job, region.jobs.delete_job):
        with pytest.raises(exceptions.NotFound, match=told):
            read(name=name)


@pytest.mark.parametrize(
    "name", ["", "report", "projects/acme/jobs/report", "projects/a/locations/b/jobs/c/executions/d", "../x"]
)
def test_a_malformed_name_is_an_invalid_argument(region: Cloud, name: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="Invalid resource name in name"):
        call_get_job(region, name)


def call_get_job(region: Cloud, name: str) -> None:
    # the client itself would put `name` into a header, and refuse some of these
    try:
        call(
            region, "/google.cloud.run.v2.Jobs/GetJob", run_v2.GetJobRequest.serialize(run_v2.GetJobRequest(name=name))
        )
    except grpc.RpcError as error:
        raise exceptions.from_grpc_error(error) from error


def test_task_counts_of_0_and_10001(region: Cloud) -> None:
    assert region.create("zero", task_count=0).template.task_count == 1
    with pytest.raises(exceptions.InvalidArgument, match="must be from 1 to 10000") as caught:
        region.create("toomany", task_count=10_001)
    [detail] = caught.value.details
    assert [violation.field for violation in detail.field_violations] == ["job.template.task_count"]


def test_the_status_of_an_error_has_its_details_over_grpc(region: Cloud) -> None:
    request = run_v2.CreateJobRequest.serialize(run_v2.CreateJobRequest(parent=PARENT, job_id="x"))
    with pytest.raises(grpc.RpcError) as caught:
        call(region, "/google.cloud.run.v2.Jobs/CreateJob", request)
    trailers = dict(caught.value.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    detail = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(detail)
    assert detail.field_violations[0].field == "job.template.template.containers"


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\xff\xfe", bytes(range(256))])
def test_a_malformed_proto_is_an_invalid_argument(region: Cloud, data: bytes) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(region, "/google.cloud.run.v2.Jobs/RunJob", data)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "not a valid google.cloud.run.v2.RunJobRequest" in caught.value.details()


@pytest.mark.parametrize(
    "method",
    [
        "/google.cloud.run.v2.Jobs/Explode",
        "/google.cloud.run.v2.Services/CreateService",
        "/google.cloud.run.v2.Jobs/GetIamPolicy",
        "/x/y",
    ],
)
def test_an_unknown_method_is_unimplemented(region: Cloud, method: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(region, method, b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", f"/v2/{PARENT}/services", 404),
        ("PUT", f"/v2/{PARENT}/jobs/x", 404),
        ("POST", f"/v2/{PARENT}/jobs/x:explode", 404),
        ("GET", "/v1/x", 404),
        ("GET", f"/v2/{PARENT}/jobs?pageSize=many", 400),
        ("GET", f"/v2/{PARENT}/jobs?nix=1", 400),
        ("GET", f"/v2/{PARENT}/jobs/%2e%2e%2fx", 400),
        ("GET", f"/v2/{PARENT}/jobs?pageToken=nix", 400),
    ],
)
def test_a_wrong_url_is_a_google_error_in_json(region: Cloud, verb: str, path: str, status: int) -> None:
    found, answer = ask(region, verb, path)
    assert found == status
    assert answer["error"]["code"] == status
    assert answer["error"]["message"]


def test_a_wrong_type_in_json_is_a_400_with_the_path_of_the_field(region: Cloud) -> None:
    body = {"template": {"taskCount": "many", "template": {"containers": [{"image": ["true"]}]}}}
    status, answer = ask(region, "POST", f"/v2/{PARENT}/jobs?jobId=typed", body)
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    [detail] = answer["error"]["details"]
    assert [violation["field"] for violation in detail["fieldViolations"]] == [
        "job.template.task_count",
        "job.template.template.containers[0].image",
    ]


@pytest.mark.parametrize(
    "body", ["{", "[]", "7", '{"a": 1}', b"\xff\xfe", '{"template": ' + "[" * 5000 + "]" * 5000 + "}"]
)
def test_a_body_that_is_no_job_is_a_400(region: Cloud, body: str | bytes) -> None:
    status, answer = ask(region, "POST", f"/v2/{PARENT}/jobs?jobId=broken", body)
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_a_request_of_five_megabytes_is_refused_over_either_transport(region: Cloud) -> None:
    job = run_v2.Job(annotations={"a": "x" * 5_000_000}, template={"template": {"containers": [{"image": "true"}]}})
    with pytest.raises(exceptions.ResourceExhausted):
        region.jobs.create_job(parent=PARENT, job_id="big", job=job)
    status, answer = ask(region, "POST", f"/v2/{PARENT}/jobs?jobId=big", b"x" * 5_000_000)
    assert status == 413
    assert "exceeds the limit" in answer["error"]["message"]


def test_an_unknown_image_is_told_with_those_that_are_there_and_the_job_can_be_put_right(region: Cloud) -> None:
    with pytest.raises(exceptions.NotFound, match=r"Image 'nix:1' not found. The image table has: gone, sh, true"):
        region.create("wrongimage", container={"image": "nix:1"})
    job = region.jobs.get_job(name=f"{PARENT}/jobs/wrongimage")
    assert job.terminal_condition.reason is run_v2.Condition.CommonReason.CONTAINER_MISSING
    with pytest.raises(exceptions.FailedPrecondition, match="The image table has"):
        region.run("wrongimage")
    job.template.template.containers[0].image = "true"
    region.jobs.update_job(job=job).result(polling=SOON)
    assert region.run("wrongimage").result(polling=SOON).succeeded_count == 1


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,  # TLS
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"GET / FTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /v2/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /v2/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nXX",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 500,
    ],
)
def test_bytes_that_are_no_request_end_their_connection_alone(region: Cloud, data: bytes) -> None:
    host, port = region.address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(data)
        with suppress(OSError):  # the other side may have ended it already
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(65_536):
            received += piece
    if received.startswith(b"HTTP/1.1"):
        assert received.split()[1].startswith(b"4")


def test_a_client_that_sends_too_slowly_is_left(region: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "REQUEST_SECONDS_MAX", 0.3)
    monkeypatch.setattr(http1, "IDLE_SECONDS_MAX", 0.3)
    host, port = region.address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"POST /v2/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\na")
        assert connection.recv(1) == b""


def send_without_end(connection: socket.socket, request: bytes) -> None:
    while True:  # until both sides' buffers are full of answers nobody takes
        connection.sendall(request * 100)


def test_a_client_that_does_not_read_holds_nobody_up(region: Cloud) -> None:
    host, port = region.address.split(":")
    request = f"GET /v2/{PARENT}/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with socket.create_connection((host, int(port)), timeout=1) as connection:
        with pytest.raises(TimeoutError):
            send_without_end(connection, request)
        assert ask(region, "GET", f"/v2/{PARENT}/jobs")[0] == 200


@pytest.mark.parametrize("half", [100, pytest.param(500, marks=pytest.mark.nightly)])
def test_hundreds_of_connections_are_served_at_once_and_a_thousand_too(region: Cloud, half: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else max(soft, 8192), hard))
    host, port = region.address.split(":")
    request = f"GET /v2/{PARENT}/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection((host, int(port)), timeout=60)) for _ in range(2 * half)
        ]
        for connection in connections[:half]:
            connection.sendall(request)
        for connection in connections[half:]:  # HTTP/2: the preface and an empty SETTINGS frame
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0")
        for connection in connections[:half]:
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
        for connection in connections[half:]:
            assert connection.recv(9)[3] == 4  # the server's own SETTINGS
        assert region.jobs.list_jobs(parent=PARENT) is not None
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_page_of_another_site_and_a_name_that_points_here_are_refused(region: Cloud) -> None:
    for headers in (
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "127.0.0.1.evil.example"},
    ):
        for verb, path in (
            ("GET", "/"),
            ("GET", f"/v2/{PARENT}/jobs"),
            ("POST", f"/v2/{PARENT}/jobs/x:run"),
            ("PATCH", "/_emulator/chaos"),
        ):
            status, answer = ask(region, verb, path, "{}" if verb != "GET" else None, headers)
            assert (status, answer["error"]["status"]) == (403, "PERMISSION_DENIED")
    with grpc.insecure_channel(region.address) as channel:
        raw = channel.unary_unary(
            "/google.cloud.run.v2.Jobs/ListJobs", request_serializer=None, response_deserializer=None
        )
        with pytest.raises(grpc.RpcError) as caught:
            raw(b"", metadata=(("origin", "https://evil.example"),), timeout=30)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("authority", ["evil.example", "127.0.0.1.evil.example:8123", "e" * 70_000])
def test_a_name_that_points_here_is_refused_over_grpc_too(region: Cloud, authority: str) -> None:
    options = [("grpc.default_authority", authority), ("grpc.max_metadata_size", 1 << 20)]
    with grpc.insecure_channel(region.address, options=options) as channel:
        raw = channel.unary_unary("/google.cloud.run.v2.Jobs/ListJobs")
        for _ in range(2):  # the second on the same connection
            with pytest.raises(grpc.RpcError) as caught:
                raw(b"", timeout=30)
            if len(authority) < 1000:
                assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
                assert f"Host '{authority}' is not this machine" in caught.value.details()
    assert region.jobs.list_jobs(parent=PARENT) is not None


@pytest.mark.parametrize("authority", ["localhost", "localhost:1", "[::1]:8123", "127.0.0.1"])
def test_any_name_of_this_machine_is_taken_over_grpc(region: Cloud, authority: str) -> None:
    with grpc.insecure_channel(region.address, options=[("grpc.default_authority", authority)]) as channel:
        raw = channel.unary_unary("/google.cloud.run.v2.Jobs/ListJobs")
        with pytest.raises(grpc.RpcError) as caught:
            raw(b"", timeout=30)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # it was carried out: an empty parent is none


def test_it_listens_on_the_loopback_address_alone(region: Cloud) -> None:
    port = int(region.address.partition(":")[2])
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    local = [row[1] for row in rows if row[3] == "0A"]
    assert [address for address in local if address.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def test_arguments_reach_the_program_as_they_are_and_no_shell(region: Cloud, tmp_path: Any) -> None:
    with cloud({"echo": ["/bin/echo"]}) as other:
        other.create("echo", container={"image": "echo", "args": ["$HOME", "; touch", f"{tmp_path}/x", "`id`", "*"]})
        execution = other.run("echo").result(polling=SOON)
        _, logs = ask(other, "GET", f"/_emulator/logs?execution={execution.name}")
        assert logs["attempts"][0]["sizeBytes"] == len(f"$HOME ; touch {tmp_path}/x `id` *\n")
    assert list(tmp_path.iterdir()) == []
