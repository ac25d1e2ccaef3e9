"""Google's messages without its clients: what is left out until somebody asks, and that nothing is missing then."""

from __future__ import annotations

import functools
import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

MESSAGES = "import sys\nfrom jobs_emulator.run_messages import import_messages\nmessages = import_messages()\n"


# Forks for each program of a list what the package leans on, which takes most of the time of its import.
FORKS = """\
import importlib, json, os, sys
for name in ("grpc.aio", "proto", "google.api_core.gapic_v1", "google.api_core.operations_v1", "google.longrunning",
             "google.api_core.rest_streaming", "google.auth.transport.requests", "google.iam.v1.iam_policy_pb2"):
    importlib.import_module(name)
assert "google.cloud.run_v2" not in sys.modules
for program in json.load(sys.stdin):
    if os.fork() == 0:
        exec(program, {})
        sys.stdout.flush()
        os._exit(0)
    assert os.wait()[1] == 0, program
"""
ASKED = (
    "from google.cloud import run_v2; run_v2.JobsClient",
    "from google.cloud.run_v2 import JobsClient",
    "import google.cloud.run_v2; google.cloud.run_v2.JobsClient",
    "from google.cloud.run_v2.services.jobs.transports import JobsGrpcTransport",
    "from google.cloud.run_v2 import *; JobsClient",
    "import google.cloud.run_v2 as package; package.services, package.gapic_version, package.__version__",
)
WHOLE = (
    "from google.cloud import run_v2 as package\nassert package.ExecutionsClient is not None\n"
    "print(sorted(name for name in vars(package) if name[:2] != '__'), package.__version__)"
)


@functools.cache
def with_and_without_us() -> dict[str, list[str]]:
    """What the package holds after each of `ASKED`, with us and without."""
    programs = [f"{begin}\n{asked}\n{WHOLE}" for asked in ASKED for begin in (MESSAGES, "import google.cloud.run_v2")]
    command = [sys.executable, "-c", FORKS]
    ended = subprocess.run(command, input=json.dumps(programs), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    told = ended.stdout.splitlines()
    return {asked: told[2 * number : 2 * number + 2] for number, asked in enumerate(ASKED)}


def run(program: str) -> str:
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_messages_come_without_clients_also_by_the_packages_own_name() -> None:
    program = MESSAGES + (
        "from google.cloud import run_v2\n"
        "assert run_v2.Job is messages.Job\n"
        "assert run_v2.RunJobRequest.Overrides(task_count=3).task_count == 3\n"
        "print([name for name in sys.modules if name in ('google.api_core', 'requests')"
        " or name.startswith('google.cloud.run_v2.services')])"
    )
    assert run(program) == "[]"


@pytest.mark.parametrize("asked", ASKED)
def test_whoever_asks_for_a_client_has_the_package_as_it_is_without_us(asked: str) -> None:
    with_us, without_us = with_and_without_us()[asked]
    assert "'JobsClient'" in without_us
    assert with_us == without_us


def test_operations_have_their_service_when_somebody_asks_for_it() -> None:
    whole = (
        "\nfrom google.longrunning import operations_pb2, operations_proto_pb2\n"
        "assert operations_pb2.Operation is operations_proto_pb2.Operation\n"
        "before = 'grpc' in sys.modules\nassert operations_pb2.OperationsStub is not None\n"
        "import google.api_core.operations_v1\nfrom google.longrunning.operations_pb2 import *\nOperationsServicer\n"
        "print(before, sorted(name for name in vars(operations_pb2) if name[:2] != '__'))"
    )
    plain = run(f"import sys\nimport google.longrunning.operations_pb2{whole}")
    assert run(MESSAGES + whole).partition(" ") == ("False", " ", plain.partition(" ")[2])


def test_where_the_package_is_there_already_nothing_is_done() -> None:
    program = "from google.cloud import run_v2\nbefore = dict(vars(run_v2))\n" + MESSAGES
    assert run(program + "print(dict(vars(run_v2)) == before and run_v2.Job is messages.Job)") == "True"


def test_a_name_that_is_not_there_is_said_as_ever() -> None:
    program = MESSAGES + (
        "from google.cloud import run_v2\n"
        "try:\n    run_v2.Jobz\nexcept AttributeError as error:\n    print(error, hasattr(run_v2, 'Tasks'))"
    )
    assert run(program) == "module 'google.cloud.run_v2' has no attribute 'Jobz' False"


def test_jobs_on_this_machine_are_driven_without_googles_client() -> None:
    program = (
        "import sys\nimport chain.jobs.local.jobs\n"
        "left_out = ('google.api_core', 'google.auth', 'requests', 'aiohttp', 'grpc')\n"
        "print([name for name in left_out if name in sys.modules])"
    )
    assert run(program) == "[]"
