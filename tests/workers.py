"""How the tests are spread over pytest-xdist's workers: file by file, and files marked `serial` at the end, alone.

The longest files come first, so that no worker is left alone with one of them while the others have nothing to do: by
the seconds that they have taken in this checkout. A file that was never run comes by its tests: one that needs a
server or starts processes counts as half a second.

A worker has servers of its own, started when the first of its tests asks. What measures the machine, or owns it, has
`pytest.mark.serial` in its file: it runs when all other tests are over, and all other workers with their servers gone.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

_SERIAL = "serial"
_KEPT = "penstock/seconds"
"""In pytest's cache: the seconds of each file."""
_INTEGRATION_SECONDS, _UNIT_SECONDS = 0.5, 0.02
_ALL_INTEGRATION = re.compile(r"^pytestmark = (\[.*)?pytest\.mark\.integration\b", re.MULTILINE)


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark; where workers run the tests, time them."""
    config.addinivalue_line("markers", "serial: its file measures the machine or owns it; runs last, with none beside")
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Clock())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> SerialLast | None:
    """Spread by file, where that was asked for."""
    return SerialLast(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out a file whose every test would be deselected: `make check` need not import it."""
    if "not integration" not in config.getoption("markexpr") or collection_path.suffix != ".py":
        return None
    return True if _ALL_INTEGRATION.search(collection_path.read_text("utf-8")) else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest files first; `--no-loadscope-reorder` keeps that order."""
    if not hasattr(config, "workerinput"):
        return
    guessed: defaultdict[str, float] = defaultdict(float)
    for item in items:
        guessed[_file(item.nodeid)] += _INTEGRATION_SECONDS if item.get_closest_marker("integration") else _UNIT_SECONDS
    # All workers must have one order, so none reads the cache itself.
    seconds = {**guessed, **config.workerinput[_KEPT]}
    items.sort(key=lambda item: -seconds[_file(item.nodeid)])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Give a worker the seconds of the files."""
    node.workerinput[_KEPT] = _kept(node.config)


class Clock:
    """Keeps the most that each file has taken, for the next run's order."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a part of a test."""
        self._seconds[_file(report.nodeid)] += report.duration

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write them; those of files that did not run now stay."""
        kept = _kept(session.config)
        most = {file: max(seconds, kept.get(file, 0.0)) for file, seconds in self._seconds.items()}
        session.config.cache.set(_KEPT, {**kept, **most})


def _kept(config: pytest.Config) -> dict[str, float]:
    kept: dict[str, float] = config.cache.get(_KEPT, {})
    return kept


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


class SerialLast(LoadFileScheduling):  # type: ignore[misc] # xdist ships no types
    """By file; then all that is serial, by the last worker, when the others have ended."""

    def remove_node(self, node: WorkerController) -> str | None:
        """Go on with what had to wait for it."""
        crashed: str | None = super().remove_node(node)
        for other in self.nodes:
            self._reschedule(other)
        return crashed

    @functools.cache  # noqa: B019 - there is one scheduler a run
    def _split_scope(self, nodeid: str) -> str:
        # A test's name is all that is known of it here; its marks are the worker's.
        file = super()._split_scope(nodeid)
        return _SERIAL if "pytest.mark.serial" in (self.config.rootpath / file).read_text("utf-8") else file

    def _reschedule(self, node: WorkerController) -> None:
        if not self._waits_for_others():
            super()._reschedule(node)
        elif any(not other.shutting_down for other in self.nodes if other is not node):
            node.shutdown()

    def _assign_work_unit(self, node: WorkerController) -> None:
        if not self._waits_for_others():
            if _SERIAL in self.workqueue:
                self.workqueue.move_to_end(_SERIAL)
            super()._assign_work_unit(node)

    def _waits_for_others(self) -> bool:
        return list(self.workqueue) == [_SERIAL] and len(self.nodes) > 1
