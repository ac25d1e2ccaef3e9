"""What became of past runs: read from their documents, remembered in an index that never says more than they do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from chain.day.hold_lease import new_lease
from chain.history.read import History, read_history
from chain.history.remember import remembered, remembering
from chain.history.view import format_history, format_loaded, history_json
from chain.status.late import newest_due_day
from staging.documents.lease import DayLease
from staging.errors import InputError
from staging.names import DayNames, history_index
from tests.chain.history.past import AT, PIPELINE, CountingStore, a_run, give_up, load, now

DAY = date(2026, 11, 14)


@pytest.fixture
def store(tmp_path: Path) -> CountingStore:
    return CountingStore(tmp_path)


def history_of(store: Any, **wanted: Any) -> History:
    return read_history(store, PIPELINE, now=now, **wanted)


def days_on(count: int, first: date = DAY) -> list[date]:
    return [first + timedelta(days=number) for number in range(count)]


def test_a_run_says_who_began_it_when_what_came_of_it_and_how_much(store: CountingStore) -> None:
    load(store, DAY, "r01", rows=52_909, revenue="9552212.14")
    (day,) = history_of(store).days
    (run,) = day.runs
    assert (run.by, run.began_at, run.outcome, run.rows) == ("ada@build-7, process 9", AT, "loaded", 52_909)
    assert run.totals == {"revenue": "9552212.14"}
    assert run.ended_at == AT + timedelta(seconds=90)


def test_every_run_of_a_day_is_told_with_its_own_outcome(store: CountingStore) -> None:
    a_run(store, DAY, "r01")
    give_up(store, DAY, "r01", "The bucket is away.")
    a_run(store, DAY, "r02", at=AT + timedelta(hours=1))
    give_up(store, DAY, "r02", "Stopped on request.", at=AT + timedelta(hours=1))  # as old notes have it
    a_run(store, DAY, "r03", at=AT + timedelta(hours=2))
    give_up(store, DAY, "r03", "Stopped on request.", stopped=True, at=AT + timedelta(hours=2))
    a_run(store, DAY, "r04", at=AT + timedelta(hours=3))
    load(store, DAY, "r05", at=AT + timedelta(hours=4))
    (day,) = history_of(store).days
    assert [(run.run_id, run.outcome) for run in day.runs] == [
        ("r01", "failed"),
        ("r02", "stopped"),
        ("r03", "stopped"),
        ("r04", "unfinished"),
        ("r05", "loaded"),
    ]
    assert day.runs[0].error == "The bucket is away."


def test_a_failure_after_which_the_run_has_loaded_is_none(store: CountingStore) -> None:
    load(store, DAY, "r01")
    give_up(store, DAY, "r01", "The bucket is away.", at=AT)
    assert history_of(store).days[0].runs[0].outcome == "loaded"
    give_up(store, DAY, "r01", "The ledger says otherwise.", at=AT + timedelta(hours=1))
    found = history_of(store)
    assert found.days[0].runs[0].outcome == "failed"
    assert found.loaded_days == (DAY,)  # what it had loaded stays


def test_a_run_that_somebody_works_on_is_running_and_not_remembered(store: CountingStore) -> None:
    names = a_run(store, DAY, "r01")
    lease = DayLease(cast("Any", store), names, new_lease(now(), 90, {}), now)
    lease.take()
    assert history_of(store).days[0].runs[0].outcome == "running"
    lease.release()
    assert history_of(store).days[0].runs[0].outcome == "unfinished"


def test_days_that_are_remembered_cost_no_request_of_their_own(store: CountingStore) -> None:
    for day in days_on(60):
        load(store, day, "r01")
    first = history_of(store)
    store.asked.clear()
    assert history_of(store) == first
    # One listing of the heads; of each of the two years whether there is an index, and what is in it.
    assert store.asked == {"list": 1, "find": 2, "read": 2}
    assert len(first.days) == 60


def test_what_is_remembered_holds_only_until_the_days_head_changes(store: CountingStore) -> None:
    for day in days_on(30):
        load(store, day, "r01")
    history_of(store)
    load(store, DAY, "r02", rows=7, at=AT + timedelta(days=1))
    runs = history_of(store).days[0].runs
    assert [(run.run_id, run.rows) for run in runs] == [("r01", 3), ("r02", 7)]


def test_a_run_that_ends_well_remembers_its_day(store: CountingStore) -> None:
    told: list[str] = []
    names = DayNames(PIPELINE, DAY)
    with remembered(cast("Any", store), names, now, told.append):
        load(store, DAY, "r01")
    store.asked.clear()
    assert history_of(store).loaded_days == (DAY,)
    assert store.asked["list"] == 1
    assert told == []


def test_many_days_are_remembered_by_few_writes_also_where_one_of_them_fails(store: CountingStore) -> None:
    told: list[str] = []
    days = days_on(50)

    def bring_to_done() -> None:
        with remembering(cast("Any", store), PIPELINE, now, told.append) as index:
            for day in days:
                with index.after(DayNames(PIPELINE, day)):
                    load(store, day, "r01")
            with index.after(DayNames(PIPELINE, days[-1] + timedelta(days=1))):
                raise InputError("Not this one.")

    store.asked.clear()
    with pytest.raises(InputError, match="Not this one"):
        bring_to_done()
    assert store.find(history_index(PIPELINE, 2026)) is not None
    assert told == []
    store.asked.clear()
    assert history_of(store).loaded_days == tuple(days)
    assert store.asked == {"list": 1, "find": 2, "read": 2}  # nothing of a day


def test_an_index_of_many_days_that_cannot_be_written_is_a_warning(store: CountingStore) -> None:
    told: list[str] = []
    damaged, well = days_on(2)
    for day in (damaged, well):
        load(store, day, "r01")
    with remembering(cast("Any", store), PIPELINE, now, told.append) as index:
        with index.after(DayNames(PIPELINE, damaged)):
            damage(store, DayNames(PIPELINE, damaged).head())
        with index.after(DayNames(PIPELINE, well)):
            pass
    assert len(told) == 1
    assert told[0].startswith("warning: the history's index could not be written:")
    store.asked.clear()
    assert history_of(store, first=well).loaded_days == (well,)
    assert store.asked["list"] == 1


def damage(store: CountingStore, name: str) -> None:
    store.replace(name, b"{", generation=store.find(name).generation)


def test_a_damaged_index_is_made_anew_and_a_damaged_day_is_named(store: CountingStore) -> None:
    for day in days_on(30):
        load(store, day, "r01")
    before = history_of(store)
    damage(store, history_index(PIPELINE, 2026))
    assert history_of(store) == before
    damage(store, DayNames(PIPELINE, DAY).head())
    found = history_of(store)
    assert list(found.damaged) == [DAY]
    assert len(found.days) == 29


def test_whoever_may_only_read_reads_all_the_same(store: CountingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in days_on(30):
        load(store, day, "r01")

    def refuse(*_: Any) -> Any:
        raise InputError("You may only read.")

    monkeypatch.setattr(store, "create", refuse, raising=False)
    assert len(history_of(store).days) == 30
    assert store.find(history_index(PIPELINE, 2026)) is None


def test_the_newest_days_or_a_range_are_told(store: CountingStore) -> None:
    days = days_on(5)
    for day in days:
        load(store, day, "r01")
    assert [day.day for day in history_of(store, newest=2).days] == days[-2:]
    assert [day.day for day in history_of(store, first=days[1], last=days[2]).days] == days[1:3]


def test_a_run_is_a_line_with_its_error_below(store: CountingStore) -> None:
    load(store, DAY, "r01", rows=52_909, revenue="9552212.14")
    a_run(store, DAY, "r02", at=AT + timedelta(hours=1))
    give_up(store, DAY, "r02", "The bucket is away.", at=AT + timedelta(hours=1))
    days = history_of(store).days
    lines = format_history(days, style=lambda text, **_: text).splitlines()
    assert "52,909" in lines[1]
    assert "9,552,212.14" in lines[1]
    assert lines[1].endswith("ada@build-7")
    assert "failed" in lines[2]
    assert lines[3].strip() == "The bucket is away."
    assert [run["day"] for run in history_json(days, {})["runs"]] == ["2026-11-14", "2026-11-14"]


def test_how_many_days_are_loaded_is_said_in_a_sentence() -> None:
    assert format_loaded([]) == "No day is loaded."
    assert format_loaded([DAY]) == "1 day is loaded, it is 2026-11-14."
    assert format_loaded(days_on(4)) == "4 days are loaded, the last is 2026-11-17."


@pytest.mark.parametrize(
    ("zone", "at", "patience", "due"),
    [
        ("UTC", datetime(2026, 11, 15, 0, 14, tzinfo=UTC), 900, date(2026, 11, 13)),
        ("UTC", datetime(2026, 11, 15, 0, 15, tzinfo=UTC), 900, date(2026, 11, 14)),
        ("Europe/Berlin", datetime(2026, 10, 25, 23, 0, tzinfo=UTC), 0, date(2026, 10, 25)),  # 25 hours
        ("Europe/Berlin", datetime(2026, 10, 25, 22, 59, tzinfo=UTC), 0, date(2026, 10, 24)),
        ("UTC", datetime(2026, 11, 15, 6, 0, tzinfo=UTC), 6 * 3600, date(2026, 11, 14)),
        ("Pacific/Apia", datetime(2011, 12, 30, 10, 30, tzinfo=UTC), 900, date(2011, 12, 29)),  # the 30th never was
    ],
)
def test_a_day_is_due_when_it_has_been_over_for_so_long(zone: str, at: datetime, patience: int, due: date) -> None:
    assert newest_due_day(at, ZoneInfo(zone), patience) == due
