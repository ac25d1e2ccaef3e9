"""What the guard of each test sees: every process that a test has started, whoever is its parent, and no other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.chain.jobs.cloudrun.harness import wait_until
from tests.guards import environment_of_servers, find_children_of_tests

pytestmark = pytest.mark.integration

_ORPHAN = """
import subprocess
orphan = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, start_new_session=True)
print(orphan.pid)
"""


@pytest.fixture
def orphan() -> Iterator[int]:
    """A process whose parent is gone, in a session of its own."""
    told = subprocess.run([sys.executable, "-c", _ORPHAN], stdout=subprocess.PIPE, text=True, check=True).stdout
    yield int(told)
    os.kill(int(told), signal.SIGKILL)


def test_a_child_is_found_as_long_as_it_runs() -> None:
    with subprocess.Popen(["sleep", "600"]) as child:
        for _ in range(2):
            assert find_children_of_tests() == {child.pid: "sleep 600"}
        child.kill()
    assert find_children_of_tests() == {}


def test_a_process_whose_parent_has_ended_is_found_again_and_again(orphan: int) -> None:
    for _ in range(3):
        assert find_children_of_tests() == {orphan: "sleep 600"}


def test_a_server_is_no_child_of_a_test_but_what_a_test_starts_beside_it_is() -> None:
    with subprocess.Popen(["sleep", "600"], env=environment_of_servers()) as server:
        try:
            assert find_children_of_tests() == {}
            with subprocess.Popen(["sleep", "600"]) as child:
                try:  # while a program is loaded it has no environment yet
                    wait_until(lambda: find_children_of_tests() == {child.pid: "sleep 600"})
                finally:
                    child.kill()
            assert find_children_of_tests() == {}
        finally:
            server.kill()
