"""What all tests share: servers, and what a run promises."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.guards", "tests.servers.missing", "tests.servers.fixtures", "tests.loader_target"]


def pytest_configure(config: pytest.Config) -> None:
    """Name the marks."""
    config.addinivalue_line("markers", "nightly: too long for every run; `make nightly` runs it")
    config.addinivalue_line("markers", "may_skip(reason): may skip even where servers are required")
