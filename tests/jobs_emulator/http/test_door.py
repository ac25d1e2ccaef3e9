"""Who may call the emulator: whoever has the token, this user's processes, or nobody but through its own socket."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2
from google.cloud.run_v2.services.jobs.transports import JobsGrpcTransport
from google.oauth2.credentials import Credentials

import jobs_emulator
from jobs_emulator.http.door import find_owner
from jobs_emulator.tokens import TokenError, find_token, token_file, write_token
from tests.jobs_emulator.harness import PARENT, SOON, Cloud

pytestmark = pytest.mark.integration

TABLE = '[images.true]\nentrypoint = ["/bin/true"]\n'
NOBODY = 65534


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The command as a process; gives its address."""
    (folder / "images.toml").write_text(TABLE)
    command = [sys.executable, "-m", "jobs_emulator", "serve", "--images", str(folder / "images.toml"), "--port", "0"]
    with subprocess.Popen([*command, "--quiet", *options], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        match = re.search(r"127\.0\.0\.1:\d+", process.stderr.readline())
        assert match is not None, process.communicate()
        try:
            yield match[0], process
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)


def ask(address: str, authorization: str = "", path: str = f"/v2/{PARENT}/jobs") -> int:
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    try:
        connection.request("GET", path, headers={"Authorization": authorization} if authorization else {})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def list_over_grpc(address: str) -> list[str]:
    """As any client does it that knows of no token."""
    with grpc.insecure_channel(address) as channel:
        client = run_v2.JobsClient(transport=JobsGrpcTransport(channel=channel))
        return [job.name for job in client.list_jobs(parent=PARENT)]


def test_without_its_token_nobody_calls_the_command(tmp_path: Path) -> None:
    with served(tmp_path) as (address, _):
        token = find_token(address, {})
        assert len(token) > 40
        for path in (f"/v2/{PARENT}/jobs", "/", "/_emulator/health", "/_emulator/chaos", "/_emulator/logs"):
            assert ask(address, path=path) == 401
            assert ask(address, f"Bearer {token}x", path=path) == 401
        with pytest.raises(exceptions.Unauthenticated, match="wants its token"):
            list_over_grpc(address)
        options = {"api_endpoint": f"http://{address}"}
        with (
            run_v2.JobsClient(transport="rest", credentials=AnonymousCredentials(), client_options=options) as without,
            pytest.raises(Exception, match=r"401|nonymous"),
        ):
            list(without.list_jobs(parent=PARENT))


def test_with_its_token_every_kind_of_client_calls_the_command(tmp_path: Path) -> None:
    with served(tmp_path) as (address, _):
        token = find_token(address, {})
        region = Cloud(address)
        region.create("job", task_count=2)
        assert region.run("job").result(polling=SOON).succeeded_count == 2
        region.close()
        assert ask(address, f"Bearer {token}") == 200
        password = b64encode(f"me:{token}".encode()).decode()
        assert ask(address, f"Basic {password}", path="/") == 200
        options = {"api_endpoint": f"http://{address}"}
        credentials = Credentials(token)
        with run_v2.JobsClient(transport="rest", credentials=credentials, client_options=options) as rest:
            assert [job.name for job in rest.list_jobs(parent=PARENT)] == [f"{PARENT}/jobs/job"]


def test_the_token_lies_in_a_file_of_its_user_alone_and_goes_at_the_end(tmp_path: Path) -> None:
    with served(tmp_path) as (address, _):
        path = token_file(int(address.rpartition(":")[2]))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        first = path.read_text()
    assert not path.exists()
    named = tmp_path / "token"
    with served(tmp_path, "--token-file", str(named)) as (address, _):
        assert named.read_text() != first
        assert ask(address, f"Bearer {named.read_text().strip()}") == 200
        assert find_token(address, {"RUN_EMULATOR_TOKEN_FILE": str(named)}) == named.read_text().strip()
    assert not named.exists()


def test_a_token_that_others_can_read_is_not_trusted(tmp_path: Path) -> None:
    path = tmp_path / "token"
    write_token(path, "secret")
    path.chmod(0o644)
    with pytest.raises(TokenError, match="not this user's alone"):
        find_token("127.0.0.1:1", {"RUN_EMULATOR_TOKEN_FILE": str(path)})


def test_without_authentication_anybody_calls(tmp_path: Path) -> None:
    with served(tmp_path, "--no-auth") as (address, _):
        assert list_over_grpc(address) == []
        assert ask(address) == 200
        assert not token_file(int(address.rpartition(":")[2])).exists()


CALL = """
import encodings.idna, http.client, os, sys
os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
connection = http.client.HTTPConnection(sys.argv[1], timeout=20)
connection.request("GET", sys.argv[3], headers={"Authorization": sys.argv[4]})
print(connection.getresponse().status)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_can_not_call_an_emulator_inside_a_program() -> None:
    def call(user: int, authorization: str = "") -> int:
        command = ["/usr/bin/env", "python3", "-c", CALL, emulator.address, str(user), f"/v2/{PARENT}/jobs"]
        done = subprocess.run([*command, authorization], capture_output=True, text=True, check=True, cwd="/")
        return int(done.stdout)

    with jobs_emulator.start({"true": ["/bin/true"]}) as emulator:
        assert call(0) == 200
        assert call(NOBODY) == 401
        assert call(NOBODY, f"Bearer {emulator.token}") == 200


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_whose_a_connection_is_stands_in_the_kernels_tables(family: socket.AddressFamily) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(family) as client:
        host, port = server.getsockname()
        client.connect((host, port) if family == socket.AF_INET else (f"::ffff:{host}", port))
        accepted, peer = server.accept()
        with accepted:
            assert find_owner(peer[0], peer[1], port) == os.geteuid()
            assert find_owner(peer[0], peer[1], port + 1) is None


def test_a_private_emulator_listens_on_a_socket_of_its_user_and_on_no_port() -> None:
    with jobs_emulator.start({"true": ["/bin/true"]}, private=True) as emulator:
        path = Path(emulator.address.removeprefix("unix:"))
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        inodes = {str(fd.readlink()) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()}
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        listening = [line for line in lines if line.split()[3] == "0A" and f"socket:[{line.split()[9]}]" in inodes]
        region = Cloud(emulator.address)
        region.create("job")
        assert region.run("job").result(polling=SOON).succeeded_count == 1
        region.close()
    assert listening == []
    assert not path.exists()


def test_an_error_says_where_the_token_is_asked_for(tmp_path: Path) -> None:
    with served(tmp_path) as (address, _):
        host, _, port = address.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        connection.request("GET", f"/v2/{PARENT}/jobs")
        answer = connection.getresponse()
        assert json.loads(answer.read())["error"]["status"] == "UNAUTHENTICATED"
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        connection.close()
