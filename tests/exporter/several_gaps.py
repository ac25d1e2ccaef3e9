"""Work at the gaps of a read in slices of several tables: before each slice, each seal, each piece within the seal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from exporter.port.axis import Axis
from tests.exporter.sliced_reads import Watched

FINE = 5_000
"""As if there were so many rows: the few there are lie in many slices."""


class SeveralGaps(Watched):
    """Calls `at_gap` with the kind of each gap of each read, and `at_instant` right before the seal's snapshot begins.

    Kinds: `table/slice` before a slice, `table/seal` before a seal, `table/piece` before a piece that is read within
    the seal's snapshot, each with the table's own name. `seals`: whether seals say what they found; else all agree.
    """

    def __init__(
        self, at_gap: Callable[[str], object], at_instant: Callable[[], object] = lambda: None, *, seals: bool = True
    ) -> None:
        self.at_gap, self.at_instant, self.seals = at_gap, at_instant, seals
        self.reads = 0
        self._is_sealing = False

    def watch(self, slices: Any) -> Any:
        self.reads += 1
        self._is_sealing = False
        return self._watch(slices)

    def _watch(self, slices: Any) -> Any:
        beside, plan_axis, read_slice, seal = slices.beside, slices.plan_axis, slices.read_slice, slices.seal
        name = slices.table.table

        def plan_fine(statement: Any) -> Any:
            axis = plan_axis(statement)
            return replace(axis, expected_rows=FINE) if isinstance(axis, Axis) else axis

        def read_one(low: int, high: int) -> Any:
            self.at_gap(f"{name}/{'piece' if self._is_sealing else 'slice'}")
            return read_slice(low, high)

        def seal_one(read: Any) -> Any:
            self.at_gap(f"{name}/seal")
            if not self._is_sealing:
                self._is_sealing = True
                self.at_instant()
            found = seal(read)
            return found if self.seals else replace(found, agrees=True)

        slices.beside = lambda table: self._watch(beside(table))
        slices.plan_axis, slices.read_slice, slices.seal = plan_fine, read_one, seal_one
        return slices
