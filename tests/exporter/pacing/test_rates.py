"""What pacing promises about any stretch of time, over any slices."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.pacing.calm import Calm
from exporter.pacing.closed_loop import ClosedLoop
from exporter.pacing.latency import SLOW_FACTOR, SliceLatency
from exporter.pacing.rules import PacingRules, plan_rules
from staging.config.pacing import PacingConfig
from staging.process.cancel import Cancel
from staging.process.progress import Progress


@dataclass
class Timeline:
    """A clock that only sleeping and reading move; floats of whole milliseconds would hide nothing."""

    now: float = 1000.0
    slices: list[tuple[float, float, int]] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def read(self, pace: ClosedLoop, seconds: float, rows: int, idle: float) -> None:
        pace.before_slice()
        began = self.now
        self.now += seconds
        self.slices.append((began, self.now, rows))
        pace.after_slice(seconds, rows)
        self.now += idle


def rules(**changed: object) -> PacingRules:
    config = PacingConfig.model_validate({"gentle": "replica", **changed})
    return plan_rules(config, "postgresql")


def loop(timeline: Timeline, of: PacingRules, active_sessions: float = 0.0) -> ClosedLoop:
    return ClosedLoop(
        of,
        Calm([], timeline.clock),
        Cancel(),
        Progress(),
        clock=timeline.clock,
        active_sessions=lambda: active_sessions,
        sleep=timeline.sleep,
    )


SLICES = st.lists(st.tuples(st.floats(0.0001, 3.0), st.integers(0, 5000), st.floats(0, 0.5)), min_size=1, max_size=40)


@given(slices=SLICES, nice=st.integers(0, 9), start=st.integers(0, 39), length=st.integers(1, 40))
def test_reading_takes_its_share_of_any_stretch_and_at_most_one_slice_more(
    slices: list[tuple[float, int, float]], nice: int, start: int, length: int
) -> None:
    timeline = Timeline()
    pace = loop(timeline, rules(nice=nice))
    for seconds, rows, idle in slices:
        timeline.read(pace, seconds, rows, idle)
    chosen = timeline.slices[start : start + length]
    if not chosen:
        return
    reading = sum(ended - began for began, ended, _ in chosen)
    longest = max(ended - began for began, ended, _ in chosen)
    stretch = chosen[-1][1] - chosen[0][0]
    assert reading <= stretch / (1 + nice) + longest + 1e-6


@given(slices=SLICES, limit=st.integers(1, 20_000), at=st.floats(0, 60))
def test_no_second_sees_more_rows_begun_than_the_ceiling_and_one_slice(
    slices: list[tuple[float, int, float]], limit: int, at: float
) -> None:
    timeline = Timeline()
    pace = loop(timeline, rules(max_rows_per_second=limit))
    for seconds, rows, idle in slices:
        timeline.read(pace, seconds, rows, idle)
    low = timeline.slices[0][0] + at
    begun = [rows for began, _, rows in timeline.slices if low <= began < low + 1]
    assert sum(begun) <= limit * (1 + 1e-9) + max(begun, default=0)


@given(slices=SLICES)
def test_flat_out_means_that_nothing_is_waited_for(slices: list[tuple[float, int, float]]) -> None:
    timeline = Timeline()
    pace = loop(timeline, rules())
    for seconds, rows, idle in slices:
        timeline.read(pace, seconds, rows, idle)
    assert not any(pace.waited_seconds.values())


def test_every_second_of_rest_is_counted_under_the_rule_that_asked_for_it() -> None:
    timeline = Timeline()
    pace = loop(timeline, rules(nice=3, max_rows_per_second=100))
    for _ in range(10):
        timeline.read(pace, 0.1, 50, 0.0)
    # 50 rows may begin every 0.5 s: 0.1 of reading, 0.3 of rest for it, and 0.1 that only the ceiling asks for.
    assert pace.waited_seconds == {"max_rows_per_second": 0.9, "nice": 2.7}


@pytest.mark.parametrize(
    ("active", "share"), [(0.0, 4), (0.2, 4), (0.3, 4), (0.4, 14.5), (0.5, 25), (1.2, 25), (20.0, 25)]
)
def test_a_server_that_is_at_work_at_most_looks_is_left_more_of_the_time(active: float, share: float) -> None:
    timeline = Timeline()
    pace = loop(timeline, rules(nice=3), active)
    for _ in range(100):
        timeline.read(pace, 0.01, 10, 0.0)
    pace.before_slice()
    reading = sum(ended - began for began, ended, _ in timeline.slices)
    assert reading == pytest.approx((timeline.now - timeline.slices[0][0]) / share)


def test_what_a_busy_server_is_rested_from_longer_is_counted_apart() -> None:
    timeline = Timeline()
    pace = loop(timeline, rules(nice=3), 1.0)
    for _ in range(11):
        timeline.read(pace, 0.1, 50, 0.0)
    assert pace.waited_seconds == {"busy_server": 21.0, "nice": 3.0}


def test_flat_out_stays_flat_out_beside_others() -> None:
    timeline = Timeline()
    pace = loop(timeline, rules(), 20.0)
    for _ in range(10):
        timeline.read(pace, 0.1, 50, 0.0)
    assert not any(pace.waited_seconds.values())


def test_time_that_passes_anyway_counts_as_rest() -> None:
    timeline = Timeline()
    pace = loop(timeline, rules(nice=3))
    timeline.read(pace, 0.1, 10, idle=5.0)
    before = timeline.now
    pace.before_slice()
    assert timeline.now == before


@given(st.lists(st.floats(0.5, 1.9), min_size=200, max_size=400))
def test_slices_that_vary_as_they_always_did_are_not_paused_for(factors: list[float]) -> None:
    latency = SliceLatency()
    assert not any(latency.note(0.02 * factor, 1000) for factor in factors)


def test_slices_that_become_slow_are_paused_for_longer_and_longer_until_that_is_usual() -> None:
    latency = SliceLatency()
    assert not any(latency.note(0.02, 1000) for _ in range(100))
    pauses = [pause for _ in range(1000) if (pause := latency.note(0.2, 1000))]
    assert pauses[:4] == [1.0, 2.0, 4.0, 8.0]
    assert 5 < len(pauses) < 15  # then ten times as slow is how it is
    assert latency.slow_by < SLOW_FACTOR


def test_a_database_that_recovers_is_paused_for_no_more() -> None:
    latency = SliceLatency()
    for _ in range(100):
        latency.note(0.02, 1000)
    assert any(latency.note(0.2, 1000) for _ in range(20))
    assert not any(latency.note(0.02, 1000) for _ in range(100))


def test_smaller_slices_are_not_taken_for_slow_ones() -> None:
    latency = SliceLatency()
    for _ in range(100):
        latency.note(0.02, 10_000)
    assert not any(latency.note(0.01, 100) for _ in range(200))


def test_one_slice_that_hangs_says_nothing_about_all() -> None:
    latency = SliceLatency()
    pauses = [latency.note(2.0 if number % 10 == 0 else 0.02, 1000) for number in range(500)]
    assert not any(pauses)


def test_slices_without_rows_say_nothing() -> None:
    latency = SliceLatency()
    assert not any(latency.note(seconds, 0) for seconds in (0.001, 5.0) * 100)
