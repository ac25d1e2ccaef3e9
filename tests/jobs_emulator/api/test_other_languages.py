"""Google's clients for Node and Go against the emulator: what they see is what a Python client sees."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

from tests.clients.build import build_go_client, build_node_client
from tests.jobs_emulator.harness import PARENT, cloud
from tests.servers.missing import skip_or_fail
from tests.servers.programs import ServerMissingError

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("build", [build_node_client, build_go_client])
def test_a_client_of_another_language_creates_runs_cancels_and_deletes(build: Callable[[], list[str]]) -> None:
    try:
        command = build()
    except ServerMissingError as error:
        skip_or_fail(error)
    with cloud() as region:
        address = region.address.split(":") if build is build_node_client else [region.address]
        done = subprocess.run(
            [*command, *address, PARENT, "polyglot"], capture_output=True, text=True, check=False, timeout=120
        )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert "failed with exit code: 5 and message: The container exited with an error." in seen.pop("failure")
    assert "Resource 'polyglot' of kind 'JOB' in region 'europe-west1'" in seen.pop("gone")
    assert seen == {"timeoutSeconds": 600, "succeeded": 3, "tasks": [0, 1, 2], "cancelled": 2, "executions": 3}
