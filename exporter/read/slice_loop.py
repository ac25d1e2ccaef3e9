"""The loop of a sliced read.

Short statements that meet, with nothing of ours open between them. What they saw is sealed at the end (`sealing`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from exporter.port.axis import Axis
from exporter.port.pace import Pace
from exporter.port.slice_length import SliceLength
from exporter.port.sliced_source import SliceRows, Slices, SliceTooLongError, Stretch
from exporter.read.again import Again
from staging.errors import UnavailableError
from staging.process.cancel import Cancel

_GATHER_ROWS = 65_536
_GATHER_BYTES = 8 * 1024 * 1024
_TRIES = 5


@dataclass
class SliceCounts:
    """The result of a sliced read."""

    slices: int = 0
    rows: int = 0
    stretches: list[Stretch] = field(default_factory=list)
    seconds: float = 0.0
    longest_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ReadSlice:
    """A slice that gave rows.

    From `low` (inclusive) to `high` (exclusive) of the axis.
    """

    low: int
    high: int
    rows: SliceRows


class SlicedRead:
    """Yields the frames of a sliced read.

    Frames of c0, c1 … from one end of the axis to the other. Runs in the reader's thread.
    """

    def __init__(self, slices: Slices, axis: Axis, pace: Pace, cancel: Cancel, *, target_seconds: float) -> None:
        self.slices = slices
        self.axis = axis
        self._pace = pace
        self._length = SliceLength(axis, target_seconds)
        self._again = Again(slices, cancel)
        self.counts = SliceCounts()

    @property
    def repeated(self) -> int:
        """How many slices were read again."""
        return self._again.repeated

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield all rows."""
        for frame, _ in self.frames_of_slices():
            yield frame

    def frames_of_slices(self) -> Iterator[tuple[pl.DataFrame, list[ReadSlice]]]:
        """Yield all rows, and which slices each frame has, in order."""
        waiting: list[ReadSlice] = []
        for found in self._all_slices():
            waiting.append(found)
            if sum(each.rows.rows for each in waiting) >= _GATHER_ROWS or _bytes(waiting) >= _GATHER_BYTES:
                yield self._gather(waiting), waiting
                waiting = []
        if waiting:
            yield self._gather(waiting), waiting

    def _all_slices(self) -> Iterator[ReadSlice]:
        position = self.axis.low
        while position < self.axis.high:
            self._pace.before_slice()
            end, rows = self._read(position)
            self._pace.after_slice(rows.seconds, rows.rows)
            self._length.took(end - position, rows)
            self._count(rows)
            if rows.rows:
                yield ReadSlice(position, end, rows)
            position = end

    def _read(self, low: int) -> tuple[int, SliceRows]:
        """Read the slice that begins at `low`, again or shorter where that may help; return where it ends."""

        def read() -> tuple[int, SliceRows]:
            end = self._length.end_of(low)
            try:
                return end, self.slices.read_slice(low, end)
            except SliceTooLongError:
                self._length.cut(end - low)
                raise
            except UnavailableError:
                self._length.halve(end - low)
                raise

        return self._again.do(read, _TRIES)

    def _gather(self, waiting: list[ReadSlice]) -> pl.DataFrame:
        gathered = self.slices.gather([each.rows for each in waiting])
        rows = sum(each.rows.rows for each in waiting)
        self.counts.stretches.append(Stretch(waiting[-1].high, rows, gathered.checksum))
        return gathered.frame

    def _count(self, rows: SliceRows) -> None:
        self.counts.slices += 1
        self.counts.rows += rows.rows
        self.counts.seconds += rows.seconds
        self.counts.longest_seconds = max(self.counts.longest_seconds, rows.seconds)


def _bytes(slices: list[ReadSlice]) -> int:
    return sum(each.rows.size_bytes for each in slices)
