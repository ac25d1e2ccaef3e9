"""Which probe belongs to which window, how many windows a manifest gets, and what is said of a promise in the end."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.day.probed import tell_probed
from exporter.pacing.calm import Calm
from exporter.pacing.closed_loop import ClosedLoop
from exporter.pacing.promise.hold import Promise
from exporter.pacing.promise.prober import Prober
from exporter.pacing.promise.verdict import judge
from exporter.pacing.promise.windows import Probe, Windows
from exporter.pacing.rules import plan_rules
from exporter.pacing.signals import Answer, PauseReason
from staging.config.pacing import PacingConfig
from staging.documents.manifest import Probed, WindowKind
from staging.errors import UnavailableError
from staging.process.cancel import Cancel
from staging.process.progress import Progress


def filled(latencies: dict[WindowKind, list[float]]) -> Windows:
    """One window of each kind, with probes that took so many milliseconds."""
    windows, now = Windows(), 0.0
    for kind, milliseconds in latencies.items():
        windows.open(kind, now, 3)
        list(windows.add(Probe(now, now + each / 1000) for each in milliseconds))
        now += 10
        windows.close(now)
    return windows


def test_a_probe_that_overlaps_an_edge_belongs_to_no_window() -> None:
    windows = Windows()
    windows.open("resting", 10.0, 3)
    kept = [kind for kind, _ in windows.add([Probe(9.9, 10.1), Probe(10.0, 10.2)])]
    windows.close(11.0)
    assert kept == ["resting"]
    assert list(windows.add([Probe(10.9, 11.1)])) == []
    windows.open("reading", 11.0, 3)
    assert list(windows.add([Probe(10.9, 11.1)])) == []
    assert [window.probes for window in windows.describe()] == [1]


@given(st.lists(st.tuples(st.sampled_from(["resting", "reading", "seal"]), st.integers(0, 3)), max_size=900))
def test_windows_are_few_however_many_there_were_and_lose_no_probe(opened: list[tuple[WindowKind, int]]) -> None:
    windows, expected = Windows(), Counter[WindowKind]()
    for number, (kind, probes) in enumerate(opened):
        windows.open(kind, number, 3)
        list(windows.add([Probe(number, number + 0.5)] * probes))
        windows.close(number + 1)
        expected[kind] += probes
    found = windows.describe()
    assert len(found) <= 200
    for kind, probes in expected.items():
        assert sum(window.probes for window in found if window.kind == kind) == probes
    assert [window.at_seconds for window in found] == sorted(window.at_seconds for window in found)


SAME = [2.0] * 200


@pytest.mark.parametrize(
    ("windows", "promised", "held", "told"),
    [
        (filled({"resting": SAME, "reading": SAME}), 1.25, True, ""),
        (filled({"resting": SAME, "reading": [2.0] * 198 + [9.0] * 2}), 1.25, True, ""),
        (
            filled({"resting": SAME, "reading": [2.0] * 180 + [9.0] * 20}),
            1.25,
            False,
            "could not be held: 20 of 200 probes",
        ),
        (
            filled({"resting": SAME, "reading": [2.0] * 197 + [9.0] * 3}),
            1.25,
            False,
            "could not be measured: 3 of 200 probes",
        ),
        (filled({"resting": [2.0] * 60, "reading": SAME}), 1.25, False, "could not be measured: 60 probes ran without"),
        (filled({"resting": SAME}), 1.25, False, "could not be measured: 0 probes ran beside"),
        (
            filled({"resting": SAME, "snapshot": [9.0] * 200}),
            1.25,
            False,
            "could not be held: the day was read in one snapsh",
        ),
        (
            filled({"resting": SAME, "reading": SAME, "seal": [9.0] * 200}),
            1.25,
            False,
            "could not be held: 200 of 400 probes",
        ),
        (filled({"resting": SAME, "reading": [9.0] * 200}), None, None, ""),
        (Windows(), 1.25, False, "could not be measured: 0 probes ran without our reading and 0 probes ran beside"),
    ],
)
def test_what_is_said_of_a_promise(windows: Windows, promised: float | None, held: bool | None, told: str) -> None:
    probed = judge(windows, promised, 3, "")
    assert (probed.held, probed.why_not.startswith(told), bool(probed.why_not)) == (held, True, bool(told))
    assert probed == Probed.model_validate_json(probed.model_dump_json())
    said = tell_probed(probed)
    assert ("held" in said) == (promised is not None and (bool(held) or "held" in told))
    assert probed.why_not in said


def test_why_the_statement_could_not_be_run_is_said() -> None:
    assert judge(Windows(), 1.25, 3, "The server is gone.").why_not.endswith("; The server is gone.")


@dataclass
class Stalling:
    """A connection that answers at once, but for the third statement, and none after `lost` is set."""

    asked: list[float] = field(default_factory=list)
    lost: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)
    interrupted: threading.Event = field(default_factory=threading.Event)
    closed: int = 0

    def ask(self, sql: str) -> Answer:
        self.asked.append(time.monotonic())
        if self.lost.is_set():
            raise UnavailableError("The server is gone.")
        if len(self.asked) == 3:
            self.goes_on.wait(60)
        return Answer((), ())

    def interrupt(self) -> None:
        self.interrupted.set()
        self.goes_on.set()

    def close(self) -> None:
        self.closed += 1


def until(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_probes_that_were_due_in_a_stall_waited_too_and_are_not_run_afterwards() -> None:
    connection = Stalling()
    prober = Prober(connection, "SELECT 1", time.monotonic)
    prober.begin(0.0)
    until(lambda: len(connection.asked) == 3)
    time.sleep(0.3)
    connection.goes_on.set()
    until(lambda: len(connection.asked) >= 6)
    prober.close()
    probes = prober.take()
    waited = [probe for probe in probes if not probe.was_run]
    assert len(waited) > 2
    assert {probe.ended for probe in waited} == {waited[0].ended}
    assert all(probe.ended > probe.began for probe in probes)
    assert sum(probe.was_run for probe in probes) in (len(connection.asked), len(connection.asked) - 1)
    assert connection.closed == 1


def test_closing_ends_a_statement_that_hangs() -> None:
    connection = Stalling()
    prober = Prober(connection, "SELECT 1", time.monotonic)
    prober.begin(0.0)
    until(lambda: len(connection.asked) == 3)
    prober.close()
    assert connection.interrupted.is_set()
    assert "latency-probe" not in {thread.name for thread in threading.enumerate()}


def test_what_can_not_be_asked_for_some_seconds_is_a_problem() -> None:
    connection, now = Stalling(), [0.0]
    connection.lost.set()
    prober = Prober(connection, "SELECT 1", lambda: now[0])
    prober.begin(0.001)
    until(lambda: prober.last_problem is not None)
    assert prober.problem is None
    now[0] = 10.0
    assert prober.problem is not None
    prober.close()


@dataclass
class Shop:
    """A day and its shop: a clock that sleeping and reading move, and probes that mind reading of little rest.

    With 0 those that a slice runs beside are slow, with -1 none.
    """

    minds_below: float = 0.0
    now: float = 100.0
    interval_seconds: float = 0.025
    last_problem: None = None
    problem: UnavailableError | None = None
    connection: None = None
    slices: list[tuple[float, float]] = field(default_factory=list)
    taken_until: float = 100.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def take(self) -> list[Probe]:
        probes = []
        while self.taken_until + 0.02 < self.now:
            probes.append(Probe(self.taken_until, self.taken_until + self._felt(self.taken_until)))
            self.taken_until += self.interval_seconds
        return probes

    def _felt(self, at: float) -> float:
        last = [slice_ for slice_ in self.slices[-40:] if slice_[0] <= at]
        return 0.015 if last and at < last[-1][0] + 0.002 * (1 + self.minds_below) else 0.001

    def read(self, pace: ClosedLoop, seconds: float = 0.002) -> None:
        pace.before_slice()
        self.slices.append((self.now, self.now + seconds))
        self.now += seconds
        pace.after_slice(seconds, 100)

    def close(self) -> None:
        """Nothing is open."""


def loop(shop: Shop, **pacing: object) -> tuple[ClosedLoop, Promise]:
    config = PacingConfig.model_validate({"gentle": "replica", "latency_probe": "SELECT 1", **pacing})
    rules = plan_rules(config, "postgresql")
    promise = Promise(shop, config, rules.nice, "postgresql", shop.clock)  # type: ignore[arg-type] # it stands in for the prober
    promise._has_begun = True
    calm = Calm([promise], shop.clock)
    return (
        ClosedLoop(rules, calm, Cancel(), Progress(), clock=shop.clock, sleep=shop.sleep, promise=promise),
        promise,
    )


def test_windows_take_turns_and_no_slice_lies_in_a_resting_one() -> None:
    shop = Shop()
    pace, _ = loop(shop, nice=3)
    pace.before_snapshot()
    began = shop.now
    for _ in range(4000):
        shop.read(pace)
    probed = pace.describe_probed()
    assert probed is not None
    rests = [window for window in probed.windows if window.kind == "resting"]
    assert len(rests) > 5
    for rest in rests:
        start = 100.0 + rest.at_seconds
        assert not [slice_ for slice_ in shop.slices if slice_[1] > start and slice_[0] < start + rest.seconds - 1e-3]
    rested = sum(rest.seconds for rest in rests[1:])
    assert 0.1 < rested / (shop.now - began) < 0.3
    assert pace.waited_seconds["latency_probe"] == pytest.approx(sum(rest.seconds for rest in rests), abs=0.1)
    assert len({round(rest.at_seconds - before.at_seconds, 2) for before, rest in itertools.pairwise(rests)}) > 3
    assert probed.held is None
    assert "max_p99_increase" not in pace.waited_seconds


def test_reading_becomes_gentler_until_the_shop_does_not_mind() -> None:
    shop = Shop(minds_below=12)
    pace, promise = loop(shop, nice=3, max_p99_increase=1.25)
    pace.before_snapshot()
    for _ in range(3000):
        shop.read(pace)
    assert promise.nice >= 12
    probed = pace.describe_probed()
    assert probed is not None
    assert probed.longest_nice >= promise.nice
    assert pace.waited_seconds["max_p99_increase"] > 0


def test_a_probe_that_can_not_be_run_makes_a_promise_wait_and_a_measure_not() -> None:
    lost = UnavailableError("The server is gone.")
    shop = Shop(problem=lost)
    pace, _ = loop(shop, nice=3, max_p99_increase=1.25, max_pause_seconds=30)
    with pytest.raises(UnavailableError, match="max_pause_seconds") as caught:
        shop.read(pace)
    assert "pacing.latency_probe can't be read: The server is gone." in caught.value.why
    assert pace.waited_seconds == {"unreadable_signal": 30.0}
    pace, _ = loop(Shop(problem=lost), nice=3)
    pace.before_slice()
    assert pace.waited_seconds == {}


@dataclass
class BusyAt:
    """A signal that says to wait in these seconds."""

    shop: Shop
    seconds: tuple[float, float]
    name: str = "the number of active sessions"
    interval_seconds: float = 0.25

    def look(self) -> PauseReason | None:
        low, high = self.seconds
        return PauseReason("active_sessions", "42 active sessions > 25", "") if low <= self.shop.now < high else None


def test_what_is_waited_for_calm_lies_in_no_window() -> None:
    shop = Shop()
    pace, promise = loop(shop, nice=3)
    pace._calm = Calm([BusyAt(shop, (110.0, 130.0)), promise], shop.clock)
    pace.before_snapshot()
    while shop.now < 140:
        shop.read(pace)
    assert pace.waited_seconds["active_sessions"] == pytest.approx(20, abs=1)
    probed = pace.describe_probed()
    assert probed is not None
    for window in probed.windows:
        began, ended = 100.0 + window.at_seconds, 100.0 + window.at_seconds + window.seconds
        assert ended <= 110.5 or began >= 130.0


def test_one_stall_that_many_probes_met_is_one_reason_to_rest() -> None:
    shop = Shop(minds_below=-1)
    pace, promise = loop(shop, nice=3, max_p99_increase=1.25)
    pace.before_snapshot()
    for _ in range(200):
        shop.read(pace)
    now = shop.now

    def stalled() -> list[Probe]:
        return [Probe(now + n / 100, now + 1, was_run=n == 0) for n in range(60)]

    shop.take = stalled  # type: ignore[method-assign] # what this test plays
    shop.read(pace)
    assert promise.nice == 3
    probed = pace.describe_probed()
    assert probed is not None
    assert probed.beside_p99_milliseconds is not None
    assert probed.beside_p99_milliseconds > 300
