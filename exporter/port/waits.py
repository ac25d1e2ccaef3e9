"""Records when a read waited, and why.

Few enough figures for a manifest, however long it took.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

_MOST_BINS = 120


class WaitsOverTime:
    """Seconds waited by reason, in bins of equal length.

    From the first moment on; bins grow where there are many.
    """

    def __init__(self) -> None:
        self.bin_seconds = 1.0
        self._began: float | None = None
        self._bins: defaultdict[str, defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))

    def begin(self, now: float) -> None:
        """Count from this moment on.

        Earlier waits are in no bin.
        """
        if self._began is None:
            self._began = now

    def add(self, reason: str, began: float, ended: float) -> None:
        """Count a wait, shared by the bins that it lies in."""
        self.begin(began)
        start, end = began - (self._began or 0.0), ended - (self._began or 0.0)
        while end >= self.bin_seconds * _MOST_BINS:
            self._coarsen()
        while start < end:
            number = int(start // self.bin_seconds)
            edge = min(end, (number + 1) * self.bin_seconds)
            self._bins[reason][number] += edge - start
            if edge <= start:  # the last digit of a long time
                return
            start = edge

    def by_reason(self) -> Mapping[str, tuple[float, ...]]:
        """Return the seconds waited in each bin, by reason.

        From the first to the last bin with a wait, the same range for all reasons.
        """
        last = max((number for bins in self._bins.values() for number in bins), default=-1)
        return {
            reason: tuple(round(bins.get(number, 0.0), 3) for number in range(last + 1))
            for reason, bins in sorted(self._bins.items())
        }

    def _coarsen(self) -> None:
        self.bin_seconds *= 2
        for reason, bins in self._bins.items():
            halved: defaultdict[int, float] = defaultdict(float)
            for number, seconds in bins.items():
                halved[number // 2] += seconds
            self._bins[reason] = halved
