"""Ranges of days, their outcomes, what a reprocessing goes on with, and the table: without any job."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from chain.day.report import Report
from chain.jobs.port import ExecutionState
from chain.range.backfill import DaysAtOnce, run_days
from chain.range.dates import MAX_DAYS, plan_days, plan_range
from chain.range.outcome import DayOutcome, find_worst, gone_wrong
from chain.range.reprocessed import ReprocessedDays, begin_range
from chain.views.backfill_table import format_outcomes, format_tally
from chain.views.range_terminal import TerminalDaysView
from staging.errors import (
    ExitCode,
    HeldError,
    InputError,
    IntegrityError,
    InterruptedRunError,
    PenstockError,
    UnavailableError,
    UsageError,
)
from staging.folder.store import FolderStore, open_folder_store
from staging.names import BackfillNames
from staging.process.cancel import Cancel
from staging.process.progress import PAUSED, ProgressLine
from staging.window import Calendar

FIRST = date(2026, 11, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(6)]
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)  # already the 25th in Berlin
CALENDAR = Calendar(BERLIN, NOW, grace_seconds=900)


def a_report(day: date, rows: int = 10, total: str = "1234567.80") -> Report:
    return Report(
        run_id="r01",
        export_id="e01",
        pipeline="shop",
        day=day,
        status="done",
        rows_exported=rows,
        rows_processed=rows,
        rows_set_aside=0,
        rows_loaded=rows,
        inserted=rows,
        updated=0,
        deleted=0,
        totals={"exported": {}, "loaded": {"revenue": total}},
        conserved=(),
        shards=1,
        tasks=1,
        seconds=1.0,
        as_of=NOW,
        complete=True,
        waited_seconds={},
        logs="",
    )


def test_both_ends_belong_to_the_range_and_a_day_the_zone_never_had_does_not() -> None:
    assert plan_days(DAYS[0], DAYS[-1], CALENDAR, say=print) == DAYS
    assert plan_days(date(2026, 11, 25), date(2026, 11, 25), CALENDAR, say=print) == [date(2026, 11, 25)]
    told: list[str] = []
    apia = Calendar(ZoneInfo("Pacific/Apia"), NOW, grace_seconds=900)
    samoa = plan_days(date(2011, 12, 29), date(2011, 12, 31), apia, say=told.append)
    assert samoa == [date(2011, 12, 29), date(2011, 12, 31)]
    assert "2011-12-30" in told[0]


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        ("2026-11-02", "2026-11-01", "after its end"),
        ("2026-11-25", "2026-11-26", "future"),
        ("2016-01-01", "2026-11-01", "3,660"),
        ("yesterday", "today-2", "after its end"),
        ("today", "2026-11-26", "future"),
    ],
)
def test_a_range_that_can_not_be_meant_is_an_input_error(first: str, last: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        plan_days(CALENDAR.read_day(first), CALENDAR.read_day(last), CALENDAR, say=print)


def test_ten_years_are_taken_and_a_day_more_is_not() -> None:
    last = date(2026, 11, 1)
    assert len(plan_range(last - timedelta(days=MAX_DAYS - 1), last)) == MAX_DAYS
    with pytest.raises(InputError):
        plan_range(last - timedelta(days=MAX_DAYS), last)


def test_of_many_failures_the_gravest_decides_and_retrying_wins_over_leaving_it_to_others() -> None:
    errors: list[type[PenstockError]] = [
        HeldError,
        UnavailableError,
        InputError,
        UsageError,
        PenstockError,
        IntegrityError,
    ]
    outcomes: list[DayOutcome] = []
    found = []
    for day, error in zip(DAYS, errors, strict=True):
        outcomes.append(gone_wrong(day, error("x"), 1.0))
        worst = find_worst(outcomes)
        assert worst is not None
        found.append(worst.exit_code)
    assert found == [30, 20, 10, 2, 1, 40]
    assert find_worst([DayOutcome(FIRST, "not begun")]) is None


def test_no_more_days_are_worked_on_at_once_than_asked_for_and_each_one_once() -> None:
    lock, busy, most, seen = threading.Lock(), 0, 0, []
    both = threading.Barrier(2, timeout=30)

    def run(day: date) -> Report:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
            seen.append(day)
        both.wait()
        with lock:
            busy -= 1
        return a_report(day)

    ended: list[DayOutcome] = []
    outcomes = run_days(DAYS, run, DaysAtOnce(2, keep_going=False), Cancel(), ended=ended.append)
    assert most == 2
    assert sorted(seen) == DAYS == [outcome.day for outcome in outcomes]
    assert {outcome.outcome for outcome in outcomes} == {"done"}
    assert sorted(outcome.day for outcome in ended) == DAYS


@pytest.mark.parametrize("keep_going", [False, True])
def test_a_failure_ends_the_range_unless_it_keeps_going(keep_going: bool) -> None:
    outcomes = run_days(
        DAYS, failing(2, IntegrityError("x")), DaysAtOnce(1, keep_going), Cancel(), ended=lambda _: None
    )
    then = "done" if keep_going else "not begun"
    assert [outcome.outcome for outcome in outcomes] == ["done", "done", "failed", then, then, then]


def test_a_stop_begins_no_day_more() -> None:
    cancel = Cancel()

    def run(day: date) -> Report:
        if day == DAYS[1]:
            cancel.set()
            cancel.check()
        return a_report(day)

    outcomes = run_days(DAYS, run, DaysAtOnce(1, keep_going=True), cancel, ended=lambda _: None)
    assert [outcome.outcome for outcome in outcomes] == ["done", "stopped", *["not begun"] * 4]


def test_a_bug_ends_its_day_with_1_and_is_shown_and_the_others_are_told_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcomes = run_days(
        DAYS, failing(0, ZeroDivisionError("x")), DaysAtOnce(1, keep_going=True), Cancel(), ended=lambda _: None
    )
    assert (outcomes[0].outcome, outcomes[0].exit_code, outcomes[1].outcome) == ("failed", ExitCode.BUG, "done")
    assert "ZeroDivisionError" in capsys.readouterr().err


def failing(number: int, error: Exception) -> Callable[[date], Report]:
    def run(day: date) -> Report:
        if day == DAYS[number]:
            raise error
        return a_report(day)

    return run


# --- the table ------------------------------------------------------------------------------------------------------


def test_the_table_fits_80_columns_and_errors_are_cut() -> None:
    long = IntegrityError("Something went wrong in a way that takes more than a few words to say, and then some more.")
    outcomes = [
        DayOutcome(DAYS[0], "done", 3723.4, report=a_report(DAYS[0], 52_909, "9552212.14")),
        DayOutcome(DAYS[1], "already done", 1.3, report=a_report(DAYS[1], 7, "-0.50")),
        gone_wrong(DAYS[2], long, 12.1),
        gone_wrong(DAYS[3], HeldError("shop is held by ann."), 0.2),
        gone_wrong(DAYS[4], InterruptedRunError("Stopped on request."), 5.0),
        DayOutcome(DAYS[5], "not begun"),
    ]
    table = format_outcomes(outcomes, style=lambda text, **_: text, columns=80)
    lines = table.splitlines()
    assert lines == [
        "day         outcome             time    rows       revenue",
        "2026-11-01  done          62 min 3 s  52,909  9,552,212.14",
        "2026-11-02  already done       1.3 s       7         -0.50",
        "2026-11-03  failed            12.1 s  Something went wrong in a way that takes …",
        "2026-11-04  held               0.2 s  shop is held by ann.",
        "2026-11-05  stopped            5.0 s  Stopped on request.",
        "2026-11-06  not begun",
    ]
    assert max(map(len, lines)) <= 80
    tally = format_tally("shop", outcomes, 62.0)
    assert tally == "shop: 1 day done, 1 already done, 1 failed, 1 held, 1 stopped, 1 not begun, in 1 min 2 s"


def test_bars_of_many_days_fit_80_columns_and_a_days_bar_goes_when_it_has_ended() -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=80, force_terminal=True, highlight=False, markup=False, emoji=False)
    with TerminalDaysView(console, DAYS) as view:
        with view.open_day(DAYS[0]) as shown:
            shown.say("run 20261124T080835Z-00f122968f58: reading 2026-10-25 from the source, and more than fits")
            many = ProgressLine(1_234_567_890, 98_765_432_100, note="a note that is longer than there is room for")
            shown.watch("processor", ExecutionState("p", 10_000, running=1, succeeded=9_999, progress=many))
            paused = replace(many, note=f"{PAUSED}: {'because of something long ' * 5}")
            shown.watch("exporter", ExecutionState("e", 1, running=1, progress=paused))
        view.ended(gone_wrong(DAYS[0], IntegrityError("Sums differ.", why="1 and 2"), 1.0))
        view.ended(DayOutcome(DAYS[1], "done", 1.0, report=a_report(DAYS[1])))
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue()).replace("\r", "\n")
    lines = [line.rstrip() for line in text.splitlines()]
    assert "2026-11-01  failed: Sums differ." in lines
    assert lines[-1].startswith("6 days")
    assert lines[-1].endswith("1 done, 1 not")
    assert max(map(len, lines)) <= 80


# --- what a reprocessing goes on with -------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return open_folder_store((tmp_path / "staging").as_uri())


def begin(store: FolderStore, logic: str = "a", *, anew: bool = False, days: int = 6) -> ReprocessedDays:
    names = BackfillNames("shop", FIRST, DAYS[days - 1])
    return begin_range(store, names, logic * 64, datetime.now(UTC), anew=anew, say=lambda _: None)


def test_the_same_range_goes_on_until_it_has_ended(store: FolderStore) -> None:
    first = begin(store)
    assert begin(store) == first
    assert begin(store, days=5) != first
    first.end()
    assert begin(store) != first


def test_other_logic_or_being_asked_to_begins_anew_and_then_that_goes_on(store: FolderStore) -> None:
    first = begin(store)
    other = begin(store, "b")
    assert other.note.backfill_id != first.note.backfill_id
    assert begin(store, "b") == other
    anew = begin(store, "b", anew=True)
    assert anew.note.backfill_id != other.note.backfill_id


def test_logic_that_was_changed_back_is_no_reason_to_go_on_with_what_is_older(store: FolderStore) -> None:
    first = begin(store)
    begin(store, "b")
    assert begin(store).note.backfill_id != first.note.backfill_id
