"""Notices that our own slices have become slow.

The database says so itself, without being asked. Slices are looked at in blocks. A block whose median slice takes
several times as long per row as the best recent block of slices of about the same size is answered by a pause, and the
next such block by one twice as long. What lasts becomes the new measure bit by bit: rows on a slower disk must not
cause pauses for ever.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

SLOW_FACTOR = 3.0
_BLOCK_SECONDS = 0.25
_BLOCK_SLICES = 20
_SAME_SIZE_FACTOR = 2.0
_FORGET_FACTOR = 1.15  # a block: ten times as slow is the new measure after nine slow blocks
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 8.0


@dataclass
class SliceLatency:
    """Takes note of slices and says how long to pause for them.

    Knows no clock.
    """

    slow_by: float = 1.0
    """How many times as slow as the best the last block was."""
    _costs: list[float] = field(default_factory=list)
    _sizes: list[int] = field(default_factory=list)
    _block_seconds: float = 0.0
    _best_cost: float = 0.0
    _best_size: float = 0.0
    _pause_seconds: float = 0.0

    def note(self, seconds: float, rows: int) -> float:
        """Take note of a slice.

        Return the seconds to pause for, 0 as a rule. Slices without rows say nothing.
        """
        if rows <= 0:
            return 0.0
        self._costs.append(seconds / rows)
        self._sizes.append(rows)
        self._block_seconds += seconds
        if len(self._costs) < _BLOCK_SLICES or self._block_seconds < _BLOCK_SECONDS:
            return 0.0
        cost, size = statistics.median(self._costs), statistics.median(self._sizes)
        self._costs, self._sizes, self._block_seconds = [], [], 0.0
        return self._judge(cost, size)

    def _judge(self, cost: float, size: float) -> float:
        is_same_size = self._best_size / _SAME_SIZE_FACTOR <= size <= self._best_size * _SAME_SIZE_FACTOR
        if not is_same_size or cost <= self._best_cost:
            self._best_cost, self._best_size = cost, size
        self.slow_by = cost / self._best_cost if self._best_cost > 0 else 1.0
        self._best_cost *= _FORGET_FACTOR
        if self.slow_by < SLOW_FACTOR:
            self._pause_seconds = 0.0
        else:
            self._pause_seconds = min(max(_FIRST_PAUSE_SECONDS, 2 * self._pause_seconds), _LONGEST_PAUSE_SECONDS)
        return self._pause_seconds
