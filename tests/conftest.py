"""What all tests share: servers, and what a run promises."""

from __future__ import annotations

import sys

import pytest
from hypothesis import HealthCheck, settings

# What is collected is kept compiled in __pycache__, also where the environment says not to: each worker of each run
# would compile all tests and packages anew. tests/guards.py forbids it again for what the tests themselves write.
sys.dont_write_bytecode = False

pytest_plugins = [
    "tests.guards",
    "tests.workers",
    "tests.servers.missing",
    "tests.servers.fixtures",
    "tests.loader.target_fixtures",
]


def pytest_configure(config: pytest.Config) -> None:
    """Name the marks, and say how examples are made: few and the same each day, many others each night, by no clock."""
    is_nightly = "nightly or" in config.getoption("markexpr")
    settings.register_profile(
        "penstock",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=not is_nightly,
        max_examples=300 if is_nightly else 40,
    )
    settings.load_profile("penstock")
    config.addinivalue_line("markers", "integration: needs a server or starts processes; `make check` leaves it out")
    config.addinivalue_line("markers", "nightly: too long for every run; `make nightly` runs it")
    config.addinivalue_line(
        "markers", "fault(name, step, database): a cell of docs/faults.md; see tests/faults/table.py"
    )
    config.addinivalue_line("markers", "may_skip(reason): may skip even where servers are required")


@pytest.fixture(scope="module", autouse=True)
def _warm_before_the_clock_runs(request: pytest.FixtureRequest) -> None:
    """Start the fork server before the first test that will use it, so that none waits seconds for it on its way."""
    if "warm_python" in vars(request.module) and any(
        item.get_closest_marker("integration")
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module
    ):
        request.module.warm_python()
