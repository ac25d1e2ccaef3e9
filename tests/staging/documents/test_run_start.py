"""Runs that begin at once get fences of their own; attempts of one run share one record."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from staging.documents.head import change_head, read_head
from staging.documents.run import Head, RunRecord
from staging.documents.run_start import begin_run, find_run, note_run_failed, set_current_export
from staging.errors import GenerationChangedError, HeldError
from staging.folder.store import FolderStore, open_folder_store
from staging.names import DayNames

NOW = datetime(2026, 11, 14, 2, 15, tzinfo=UTC)
NAMES = DayNames("shop", date(2026, 11, 13))
T = TypeVar("T")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """An empty store."""
    return open_folder_store((tmp_path / "staging").as_uri())


def begin(store: FolderStore, run_id: str) -> RunRecord:
    return begin_run(store, NAMES, run_id, kind="run", fresh_export=False, now=NOW)


def at_once(works: list[Callable[[], T]]) -> list[T]:
    results: list[T] = []
    start = threading.Barrier(len(works))

    def run(work: Callable[[], T]) -> None:
        start.wait()
        results.append(work())

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_the_first_run_of_a_day_makes_its_head(store: FolderStore) -> None:
    assert read_head(store, NAMES) is None
    assert find_run(store, NAMES, "r01") is None
    record = begin(store, "r01")
    found = read_head(store, NAMES)
    assert found is not None
    assert (record.fence, found[0].fence, found[0].run_id, found[0].export_id) == (1, 1, "r01", None)
    assert found[0].head_id == record.head_id
    assert find_run(store, NAMES, "r01") == record


def test_runs_that_race_have_distinct_fences_without_a_gap(store: FolderStore) -> None:
    records = at_once([partial(begin, store, f"run-{number:02d}") for number in range(12)])
    assert sorted(record.fence for record in records) == list(range(1, 13))
    assert len({record.head_id for record in records}) == 1
    found = read_head(store, NAMES)
    assert found is not None
    assert found[0].fence == 12


def test_attempts_of_one_run_that_race_adopt_one_record(store: FolderStore) -> None:
    begin(store, "earlier")
    records = at_once([lambda: begin(store, "r01")] * 12)
    assert all(record == records[0] for record in records)
    found = read_head(store, NAMES)
    assert found is not None
    assert records[0].fence == found[0].fence == 2


def test_an_attempt_goes_on_with_the_fence_of_one_that_died_before_its_record(store: FolderStore) -> None:
    record = begin(store, "r01")
    Path(store.url.removeprefix("file://"), NAMES.run("r01")).unlink()
    assert begin(store, "r01") == record


def test_days_and_pipelines_have_fences_of_their_own(store: FolderStore) -> None:
    begin(store, "r01")
    for names in (DayNames("shop", date(2026, 11, 14)), DayNames("other", date(2026, 11, 13))):
        assert begin_run(store, names, "r02", kind="run", fresh_export=True, now=NOW).fence == 1


def test_the_head_points_at_the_export_of_the_newest_run_only(store: FolderStore) -> None:
    older, newer = begin(store, "r01"), begin(store, "r02")
    set_current_export(store, NAMES, newer, "e02", now=NOW)
    set_current_export(store, NAMES, older, "e01", now=NOW)
    set_current_export(store, NAMES, newer, "e02", now=NOW)
    found = read_head(store, NAMES)
    assert found is not None
    assert (found[0].export_id, found[0].fence) == ("e02", 2)


def test_a_new_run_keeps_the_current_export_and_draws_a_new_nonce(store: FolderStore) -> None:
    set_current_export(store, NAMES, begin(store, "r01"), "e01", now=NOW)
    before = read_head(store, NAMES)
    begin(store, "r02")
    after = read_head(store, NAMES)
    assert before is not None
    assert after is not None
    assert after[0].export_id == "e01"
    assert after[0].nonce != before[0].nonce


def test_a_head_that_was_deleted_or_made_anew_is_not_written(store: FolderStore) -> None:
    record = begin(store, "r01")
    head = Path(store.url.removeprefix("file://"), NAMES.head())
    head.unlink()
    with pytest.raises(HeldError):
        set_current_export(store, NAMES, record, "e01", now=NOW)
    assert read_head(store, NAMES) is None
    begin(store, "r02")
    with pytest.raises(HeldError):
        set_current_export(store, NAMES, record, "e01", now=NOW)


def head_of(store: FolderStore) -> Head:
    found = read_head(store, NAMES)
    assert found is not None
    return found[0]


def restore(store: FolderStore, **fields: object) -> None:
    """Write a head as a person does who puts an older copy back."""
    change_head(store, NAMES, lambda *_: fields, NOW)


@pytest.mark.parametrize("fence", [1, 2])
def test_the_export_of_a_run_is_the_current_one_where_an_older_head_was_restored(
    store: FolderStore, fence: int
) -> None:
    begin(store, "r01")
    newer = begin(store, "r02")
    restore(store, run_id="r01", fence=fence, export_id="e01")
    set_current_export(store, NAMES, newer, "e02", now=NOW)
    assert head_of(store).export_id == "e02"


def test_an_attempt_whose_run_took_two_fences_may_point_at_its_export(store: FolderStore) -> None:
    record = begin(store, "r01")
    restore(store, fence=7)
    set_current_export(store, NAMES, record, "e01", now=NOW)
    assert head_of(store).export_id == "e01"


def test_pointing_at_the_export_that_is_current_writes_nothing(store: FolderStore) -> None:
    record = begin(store, "r01")
    set_current_export(store, NAMES, record, "e01", now=NOW)
    before = head_of(store)
    set_current_export(store, NAMES, record, "e01", now=NOW)
    assert head_of(store) == before


def test_an_attempt_of_a_run_that_was_overtaken_takes_no_new_fence(store: FolderStore) -> None:
    record = begin(store, "r01")
    newer = begin(store, "r02")
    assert begin(store, "r01") == record
    assert (head_of(store).run_id, head_of(store).fence) == ("r02", newer.fence)


def test_only_the_run_that_has_the_day_is_noted_as_failed_and_once(store: FolderStore) -> None:
    begin(store, "r01")
    begin(store, "r02")
    before = head_of(store)
    note_run_failed(store, NAMES, "r01", now=NOW)
    assert head_of(store) == before
    note_run_failed(store, NAMES, "r02", now=NOW)
    failed = head_of(store)
    assert (failed.run_id, failed.run_failed) == ("r02", True)
    note_run_failed(store, NAMES, "r02", now=NOW)
    assert head_of(store) == failed
    begin(store, "r03")
    assert head_of(store).run_failed is False


class NeverFirst(FolderStore):
    """A store in which another write always came first."""

    def replace(self, name: str, data: bytes, *, generation: int) -> Any:
        raise GenerationChangedError(name, why="Another write came first.")


def test_a_head_that_never_stands_still_is_held_and_left_as_it_is(store: FolderStore) -> None:
    record = begin(store, "r01")
    before = head_of(store)
    store.__class__ = NeverFirst
    with pytest.raises(HeldError, match="changes faster than it can be taken"):
        set_current_export(store, NAMES, record, "e01", now=NOW)
    assert head_of(store) == before
