"""Makes reading wait until signals and rules allow it.

It is the only place that sleeps. Between slices it rests for the slice before, then waits until the signals are calm.
Before a snapshot it waits until they are calm. No statement of ours is open meanwhile, and a request to stop ends every
sleep at once.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

from exporter.pacing.calm import Calm
from exporter.pacing.latency import SliceLatency
from exporter.pacing.promise.hold import Promise
from exporter.pacing.rules import PacingRules
from exporter.pacing.signals import PauseReason
from exporter.port.waits import WaitsOverTime
from staging.documents.manifest import Probed, WindowKind
from staging.errors import UnavailableError
from staging.process.cancel import Cancel
from staging.process.progress import PAUSED, Progress

_TOLD_SECONDS = 1.0  # a shorter rest is normal and not reported
_LONGEST_SLEEP_SECONDS = 1.0

_CALM_SESSIONS, _BUSY_SESSIONS = 0.3, 0.5
_BUSY_FACTOR = 8.0


class ClosedLoop:
    """See `ReadPace`.

    `clock` counts seconds and never goes back; `sleep` is `Cancel.wait` but in tests of time itself.
    """

    def __init__(
        self,
        rules: PacingRules,
        calm: Calm,
        cancel: Cancel,
        progress: Progress,
        *,
        clock: Callable[[], float],
        active_sessions: Callable[[], float] = lambda: 0.0,
        sleep: Callable[[float], None] | None = None,
        promise: Promise | None = None,
    ) -> None:
        self._rules = rules
        self._calm = calm
        self._cancel = cancel
        self._progress = progress
        self._clock = clock
        self._active_sessions = active_sessions
        self._sleep = sleep or cancel.wait
        self._promise = promise
        self._has_said = False
        self._latency = SliceLatency()
        self._waits: dict[str, float] = {}
        self._waited: defaultdict[str, float] = defaultdict(float)
        self.waits = WaitsOverTime()
        self._paused_since: float | None = None
        self._has_read = False

    @property
    def waited_seconds(self) -> Mapping[str, float]:
        """See `Pace`."""
        return {kind: round(seconds, 3) for kind, seconds in sorted(self._waited.items())}

    def before_snapshot(self) -> None:
        """See `Pace`."""
        self._cancel.check()
        self._wait_for_calm()
        if self._promise is not None:
            self._measure_alone(self._promise.first_rest_left)

    def before_slice(self) -> None:
        """See `Pace`."""
        self._cancel.check()
        self._rest()
        if self._promise is not None:
            self._measure_alone(self._promise.rest_left)
        self._wait_for_calm()

    def after_slice(self, seconds: float, rows: int) -> None:
        """See `Pace`."""
        self._has_read = True
        now = self._clock()
        self.waits.begin(now - seconds)
        self._waits = {"nice": rest_until(now, seconds, self._rules.nice)}
        if (factor := busy_factor(self._active_sessions())) > 1:
            self._waits["busy_server"] = rest_until(now, seconds, self._rules.nice * factor)
        if self._promise is not None:
            self._hold(self._promise, now, seconds)
        if self._rules.max_rows_per_second is not None:
            self._waits["max_rows_per_second"] = ceiling_until(now - seconds, rows, self._rules.max_rows_per_second)
        if self._rules.watches_latency and (pause := self._latency.note(seconds, rows)):
            self._waits["slice_latency"] = now + pause

    def beside(self, kind: WindowKind) -> AbstractContextManager[None]:
        """See `ReadPace`."""
        return self._promise.beside(kind) if self._promise is not None else nullcontext()

    def describe_probed(self) -> Probed | None:
        """See `ReadPace`."""
        return self._promise.describe() if self._promise is not None else None

    def _hold(self, promise: Promise, now: float, seconds: float) -> None:
        if promise.nice > self._rules.nice:
            self._waits["max_p99_increase"] = rest_until(now, seconds, promise.nice)
        if promise.cannot_hold and not self._has_said:
            self._has_said = True
            print(promise.why_not(), file=sys.stderr, flush=True)

    def _measure_alone(self, left: Callable[[], float]) -> None:
        """Sleep while the shop's latency is measured without us."""
        while (seconds := left()) > 0:
            note = f"{PAUSED}measuring the probe without our reading" if seconds > _TOLD_SECONDS else ""
            self._pause("latency_probe", min(max(seconds, 0.01), _LONGEST_SLEEP_SECONDS), note)

    def _rest(self) -> None:
        """Sleep until the last of the waits is over, each counted for what it adds to those before."""
        for kind, until in sorted(self._waits.items(), key=lambda wait: wait[1]):
            note = self._note(kind)
            while (left := until - self._clock()) > 0:
                self._pause(kind, min(left, _LONGEST_SLEEP_SECONDS), f"{PAUSED}{note}" if left > _TOLD_SECONDS else "")
        self._waits = {}

    def _note(self, kind: str) -> str:
        match kind:
            case "slice_latency":
                return f"slices take {self._latency.slow_by:.1f} times as long"
            case "busy_server":
                return "the server works for others all the time"
            case "max_p99_increase":
                return "the probe takes longer beside our reading"
        return "resting"

    def _wait_for_calm(self) -> None:
        while (reason := self._calm.why_not()) is not None:
            if self._promise is not None:
                self._promise.pause()
            now = self._clock()
            self._check_hard_stops(reason, now)
            until = min(self._calm.next_look_at() - now, _LONGEST_SLEEP_SECONDS)
            self._pause(reason.kind, max(until, 0.01), f"{PAUSED}{reason.text}")
        self._paused_since = None

    def _check_hard_stops(self, reason: PauseReason, now: float) -> None:
        if reason.is_critical and self._has_read:
            raise UnavailableError("Reading was given up: the source is overloaded.", why=reason.text, fix=reason.fix)
        if self._paused_since is None:
            self._paused_since = now
        if now - self._paused_since >= self._rules.max_pause_seconds:
            raise UnavailableError(
                f"Reading was paused for {self._rules.max_pause_seconds} s, the longest that "
                "`pacing.max_pause_seconds` allows.",
                why=f"{PAUSED}{reason.text}",
                fix=reason.fix,
            )

    def _pause(self, kind: str, seconds: float, note: str) -> None:
        if note:
            self._progress.say(note)
        began = self._clock()
        try:
            self._sleep(seconds)
        finally:
            ended = self._clock()
            self._waited[kind] += ended - began
            self.waits.add(kind, began, ended)


