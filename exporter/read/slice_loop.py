"""The loop of a sliced read.

Short statements that meet, with nothing open between them, and one seal at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import polars as pl

from exporter.port.pace import Pace
from exporter.port.slice_length import SliceLength
from exporter.port.sliced_source import Axis, Seal, SliceLostError, SliceRows, Slices, SliceTooLongError, StartOverError
from staging.errors import UnavailableError
from staging.process.cancel import Cancel

_GATHER_ROWS = 65_536
_GATHER_BYTES = 8 * 1024 * 1024
_TRIES = 5
_SEAL_TRIES = 3
_FIRST_WAIT_SECONDS = 0.5

T = TypeVar("T")


@dataclass
class SliceCounts:
    """What a sliced read came to."""

    slices: int = 0
    rows: int = 0
    checksum: int = 0
    seconds: float = 0.0
    longest_seconds: float = 0.0
    repeated: int = 0
    seal: Seal | None = None


class SlicedRead:
    """Yields the frames of a sliced read, then seals it.

    Frames of c0, c1 … from one end of the axis to the other. Runs in the reader's thread.
    """

    def __init__(
        self,
        slices: Slices,
        axis: Axis,
        pace: Pace,
        cancel: Cancel,
        *,
        target_seconds: float,
        sealing: Callable[[], None] = lambda: None,
    ) -> None:
        self._slices = slices
        self._axis = axis
        self._pace = pace
        self._cancel = cancel
        self._length = SliceLength(axis, target_seconds)
        self._is_lost = False
        self._sealing = sealing
        self.counts = SliceCounts()

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield all rows; StartOverError when the seal does not agree with them."""
        waiting: list[SliceRows] = []
        for rows in self._all_slices():
            waiting.append(rows)
            if sum(each.rows for each in waiting) >= _GATHER_ROWS or _bytes(waiting) >= _GATHER_BYTES:
                yield self._gather(waiting)
                waiting = []
        if waiting:
            yield self._gather(waiting)
        self._seal()

    def _all_slices(self) -> Iterator[SliceRows]:
        position = self._axis.low
        while position < self._axis.high:
            self._pace.before_slice()
            end, rows = self._read(position)
            self._pace.after_slice(rows.seconds, rows.rows)
            self._length.took(end - position, rows)
            self._count(rows)
            position = end
            if rows.rows:
                yield rows

    def _read(self, low: int) -> tuple[int, SliceRows]:
        """Read the slice that begins at `low`, again and shorter where that may help; return where it ends."""

        def read() -> tuple[int, SliceRows]:
            end = self._length.end_of(low)
            try:
                return end, self._slices.read_slice(low, end)
            except SliceTooLongError:
                self._length.cut(end - low)
                raise
            except UnavailableError:
                self._length.halve(end - low)
                raise

        return self._repeat(read, _TRIES)

    def _repeat(self, work: Callable[[], T], tries: int) -> T:
        """Do it, and again where that may help: after a wait, on a new connection where the old one is lost."""
        for attempt in range(tries):
            try:
                if attempt and self._is_lost:
                    self._slices.reconnect()
                    self._is_lost = False
                return work()
            except UnavailableError as exc:
                self._cancel.check()
                if attempt == tries - 1 or isinstance(exc, StartOverError):
                    raise
                self.counts.repeated += 1
                self._is_lost = self._is_lost or isinstance(exc, SliceLostError)
                if not isinstance(exc, SliceTooLongError):
                    self._cancel.wait(_FIRST_WAIT_SECONDS * 2**attempt)
        raise AssertionError("the last attempt raises")

    def _gather(self, waiting: list[SliceRows]) -> pl.DataFrame:
        gathered = self._slices.gather(waiting)
        self.counts.checksum += gathered.checksum
        return gathered.frame

    def _seal(self) -> None:
        self._cancel.check()
        self._sealing()
        seal = self._repeat(lambda: self._slices.seal(self.counts.rows, self.counts.checksum), _SEAL_TRIES)
        if not seal.agrees:
            raise StartOverError(
                f"The table changed while it was read in slices: at least {max(seal.rows_differ, 1)} rows differ.",
                why=f"The seal ({seal.how}) found {seal.found}; expected {seal.expected}.",
                fix='Run again when nobody writes rows of that day, or set `export.read = "snapshot"`.',
            )
        self.counts.seal = seal

    def _count(self, rows: SliceRows) -> None:
        self.counts.slices += 1
        self.counts.rows += rows.rows
        self.counts.seconds += rows.seconds
        self.counts.longest_seconds = max(self.counts.longest_seconds, rows.seconds)


def _bytes(slices: list[SliceRows]) -> int:
    return sum(each.size_bytes for each in slices)
