"""Decides how long to rest so that a promise is held.

Pure: it is given latencies and knows no clock. The promise is that the p99 beside reading is at most `limit` times the
p99 while we rest: no more than one probe in a hundred may be slower than that. A rest that breaks it becomes twice as
long, from the configured `nice` up to 100; one that holds it with room to spare becomes shorter again. Both depend on
how likely the observations are, so that noise changes nothing; a rest that was too short is tried again, later each
time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence

from exporter.pacing.promise.confidence import at_least, at_most

LONGEST_NICE = 100.0
SLOW_SHARE = 0.01
_RECENT_PROBES = 1000
_LEAST_RESTING = 20
_LEAST_SLOW = 3
_OUTLIERS = 2
_BROKEN_BY_CHANCE = 0.001
"""Each probe decides: so small a probability keeps a promise that is held from being taken for broken."""
_HELD_BY_CHANCE = 0.1
_PROBES_TO_SHORTEN = 250
_FAR_TOO_SHORT_SHARE = 0.2
_MOST_PATIENCE = 64


class RestController:
    """Chooses seconds of rest for each second of reading."""

    def __init__(self, floor: float, limit: float) -> None:
        self._limit = limit
        self._levels = tuple(_levels(floor))
        self._level = 0
        self._broken = [0] * len(self._levels)
        self._resting: deque[float] = deque(maxlen=_RECENT_PROBES)
        self._beside: deque[float] = deque(maxlen=_RECENT_PROBES)
        self._probes_at_level = 0
        self._is_measured = False
        self._slow, self._share = math.inf, 1.0
        self.cannot_hold = False
        """Whether the longest rest is too short."""

    @property
    def nice(self) -> float:
        """Seconds of rest for each second of reading."""
        return self._levels[self._level]

    def note_resting(self, seconds: float) -> None:
        """Take note of a probe beside no statement of ours."""
        self._resting.append(seconds)
        self._is_measured = False

    def note_beside(self, seconds: float) -> None:
        """Take note of a probe beside reading, and decide."""
        self._beside.append(seconds)
        self._probes_at_level += 1
        if len(self._resting) >= _LEAST_RESTING:
            self._measure()
            self._decide()

    def _measure(self) -> None:
        """Find out what is slow, where that may have changed."""
        if self._is_measured:
            return
        self._is_measured = True
        self._slow = self._limit * _high(self._resting)
        # The share that may be slower by chance alone: of few observations, more than one in a hundred.
        above = sum(each > self._slow for each in self._resting)
        self._share = max(SLOW_SHARE, (1 + above) / (1 + len(self._resting)))

    def _decide(self) -> None:
        above, of = sum(each > self._slow for each in self._beside), len(self._beside)
        if above >= _LEAST_SLOW and above > self._share * of:
            if at_least(above, of, self._share) <= _BROKEN_BY_CHANCE:
                self._lengthen(far=above >= _FAR_TOO_SHORT_SHARE * of)
        elif self._probes_at_level >= self._patience() and at_most(above, of, self._share) <= _HELD_BY_CHANCE:
            self._begin(max(self._level - 1, 0))

    def _lengthen(self, *, far: bool) -> None:
        self._broken[self._level] += 1
        last = len(self._levels) - 1
        if self._level == last:
            self.cannot_hold = True
            self._begin(last)
        else:
            self._begin(min(self._level + (2 if far else 1), last))

    def _patience(self) -> float:
        """Return after how many probes to try a shorter rest: more, the more often that was too short."""
        if not self._level:
            return math.inf
        return _PROBES_TO_SHORTEN * min(1 << self._broken[self._level - 1], _MOST_PATIENCE)

    def _begin(self, level: int) -> None:
        """Forget what was seen beside another rest."""
        self._level = level
        self.cannot_hold = self.cannot_hold and level == len(self._levels) - 1
        self._beside.clear()
        self._probes_at_level = 0


def percentile(values: Sequence[float] | deque[float], share: float) -> float:
    """Return the value that such a share is below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _high(values: Sequence[float] | deque[float]) -> float:
    """Return the p99, or the third highest of less than 300 values: one stall among few is no measure."""
    return sorted(values)[-1 - max(_OUTLIERS, int(len(values) * SLOW_SHARE))]


def _levels(floor: float) -> Iterator[float]:
    nice = floor
    while nice < LONGEST_NICE:
        yield nice
        nice = max(1.0, 2 * nice)
    yield LONGEST_NICE
