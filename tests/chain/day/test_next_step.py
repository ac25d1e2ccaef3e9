"""What a command does with a day, for each state the day can be in: the table of docs/operations.md, line by line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import pytest

from chain.day.next_step import AskLedger, BeginRun, GoOn, Wish, plan_step
from chain.day.state import DayState, read_day_state
from staging.documents.run import Loaded, RunExport, RunRecord
from staging.documents.run_start import begin_run, note_run_failed, set_current_export
from staging.errors import InputError
from staging.folder.store import FolderStore, open_folder_store
from staging.names import DayNames
from tests.shop.loaded_note import note_of_one_row

NOW = datetime(2026, 11, 14, 2, 15, tzinfo=UTC)
NAMES = DayNames("shop", date(2026, 11, 13))
NONE = DayState(export_id="e01")


def state(kind: Literal["run", "reprocess"], *, fresh: bool = False, has_export: bool = False) -> DayState:
    run = RunRecord(
        run_id="r01",
        pipeline="shop",
        day=NAMES.day,
        head_id="h",
        fence=1,
        kind=kind,
        fresh_export=fresh,
        created_at=NOW,
    )
    return DayState(run=run, has_export=has_export, export_id="e01")


def loaded(export_id: str) -> Loaded:
    return note_of_one_row(NAMES.day, NOW, export_id=export_id)


CUT_SHORT = {
    "run": state("run"),
    "run, exported": state("run", has_export=True),
    "fresh": state("run", fresh=True),
    "fresh, exported": state("run", fresh=True, has_export=True),
    "reprocess": state("reprocess", has_export=True),
}
GOES_ON: dict[str, set[Wish]] = {
    "run": {"run", "resume"},
    "run, exported": {"run", "resume"},
    "fresh": {"run", "fresh export", "resume"},
    "fresh, exported": {"run", "resume"},
    "reprocess": {"run", "reprocess", "resume"},
}
WISHES: tuple[Wish, ...] = ("run", "fresh export", "reprocess", "resume")
BEGUN: dict[Wish, BeginRun] = {
    "run": BeginRun("run"),
    "fresh export": BeginRun("run", fresh_export=True),
    "reprocess": BeginRun("reprocess"),
}


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("name", CUT_SHORT)
def test_a_run_that_was_cut_short_is_gone_on_with_by_what_comes_to_the_same(wish: Wish, name: str) -> None:
    found = CUT_SHORT[name]
    assert found.run is not None
    assert plan_step(wish, found, NAMES) == (GoOn(found.run) if wish in GOES_ON[name] else BEGUN[wish])


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("name", CUT_SHORT)
def test_a_run_that_failed_for_good_is_gone_on_with_by_resume_alone(wish: Wish, name: str) -> None:
    found = replace(CUT_SHORT[name], failed=True)
    assert found.run is not None
    assert plan_step(wish, found, NAMES) == (GoOn(found.run) if wish == "resume" else BEGUN[wish])


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("name", CUT_SHORT)
@pytest.mark.parametrize("failed", [True, False])
def test_a_day_that_is_done_is_the_ledgers_to_judge_or_begun_anew(wish: Wish, name: str, *, failed: bool) -> None:
    found = replace(CUT_SHORT[name], loaded=loaded("e01"), failed=failed)
    assert found.run is not None
    assert plan_step(wish, found, NAMES) == (AskLedger(found.run) if wish in ("run", "resume") else BEGUN[wish])


def test_a_run_that_loaded_another_export_than_the_current_one_is_not_done() -> None:
    found = replace(CUT_SHORT["run, exported"], loaded=loaded("e00"))
    assert found.run is not None
    assert plan_step("run", found, NAMES) == GoOn(found.run)


@pytest.mark.parametrize("wish", ["run", "fresh export", "reprocess"])
def test_where_no_run_is_known_one_begins(wish: Wish) -> None:
    assert plan_step(wish, NONE, NAMES) == BEGUN[wish]


def test_resume_of_a_day_without_a_run_says_to_run() -> None:
    with pytest.raises(InputError, match="no run of shop 2026-11-13 to resume") as caught:
        plan_step("resume", NONE, NAMES)
    assert "penstock run" in caught.value.fix


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """An empty store."""
    return open_folder_store((tmp_path / "staging").as_uri())


def test_the_state_is_read_from_the_documents_as_a_run_leaves_them(store: FolderStore) -> None:
    assert read_day_state(store, NAMES) == DayState()
    run = begin_run(store, NAMES, "r01", kind="run", fresh_export=True, now=NOW)
    assert read_day_state(store, NAMES) == DayState(run=run)
    export = RunExport(run_id="r01", export_id="e01", manifest_generation=1, manifest_sha256="0" * 64)
    store.create(NAMES.run_export("r01"), export.to_bytes())
    set_current_export(store, NAMES, run, "e01", now=NOW)
    assert read_day_state(store, NAMES) == DayState(run=run, has_export=True, export_id="e01")
    note_run_failed(store, NAMES, "r01", now=NOW)
    assert read_day_state(store, NAMES).failed
    store.create(NAMES.loaded("r01"), loaded("e01").to_bytes())
    assert read_day_state(store, NAMES).is_done
    after = begin_run(store, NAMES, "r02", kind="reprocess", fresh_export=False, now=NOW)
    assert read_day_state(store, NAMES) == DayState(run=after, export_id="e01")


def test_a_run_whose_record_was_never_written_is_as_if_it_had_not_begun(store: FolderStore) -> None:
    begin_run(store, NAMES, "r01", kind="run", fresh_export=False, now=NOW)
    Path(store.url.removeprefix("file://"), NAMES.run("r01")).unlink()
    assert read_day_state(store, NAMES) == DayState()


def test_only_the_last_run_can_be_said_to_have_failed(store: FolderStore) -> None:
    begin_run(store, NAMES, "r01", kind="run", fresh_export=False, now=NOW)
    begin_run(store, NAMES, "r02", kind="run", fresh_export=False, now=NOW)
    note_run_failed(store, NAMES, "r01", now=NOW)
    assert not read_day_state(store, NAMES).failed
