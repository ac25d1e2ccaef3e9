"""The loop of a sliced read: short statements that meet, with nothing open between them, and one seal at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from exporter.pace import Pace
from exporter.slice_length import SliceLength
from exporter.sliced_source import Axis, Seal, SliceLostError, SliceRows, Slices, SliceTooLongError, StartOverError
from staging.cancel import Cancel
from staging.errors import UnavailableError

_GATHER_ROWS = 65_536
_GATHER_BYTES = 8 * 1024 * 1024
_TRIES = 5
_FIRST_WAIT_SECONDS = 0.5


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
    """Frames of c0, c1 … from one end of the axis to the other, then the seal. Runs in the reader's thread."""

    def __init__(self, slices: Slices, axis: Axis, pace: Pace, cancel: Cancel, *, target_seconds: float) -> None:
        self._slices = slices
        self._axis = axis
        self._pace = pace
        self._cancel = cancel
        self._length = SliceLength(axis, target_seconds)
        self.counts = SliceCounts()

    def frames(self) -> Iterator[pl.DataFrame]:
        """Give all rows; StartOverError when the seal does not agree with them."""
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
            self._length.took(end - position, rows.seconds, rows.rows)
            self._count(rows)
            position = end
            if rows.rows:
                yield rows

    def _read(self, low: int) -> tuple[int, SliceRows]:
        """Read the slice that begins at `low`, again and shorter where that may help; return where it ends."""
        for attempt in range(_TRIES):
            end = self._length.end_of(low)
            try:
                return end, self._slices.read_slice(low, end)
            except UnavailableError as exc:
                self._cancel.check()
                if attempt == _TRIES - 1 or isinstance(exc, StartOverError):
                    raise
                self._prepare_again(exc, low, end, attempt)
        raise AssertionError("the last attempt raises")

    def _prepare_again(self, error: UnavailableError, low: int, end: int, attempt: int) -> None:
        self.counts.repeated += 1
        self._length.halve(end - low)
        if not isinstance(error, SliceTooLongError):
            self._cancel.wait(_FIRST_WAIT_SECONDS * 2**attempt)
        if isinstance(error, SliceLostError):
            self._reconnect(attempt)

    def _reconnect(self, attempt: int) -> None:
        for left in reversed(range(_TRIES - attempt)):
            try:
                self._slices.reconnect()
            except StartOverError:
                raise
            except UnavailableError:
                if not left:
                    raise
                self._cancel.wait(_FIRST_WAIT_SECONDS * 2 ** (_TRIES - left))
            else:
                return

    def _gather(self, waiting: list[SliceRows]) -> pl.DataFrame:
        gathered = self._slices.gather(waiting)
        self.counts.checksum += gathered.checksum
        return gathered.frame

    def _seal(self) -> None:
        self._cancel.check()
        seal = self._slices.seal(self.counts.rows, self.counts.checksum)
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
