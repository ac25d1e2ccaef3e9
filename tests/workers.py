"""How the tests are spread over pytest-xdist's workers: file by file, and files marked `serial` at the end, alone.

The heaviest files come first, so that no worker is left alone with one of them while the others have nothing to do: a
test that needs a server or starts processes weighs ten of those that don't.

A worker has servers of its own, started when the first of its tests asks. What measures the machine, or owns it, has
`pytest.mark.serial` in its file: it runs when all other tests are over, and all other workers with their servers gone.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

_SERIAL = "serial"
_INTEGRATION_WEIGHT = 10
_ALL_INTEGRATION = re.compile(r"^pytestmark = (\[.*)?pytest\.mark\.integration\b", re.MULTILINE)


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark."""
    config.addinivalue_line("markers", "serial: its file measures the machine or owns it; runs last, with none beside")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> SerialLast | None:
    """Spread by file, where that was asked for."""
    return SerialLast(config, log) if config.getvalue("dist") == "loadfile" else None  # type: ignore[arg-type]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out a file whose every test would be deselected: `make check` need not import it."""
    if "not integration" not in config.getoption("markexpr") or collection_path.suffix != ".py":
        return None
    return True if _ALL_INTEGRATION.search(collection_path.read_text("utf-8")) else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the heaviest files first; `--no-loadscope-reorder` keeps that order."""
    if not hasattr(config, "workerinput"):
        return
    weights: Counter[Path] = Counter()
    for item in items:
        weights[item.path] += _INTEGRATION_WEIGHT if item.get_closest_marker("integration") else 1
    items.sort(key=lambda item: -weights[item.path])


class SerialLast(LoadFileScheduling):
    """By file; then all that is serial, by the last worker, when the others have ended."""

    def remove_node(self, node: WorkerController) -> str | None:
        """Go on with what had to wait for it."""
        crashed = super().remove_node(node)
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
