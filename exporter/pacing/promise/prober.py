"""Runs the shop's own statement again and again.

In a thread and by a connection of its own, open loop: a probe is due whether or not the one before has ended. One that
is run counts from when it was sent; one that becomes due meanwhile is not run, and counts from then to the other's end.
They are so rare that they take a few hundredths of one connection's time at most.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from exporter.pacing.promise.windows import Probe
from exporter.pacing.signals import Answer
from staging.errors import PenstockError

SLOWEST_SECONDS = 0.1
"""A longer statement is run too seldom to say anything of one in a hundred."""
ANSWER_SECONDS = 1
_SHORTEST_INTERVAL_SECONDS = 0.025
_SHARE_OF_A_CONNECTION = 0.04
_WEIGHT_OF_THE_LAST = 0.1
_AFTER_A_FAILURE_SECONDS = 1.0
_SILENT_SECONDS = 5.0
_END_SECONDS = 2.0


class ProbeConnection(Protocol):
    """Runs a statement; another thread may interrupt it."""

    def ask(self, sql: str) -> Answer:
        """Return all its rows."""
        ...

    def interrupt(self) -> None:
        """End what it runs now."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


class Prober:
    """Gives what the probes took."""

    def __init__(self, connection: ProbeConnection, sql: str, clock: Callable[[], float]) -> None:
        self.connection = connection
        self._sql = sql
        self._clock = clock
        self._lock = threading.Lock()
        self._probes: list[Probe] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="latency-probe", daemon=True)
        self._cost_seconds = 0.0
        self._answered_at = 0.0
        self._problem: PenstockError | None = None

    @property
    def interval_seconds(self) -> float:
        """How far the probes are apart."""
        return interval_after(self._cost_seconds)

    @property
    def problem(self) -> PenstockError | None:
        """Why there was no answer for some seconds, or None."""
        problem = self._problem
        return problem if problem is not None and self._clock() - self._answered_at >= _SILENT_SECONDS else None

    @property
    def last_problem(self) -> PenstockError | None:
        """Why the last probe failed, None where it did not."""
        return self._problem

    def begin(self, cost_seconds: float) -> None:
        """Run the statement from now on; it usually takes so long."""
        self._cost_seconds = cost_seconds
        self._answered_at = self._clock()
        self._thread.start()

    def take(self) -> Sequence[Probe]:
        """Return the probes that have ended since the last time, in order."""
        with self._lock:
            taken, self._probes = self._probes, []
        return taken

    def close(self) -> None:
        """End at once, also a statement that runs."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(ANSWER_SECONDS / 10)
        if self._thread.is_alive():
            self.connection.interrupt()
            self._thread.join(_END_SECONDS)
        if not self._thread.is_alive():
            self.connection.close()

    def _run(self) -> None:
        due = self._clock()
        while not self._stop.wait(max(0.0, due - self._clock())):
            began, interval = self._clock(), self.interval_seconds  # our own late waking is not the shop's wait
            answered = self._probe(began)
            ended = self._clock()
            due = due + interval if answered else ended + _AFTER_A_FAILURE_SECONDS
            while answered and due < ended:  # running them now would only ask more of a server that has just stalled
                self._keep(Probe(due, ended, was_run=False))
                due += interval
            due = max(due, began + self.interval_seconds)

    def _probe(self, began: float) -> bool:
        """Run the statement once; return whether its result says something."""
        try:
            self.connection.ask(self._sql)
        except PenstockError as error:
            ended = self._clock()
            if ended - began < ANSWER_SECONDS:
                self._problem = error
                return False
        else:
            ended = self._clock()
        self._problem = None
        self._answered_at = ended
        self._cost_seconds += _WEIGHT_OF_THE_LAST * (ended - began - self._cost_seconds)
        self._keep(Probe(began, ended))
        return True

    def _keep(self, probe: Probe) -> None:
        with self._lock:
            self._probes.append(probe)


def interval_after(cost_seconds: float) -> float:
    """Return the interval of probes that take so long."""
    return max(_SHORTEST_INTERVAL_SECONDS, cost_seconds / _SHARE_OF_A_CONNECTION)
