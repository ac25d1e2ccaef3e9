"""What a missing server means: its tests are skipped and the end of the run says so; or they fail, where it may not."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any, NoReturn

import pytest

from tests.servers.programs import ServerMissingError

FOUND_MISSING: dict[str, str] = {}
"""Server → how to get it, of those that a test of this run asked for in vain."""


class NotToBeHad(pytest.skip.Exception):  # type: ignore[name-defined, misc] # pytest has no public name for it
    """A skip that stands even where servers are required: nobody here could mend it."""


def are_required() -> bool:
    """Whether PENSTOCK_REQUIRE_SERVERS forbids to skip."""
    return os.environ.get("PENSTOCK_REQUIRE_SERVERS", "") not in ("", "0")


def skip_or_fail(error: ServerMissingError) -> NoReturn:
    """Skip the test that asked, or fail it."""
    FOUND_MISSING[error.server] = error.how_to_get
    if not error.is_to_be_had:
        raise NotToBeHad(str(error))
    if are_required():
        pytest.fail(f"{error} (PENSTOCK_REQUIRE_SERVERS is set)", pytrace=False)
    pytest.skip(f"{error.server} is not on this machine")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn any skip into a failure where servers are required, save those of tests marked `may_skip`."""
    report = yield
    if (
        are_required()
        and report.skipped
        and not hasattr(report, "wasxfail")
        and not (call.excinfo and call.excinfo.errisinstance(NotToBeHad))
        and not item.get_closest_marker("may_skip")
    ):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole file into a failure where servers are required."""
    report = yield
    if are_required() and report.skipped:
        _fail(report)
    return report


def _fail(report: Any) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"PENSTOCK_REQUIRE_SERVERS is set, so nothing may be skipped: {reason}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that prints the summary, if we are one of its workers."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["missing servers"] = dict(FOUND_MISSING)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear what a worker missed; one that crashed says nothing."""
    FOUND_MISSING.update(getattr(node, "workeroutput", {}).get("missing servers", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which servers were missing and how to get them."""
    if FOUND_MISSING:
        terminalreporter.section("missing servers: their tests did not run", yellow=True)
        for server, how_to_get in sorted(FOUND_MISSING.items()):
            terminalreporter.line(f"{server}: {how_to_get}")
