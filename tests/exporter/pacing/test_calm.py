"""What the loop does with what signals say: wait, go on, give up; and what a signal that can't be read means."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from exporter.pacing.calm import Calm
from exporter.pacing.closed_loop import ClosedLoop
from exporter.pacing.rules import plan_rules
from exporter.pacing.signals import Answer, PauseReason, ProbeSignal
from staging.config.pacing import PacingConfig
from staging.errors import ExitCode, InputError, IntegrityError, InterruptedRunError, UnavailableError
from staging.process.cancel import Cancel
from staging.process.progress import Progress, ProgressLine, parse_progress

BUSY = PauseReason("active_sessions", "42 active sessions > 25", "Try again at a calmer hour.")
CRITICAL = PauseReason("active_sessions", "120 active sessions >= 100", "Try again.", is_critical=True)


@dataclass
class Said:
    """A signal that says what the test has written down for each second; the last holds on."""

    script: list[PauseReason | Exception | None]
    name: str = "the number of active sessions"
    interval_seconds: float = 1.0
    looks: int = 0

    def look(self) -> PauseReason | None:
        said = self.script[min(self.looks, len(self.script) - 1)]
        self.looks += 1
        if isinstance(said, Exception):
            raise said
        return said


@dataclass
class Ticking:
    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def loop(*signals: Said, stream: io.StringIO | None = None, **pacing: Any) -> tuple[ClosedLoop, Ticking]:
    ticking = Ticking()
    progress = Progress(stream, clock=ticking.clock)
    rules = plan_rules(PacingConfig(gentle="replica", **pacing), "postgresql")
    calm = Calm(signals, ticking.clock)
    return ClosedLoop(rules, calm, Cancel(), progress, clock=ticking.clock, sleep=ticking.sleep), ticking


@pytest.mark.parametrize("wait", ["before_slice", "before_snapshot"])
def test_reading_waits_while_a_signal_says_so_and_goes_on_when_it_is_calm(wait: str) -> None:
    pace, ticking = loop(Said([BUSY, BUSY, BUSY, None]))
    getattr(pace, wait)()
    assert ticking.now == 3.0
    assert pace.waited_seconds == {"active_sessions": 3.0}


def test_signals_are_asked_once_in_their_interval_however_many_slices_are_read() -> None:
    signal = Said([None])
    pace, ticking = loop(signal)
    for _ in range(1000):
        pace.before_slice()
        ticking.now += 0.01
    assert signal.looks == 10


def test_a_signal_that_can_no_longer_be_read_makes_reading_wait_until_it_can() -> None:
    lost = UnavailableError("The server is gone.")
    pace, ticking = loop(Said([None, lost, lost, None]))
    pace.before_slice()
    ticking.now += 1
    pace.before_slice()
    assert pace.waited_seconds == {"unreadable_signal": 10.0}


def test_a_right_that_is_revoked_on_the_way_makes_reading_wait_and_then_give_up() -> None:
    pace, ticking = loop(Said([None, InputError("permission denied")]), max_pause_seconds=60)
    pace.before_slice()
    ticking.now += 1
    with pytest.raises(UnavailableError, match="max_pause_seconds") as caught:
        pace.before_slice()
    assert "active sessions can't be read: permission denied" in caught.value.why
    assert caught.value.exit_code == ExitCode.UNAVAILABLE
    assert pace.waited_seconds == {"unreadable_signal": 60.0}


def test_what_a_signal_says_damaged_is_one_that_can_not_be_read() -> None:
    pace, _ = loop(Said([IntegrityError("heads/x/pause.json can't be read."), None]))
    pace.before_slice()
    assert pace.waited_seconds == {"unreadable_signal": 5.0}


def test_a_signal_that_was_asked_for_wrongly_is_told_at_once() -> None:
    pace, ticking = loop(Said([InputError("permission denied")]))
    with pytest.raises(InputError, match="can't read the number of active sessions"):
        pace.before_slice()
    assert ticking.slept == []


def test_critical_load_ends_a_read_that_has_begun() -> None:
    pace, ticking = loop(Said([None, CRITICAL]))
    pace.before_slice()
    pace.after_slice(0.002, 100)
    ticking.now += 1
    with pytest.raises(UnavailableError, match="overloaded") as caught:
        pace.before_slice()
    assert "120 active sessions" in caught.value.why
    assert ticking.slept == []


def test_critical_load_before_the_first_row_is_waited_for() -> None:
    pace, _ = loop(Said([CRITICAL, CRITICAL, None]))
    pace.before_slice()
    assert pace.waited_seconds == {"active_sessions": 2.0}


def test_critical_load_is_seen_beside_another_reason() -> None:
    pace, ticking = loop(Said([None, BUSY]), Said([None, CRITICAL]))
    pace.before_slice()
    pace.after_slice(0.002, 100)
    ticking.now += 1
    with pytest.raises(UnavailableError, match="overloaded"):
        pace.before_slice()


def test_the_longest_pause_ends_the_read_and_names_the_reason() -> None:
    pace, ticking = loop(Said([BUSY]), max_pause_seconds=30)
    with pytest.raises(UnavailableError) as caught:
        pace.before_snapshot()
    assert ticking.now == 30.0
    assert "42 active sessions > 25" in caught.value.why
    assert caught.value.fix == BUSY.fix


def test_the_longest_pause_counts_anew_after_a_slice() -> None:
    pace, ticking = loop(Said([*[BUSY] * 20, None, *[BUSY] * 20, None]), max_pause_seconds=30)
    pace.before_slice()
    ticking.now += 1
    pace.before_slice()
    assert pace.waited_seconds == {"active_sessions": 40.0}


def test_the_progress_line_says_why_and_keeps_the_totals() -> None:
    stream = io.StringIO()
    pace, ticking = loop(Said([BUSY, None]), stream=stream)
    pace._progress.emit(rows=1000, size_bytes=5, expected_rows=2000)
    ticking.now += 1
    pace.before_slice()
    ticking.now += 1
    pace._progress.emit(rows=1001)
    found = [parse_progress(line) for line in stream.getvalue().splitlines()]
    assert found == [
        ProgressLine(1000, 5, 2000),
        ProgressLine(1000, 5, 2000, "paused: 42 active sessions > 25"),
        ProgressLine(1001),
    ]


def test_being_asked_to_stop_ends_a_pause_of_an_hour_at_once() -> None:
    cancel = Cancel()
    clock = Ticking().clock  # stands still: only the request to stop can end this
    rules = plan_rules(PacingConfig(gentle="replica"), "postgresql")
    pace = ClosedLoop(rules, Calm([Said([BUSY])], clock), cancel, Progress(), clock=clock)
    ended: list[BaseException] = []

    def read() -> None:
        try:
            pace.before_slice()
        except InterruptedRunError as error:
            ended.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    cancel.set()
    thread.join(30)
    assert len(ended) == 1


@dataclass
class Answers:
    value: object

    def ask(self, sql: str) -> Answer:
        return self.value if isinstance(self.value, Answer) else Answer(("x",), [(self.value,)])


@pytest.mark.parametrize("calm", [0, False, -3, 0.0])
def test_a_probe_of_nothing_lets_reading_go_on(calm: object) -> None:
    assert ProbeSignal(Answers(calm), "SELECT").look() is None


@pytest.mark.parametrize("busy", [1, True, 0.001, 10**12])
def test_a_probe_above_zero_or_true_makes_reading_wait(busy: object) -> None:
    found = ProbeSignal(Answers(busy), "SELECT").look()
    assert found is not None
    assert str(busy) in found.text


@pytest.mark.parametrize(
    "wrong",
    [Answer((), []), Answer(("x",), [(0,), (0,)]), Answer(("x", "x"), [(0, 0)]), "3", None, float("nan"), b"\x01"],
)
def test_a_probe_that_is_no_number_can_not_be_read(wrong: object) -> None:
    with pytest.raises((InputError, UnavailableError), match=r"pacing\.probe"):
        ProbeSignal(Answers(wrong), "SELECT").look()


def test_a_primary_is_spared_and_a_replica_read_flat_out_by_default() -> None:
    primary = plan_rules(PacingConfig(), "mariadb")
    replica = plan_rules(PacingConfig(gentle="replica"), "mariadb")
    assert primary.nice > 0
    assert primary.watches_latency
    assert primary.max_active_sessions is not None
    assert primary.critical_active_sessions is not None
    assert (replica.nice, replica.watches_latency) == (0, False)
    assert replica.max_active_sessions is replica.critical_active_sessions is None


def test_what_is_set_by_name_holds_whatever_the_preset() -> None:
    rules = plan_rules(PacingConfig(gentle="replica", nice=2, max_active_sessions=7), "mariadb")
    assert (rules.nice, rules.max_active_sessions, rules.critical_active_sessions) == (2, 7, None)
    assert plan_rules(PacingConfig(nice=0), "mariadb").nice == 0


@pytest.mark.parametrize("dialect", ["sqlite", "oracle"])
@pytest.mark.parametrize("key", ["max_active_sessions", "critical_active_sessions", "max_replica_lag_seconds"])
def test_a_limit_that_the_database_has_no_signal_for_is_refused(dialect: str, key: str) -> None:
    with pytest.raises(InputError, match=key):
        plan_rules(PacingConfig.model_validate({key: 5}), dialect)
    assert plan_rules(PacingConfig(), dialect).max_active_sessions is None


def test_a_critical_load_below_the_one_that_pauses_is_refused() -> None:
    with pytest.raises(InputError, match="critical"):
        plan_rules(PacingConfig(max_active_sessions=10, critical_active_sessions=10), "mariadb")
