"""Measures a read by the shop's statement; holds a promise.

Windows of rest take turns with windows of reading, for as long as slices are read. It says how much longer to rest; it
never sleeps itself (`closed_loop` does).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from exporter.pacing.promise.controller import LONGEST_NICE, RestController
from exporter.pacing.promise.first_look import look_first
from exporter.pacing.promise.prober import Prober
from exporter.pacing.promise.verdict import judge
from exporter.pacing.promise.windows import Windows
from exporter.pacing.signals import PauseReason
from staging.config.pacing import PacingConfig
from staging.documents.manifest import Probed, WindowKind
from staging.errors import UnavailableError

_AFTER_A_FAILURE_SECONDS = 5.0
_FIRST_PROBES = 50
_FIRST_SECONDS = 10.0
_PROBES_A_REST = 20
_LONGEST_REST_SECONDS = 5.0
READING_TO_REST = 4.0
_GOLDEN = 0.618034
"""Windows are of unequal length, so that what the shop does every few seconds falls into both kinds."""


class Promise:
    """What pacing knows of the shop's latency.

    Used by one thread at a time. Also a signal: a statement that can't be run makes reading wait where something is
    promised, as any signal does.
    """

    name = "pacing.latency_probe"
    interval_seconds = 1.0

    def __init__(
        self, prober: Prober, config: PacingConfig, floor: float, dialect: str, clock: Callable[[], float]
    ) -> None:
        self._prober = prober
        self._sql = config.latency_probe or ""
        self._promised = config.max_p99_increase
        self._dialect = dialect
        self._clock = clock
        self._floor = floor
        self._controller = RestController(floor, self._promised) if self._promised is not None else None
        self._windows = Windows()
        self._has_begun = False
        self._has_rested = False
        self._rest_ends = self._rest_begins = float("-inf")
        self._turns = 0
        self._longest_nice = float(floor)

    @property
    def nice(self) -> float:
        """Seconds to rest for each second of reading."""
        return self._controller.nice if self._controller is not None else self._floor

    @property
    def cannot_hold(self) -> bool:
        """Whether the longest rest is too short."""
        return self._controller is not None and self._controller.cannot_hold

    def why_not(self) -> str:
        """Say what can't be held, and what is done."""
        return (
            f"pacing.max_p99_increase can't be held: with {LONGEST_NICE:.0f} seconds of rest for each second of "
            f"reading the probe's p99 is still more than {self._promised:g} times as long. Reading goes on so."
        )

    def look(self) -> PauseReason | None:
        """See `Signal`."""
        try:
            if not self._has_begun:
                self._begin()
            elif (problem := self._prober.problem) is not None:
                raise problem
        except UnavailableError:
            self.interval_seconds = _AFTER_A_FAILURE_SECONDS
            if self._controller is not None:
                raise
        return None

    def _begin(self) -> None:
        cost_seconds = look_first(self._prober.connection, self._sql, self._dialect, self._clock)
        self._prober.begin(cost_seconds)
        self._has_begun = True

    def first_rest_left(self) -> float:
        """Return how much longer to rest before anything is read.

        So that there is a measure.
        """
        now = self._clock()
        if self._has_rested or not self._has_begun:
            return 0.0
        if self._windows.open_kind is None:
            self._windows.open("resting", now, self.nice)
            self._rest_ends = now + _FIRST_SECONDS
        self._note()
        missing = _FIRST_PROBES - len(self._windows.latencies(resting=True))
        left = min(missing * self._prober.interval_seconds, self._rest_ends - now)
        if left > 0:
            return left
        self._close(now)
        self._has_rested = True
        return 0.0

    def rest_left(self) -> float:
        """Return how much longer to rest before the next slice."""
        if not self._has_begun:
            return 0.0
        now = self._clock()
        if self._windows.open_kind == "resting":
            if now < self._rest_ends:
                return self._rest_ends - now
            self._close(now)
            self._rest_begins = self._next_rest(now)
        elif self._windows.open_kind == "reading" and now >= self._rest_begins:
            self._close(now)
            self._windows.open("resting", now, self.nice)
            self._rest_ends = now + self._rest_seconds()
            return self._rest_ends - now
        if self._windows.open_kind is None:
            self._windows.open("reading", now, self.nice)
            if self._rest_begins == float("-inf"):
                self._rest_begins = self._next_rest(now)
        self._note_reading(now)
        return 0.0

    def pause(self) -> None:
        """End the window: reading waits for something else."""
        self._close(self._clock())

    @contextmanager
    def beside(self, kind: WindowKind) -> Iterator[None]:
        """Measure statements that can't rest while the block lasts."""
        self._close(self._clock())
        self._windows.open(kind, self._clock(), 0.0)
        try:
            yield
        finally:
            self._close(self._clock())

    def describe(self) -> Probed:
        """Return what was measured, and whether the promise was held."""
        self._close(self._clock())
        problem = self._prober.last_problem
        return judge(
            self._windows, self._promised, self._longest_nice, f"{problem.what} {problem.why}" if problem else ""
        )

    def close(self) -> None:
        """Stop measuring at once."""
        self._prober.close()

    def _rest_seconds(self) -> float:
        return min(_PROBES_A_REST * self._prober.interval_seconds, _LONGEST_REST_SECONDS)

    def _next_rest(self, now: float) -> float:
        """Return until when to read: each time a little longer or shorter."""
        self._turns += 1
        return now + READING_TO_REST * self._rest_seconds() * (0.75 + 0.5 * (self._turns * _GOLDEN % 1.0))

    def _close(self, now: float) -> None:
        self._note()
        self._windows.close(now)

    def _note_reading(self, now: float) -> None:
        """Take note of probes; another rest begins another window."""
        nice = self.nice
        self._note()
        if self.nice != nice:
            self._longest_nice = max(self._longest_nice, self.nice)
            self._windows.close(now)
            self._windows.open("reading", now, self.nice)

    def _note(self) -> None:
        for kind, probe in self._windows.add(self._prober.take()):
            if self._controller is None or not probe.was_run:  # one stall is one reason to rest, however many it met
                continue
            if kind == "resting":
                self._controller.note_resting(probe.seconds)
            elif kind == "reading":
                self._controller.note_beside(probe.seconds)
