"""How far many days are: from the history's index where the heads are still those of then, and just as day by day."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from chain.day.hold_lease import new_lease
from chain.history.read import read_history
from chain.jobs.look import Lookout
from chain.status.day import DayStatus
from chain.status.many import read_days
from chain.status.read import StatusReader
from staging.documents.lease import DayLease
from staging.names import DayNames, history_index
from tests.chain.history.past import AT, PIPELINE, CountingStore, a_run, commit, give_up, load, now
from tests.exporter.days import pipeline

FIRST = date(2026, 3, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(40)]
LOADED = DAYS[:32]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Days that are loaded, one of them twice, and one read before it was over."""
    folder = tmp_path_factory.mktemp("made")
    store = CountingStore(folder)
    for day in LOADED:
        commit(store, day, "e-r01", is_over=day != LOADED[3])
        load(store, day, "r01")
    commit(store, LOADED[5], "e-r02")
    load(store, LOADED[5], "r02", rows=7, at=AT + timedelta(days=1))
    return folder


@pytest.fixture
def store(made: Path, tmp_path: Path) -> CountingStore:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)  # with the times of the files, which are generations
    return CountingStore(tmp_path)


@pytest.fixture
def reader(store: CountingStore, tmp_path: Path) -> StatusReader:
    def local_clock() -> datetime:
        return datetime.now(UTC)

    return StatusReader(pipeline("sqlite:///x", tmp_path), cast("Any", store), Lookout(None, print), local_clock)


def remember(store: Any) -> None:
    read_history(store, PIPELINE, now=now)


def one_by_one(reader: StatusReader) -> list[DayStatus]:
    return [reader.read(day) for day in DAYS]


def test_many_days_are_told_as_each_alone_is(store: CountingStore, reader: StatusReader) -> None:
    expected = one_by_one(reader)
    assert read_days(reader, DAYS) == expected
    remember(store)
    assert read_days(reader, DAYS) == expected
    assert [status.stage for status in expected] == ["loaded"] * 32 + ["never run"] * 8
    assert [status.day for status in expected if status.unfinished] == [LOADED[3]]
    assert (expected[5].rows, expected[5].runs, expected[5].run_id) == (7, 2, "r02")


def test_days_that_are_remembered_cost_one_listing_and_an_object_a_year(
    store: CountingStore, reader: StatusReader
) -> None:
    remember(store)
    store.asked.clear()
    read_days(reader, DAYS)
    assert store.asked == {"list": 1, "find": 1, "read": 1}


def test_nothing_is_written(store: CountingStore, reader: StatusReader) -> None:
    store.asked.clear()
    read_days(reader, DAYS)
    assert not {"create", "replace", "create_stream", "delete"} & store.asked.keys()


def test_what_happened_to_a_day_since_it_was_remembered_is_told(store: CountingStore, reader: StatusReader) -> None:
    remember(store)
    failed, held, exported, again = LOADED[10:14]
    a_run(store, failed, "r02", at=AT + timedelta(days=1))
    give_up(store, failed, "r02", "The bucket is away.", at=AT + timedelta(days=1))
    DayLease(cast("Any", store), DayNames(PIPELINE, held), new_lease(now(), 90, {}), now).take()
    a_run(store, exported, "r02", at=AT + timedelta(days=1))
    commit(store, again, "e-r02", is_over=False)
    load(store, again, "r02", rows=9, at=AT + timedelta(days=1))
    load(store, DAYS[35], "r01")
    found = {status.day: status for status in read_days(reader, DAYS)}
    error = found[failed].error
    assert error is not None
    assert (found[failed].stage, error.what) == ("failed", "The bucket is away.")
    assert (found[held].stage, found[held].at_rest) == ("loaded", False)
    assert found[held].holder is not None
    assert found[exported].stage == "stopped"
    assert (found[again].rows, found[again].unfinished) == (9, True)
    assert found[DAYS[35]].stage == "loaded"
    assert list(found.values()) == one_by_one(reader)


def test_a_day_that_is_not_simply_loaded_is_read_whatever_is_remembered(
    store: CountingStore, reader: StatusReader
) -> None:
    failed_later, other_export, held = LOADED[20:23]
    give_up(store, failed_later, "r01", "The ledger says otherwise.", at=AT + timedelta(hours=1))
    load(store, DAYS[36], "r01")  # its manifest is gone
    names = a_run(store, other_export, "r02", at=AT + timedelta(days=1))
    give_up(store, other_export, "r02", "Stopped on request.", stopped=True, at=AT + timedelta(days=1))
    DayLease(cast("Any", store), DayNames(PIPELINE, held), new_lease(now(), 90, {}), now).take()
    remember(store)
    expected = one_by_one(reader)
    assert read_days(reader, DAYS) == expected
    by_day = {status.day: status for status in expected}
    assert by_day[failed_later].error is not None
    assert by_day[names.day].stage == "stopped"
    assert by_day[DAYS[36]].unfinished is None


def test_what_an_earlier_version_remembered_is_read_once_more_and_told_by_the_history(
    store: CountingStore, reader: StatusReader
) -> None:
    remember(store)
    name = history_index(PIPELINE, 2026)
    index = json.loads(store.read(name)[0])
    for day in index["days"]:
        del day["loaded"], day["version"]
    store.replace(name, json.dumps(index).encode(), generation=store.find(name).generation)
    expected = one_by_one(reader)
    store.asked.clear()
    assert read_days(reader, DAYS) == expected
    assert store.asked["read"] > 3 * len(LOADED)
    remember(store)
    store.asked.clear()
    assert read_days(reader, DAYS) == expected
    assert store.asked == {"list": 1, "find": 1, "read": 1}


def test_a_damaged_manifest_fails_its_day_and_not_the_history(store: CountingStore, reader: StatusReader) -> None:
    name = DayNames(PIPELINE, LOADED[30]).manifest("e-r01")
    store.replace(name, b"{", generation=store.find(name).generation)
    found = read_history(cast("Any", store), PIPELINE, now=now)
    assert (len(found.days), found.damaged) == (32, {})
    assert read_days(reader, DAYS)[30].stage == "failed"
    assert read_days(reader, DAYS) == one_by_one(reader)