def busy_factor(active_sessions: float) -> float:
    """Return how many times as long to rest beside others.

    `active_sessions` run a statement, on an average of looks. Once for up to 0.3 of them, eight times from 0.5 on. A
    server that is at work on every other look has nothing to spare, and each second of ours is taken from others; one
    that is idle most of the time has. Measured on one core: a load that never rests shows 0.4 to 1.2 sessions
    (PostgreSQL) and 1.7 (MariaDB), for it waits for its own client, too; 60 transactions a second show 0.1 to 0.3.
    """
    busy = (active_sessions - _CALM_SESSIONS) / (_BUSY_SESSIONS - _CALM_SESSIONS)
    return 1.0 + (_BUSY_FACTOR - 1.0) * min(max(busy, 0.0), 1.0)


def rest_until(ended_at: float, seconds: float, nice: float) -> float:
    """Return when the next slice may begin.

    Reading takes 1 / (1 + nice) of the time. After a slice that took `seconds` until `ended_at`, the rest is `nice`
    times as long, however long it took: a database that has become slow is left alone for longer. In any stretch of
    time, reading takes at most that share and one slice.
    """
    return ended_at + nice * seconds


def ceiling_until(began_at: float, rows: int, max_rows_per_second: int) -> float:
    """Return when `max_rows_per_second` lets the next slice begin.

    No second sees more rows begun than allowed, and one slice.
    """
    return began_at + rows / max_rows_per_second
