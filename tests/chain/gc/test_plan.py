"""Which exports and runs may go, and in which order, on a store whose documents are real and whose data is not."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from chain.gc.bundles import list_days
from chain.gc.collect import clean_up, collect_garbage
from chain.gc.plan import DayGarbage, plan_garbage
from staging.documents.head import read_head
from staging.documents.run import Head, Lease, RunExport
from staging.documents.run_start import begin_run, set_current_export
from staging.errors import InterruptedRunError
from staging.folder.generations import records_of
from staging.folder.store import FolderStore, open_folder_store
from staging.names import DayNames
from staging.process.cancel import Cancel

MONTH = timedelta(days=30)
SHA256 = hashlib.sha256(b"").hexdigest()


class Day:
    """A day whose runs and exports are made by hand."""

    def __init__(self, store: FolderStore, day: date = date(2026, 11, 14), pipeline: str = "shop") -> None:
        self.store = store
        self.names = DayNames(pipeline, day)

    def export(self, export_id: str, *, whole: bool = True) -> str:
        self.store.create(self.names.shard_file(export_id, 0), b"rows")
        self.store.create(self.names.shard_file(export_id, 1), b"rows")
        if whole:
            self.store.create(self.names.manifest(export_id), b"{}")
        return export_id

    def run(self, run_id: str, export_id: str, *, receipts: bool = True, loaded: bool = True) -> str:
        now = datetime.now(UTC)
        record = begin_run(self.store, self.names, run_id, kind="run", fresh_export=False, now=now)
        used = RunExport(run_id=run_id, export_id=export_id, manifest_generation=1, manifest_sha256=SHA256)
        self.store.create(self.names.run_export(run_id), used.to_bytes())
        set_current_export(self.store, self.names, record, export_id, now=now)
        if receipts:
            self.store.create(self.names.part(run_id, 0), b"rows")
            self.store.create(self.names.receipt(run_id, 0), b"{}")
        if loaded:
            self.store.create(self.names.loaded(run_id), b"{}")
        return run_id

    def lease(self, seconds: int) -> None:
        found = read_head(self.store, self.names)
        assert found is not None
        lease = Lease(holder="ann@host:1", nonce="n", since=datetime.now(UTC), seconds=seconds)
        changed: Head = found[0].model_copy(update={"lease": lease})
        self.store.replace(self.names.head(), changed.to_bytes(), generation=found[1])

    def plan(self, *, age: timedelta = MONTH * 2, older_than: timedelta = MONTH) -> DayGarbage:
        """What may go when all objects are so old."""
        (stored,) = (each for each in list_days(self.store, self.names.pipeline) if each.names == self.names)
        return plan_garbage(self.store, stored, older_than=older_than, now=datetime.now(UTC) + age)

    def garbage(self, *, age: timedelta = MONTH * 2) -> set[str]:
        return {f"{bundle.kind} {bundle.id}" for bundle in self.plan(age=age).bundles}

    def left(self) -> set[str]:
        return {info.name for info in self.store.list("")}


@pytest.fixture
def day(tmp_path: Path) -> Day:
    return Day(open_folder_store((tmp_path / "staging").as_uri()))


def test_what_a_newer_export_and_a_newer_loaded_run_replaced_may_go(day: Day) -> None:
    day.run("run1", day.export("exp1"))
    day.run("run2", day.export("exp2"))
    assert day.garbage() == {"run run1", "export exp1"}


def test_the_only_export_and_run_stay_however_old(day: Day) -> None:
    day.run("run1", day.export("exp1"))
    assert day.garbage(age=timedelta(days=10_000)) == set()


def test_what_is_younger_than_the_bound_stays(day: Day) -> None:
    day.run("run1", day.export("exp1"))
    day.run("run2", day.export("exp2"))
    assert day.garbage(age=MONTH - timedelta(minutes=1)) == set()
    assert day.garbage(age=MONTH + timedelta(minutes=1)) == {"run run1", "export exp1"}


def test_an_export_without_a_manifest_counts_by_its_age(day: Day) -> None:
    day.run("run1", day.export("exp1"))
    day.export("exp2", whole=False)
    assert day.garbage(age=timedelta(days=29)) == set()
    assert day.garbage() == {"export exp2"}


def test_the_export_that_the_heads_run_uses_stays_also_if_it_is_not_the_current_one(day: Day) -> None:
    day.run("run1", day.export("exp1"))
    old = day.export("exp0")
    begin_run(day.store, day.names, "run2", kind="run", fresh_export=False, now=datetime.now(UTC))
    used = RunExport(run_id="run2", export_id=old, manifest_generation=1, manifest_sha256=SHA256)
    day.store.create(day.names.run_export("run2"), used.to_bytes())
    assert day.garbage() == set()


def test_the_current_export_stays_also_if_no_run_that_stays_uses_it(day: Day) -> None:
    day.run("run1", day.export("exp1"), receipts=False, loaded=False)
    begin_run(day.store, day.names, "run2", kind="run", fresh_export=False, now=datetime.now(UTC))
    assert day.garbage() == {"run run1"}


def test_what_the_ledger_may_name_stays_with_its_export(day: Day) -> None:
    day.run("run1", day.export("exp1"))
    day.run("run2", day.export("exp2"))
    day.run("run3", day.export("exp3"), loaded=False)  # its loader may have committed and left no note
    day.run("run4", day.export("exp4"), receipts=False, loaded=False)  # nothing to load
    day.run("run5", day.export("exp5"), receipts=False, loaded=False)  # the head's
    assert day.garbage() == {"run run1", "export exp1", "run run4", "export exp4"}


def test_fences_of_two_heads_are_never_compared(day: Day) -> None:
    """The bucket's head was lost after run3; the new one counts from 1, and the ledger may name a run of either."""
    for number in (1, 2, 3):
        day.run(f"old{number}", day.export(f"exp{number}"))
    found = day.store.find(day.names.head())
    assert found is not None
    day.store.delete(day.names.head(), generation=found.generation)
    day.run("new1", day.export("exp4"))
    day.run("new2", day.export("exp5"))
    assert day.garbage() == {"run old1", "export exp1", "run old2", "export exp2", "run new1", "export exp4"}


def test_runs_with_parts_stay_where_no_run_left_a_note(day: Day) -> None:
    day.run("run1", day.export("exp1"), loaded=False)
    day.run("run2", day.export("exp2"), receipts=False, loaded=False)
    day.run("run3", day.export("exp3"), receipts=False, loaded=False)
    assert day.garbage() == {"run run2", "export exp2"}


def test_an_export_that_a_younger_run_uses_stays_with_it(day: Day, tmp_path: Path) -> None:
    day.run("run0", day.export("exp1"))
    make_older(tmp_path / "staging", "shop/day=2026-11-14", MONTH * 2)
    day.run("run1", "exp1")
    day.run("run2", day.export("exp2"))
    assert day.garbage(age=timedelta()) == {"run run0"}


def test_a_day_that_somebody_works_on_is_kept_whole_until_long_after_the_lease(day: Day) -> None:
    day.run("run1", day.export("exp1"))
    day.run("run2", day.export("exp2"))
    day.lease(60)
    found = day.plan(age=timedelta(minutes=30), older_than=timedelta(0))
    assert found.bundles == ()
    assert "ann@host:1" in found.kept_whole
    assert day.garbage() == {"run run1", "export exp1"}


def test_a_day_without_a_head_is_kept_whole(day: Day) -> None:
    day.run("run1", day.export("exp1"))
    day.run("run2", day.export("exp2"))
    head = day.store.find(day.names.head())
    assert head is not None
    day.store.delete(head.name, generation=head.generation)
    assert day.garbage() == set()
    assert "head" in day.plan().kept_whole


def test_other_pipelines_and_what_penstock_did_not_write_stay(day: Day) -> None:
    other = Day(day.store, pipeline="shop2")
    for each in (day, other):
        each.run("run1", each.export("exp1"))
        each.run("run2", each.export("exp2"))
    strange = ("shop/day=2026-11-14/export=exp1/notes.txt", "shop/readme", "shop/day=2026-11-31/export=e/manifest.json")
    for name in strange:
        day.store.create(name, b"by hand")
    clean(day)
    left = day.left()
    assert set(strange) <= left
    assert {name for name in left if "exp1" in name and name.startswith("shop/")} == {strange[0]}
    assert other.names.manifest("exp1") in left


def test_nothing_is_deleted_without_being_asked(day: Day) -> None:
    day.run("run1", day.export("exp1"))
    day.run("run2", day.export("exp2"))
    before = day.left()
    assert [len(each.bundles) for each in clean(day, delete=False)] == [2]
    assert day.left() == before


def test_only_garbage_is_deleted_and_a_second_time_there_is_none(day: Day) -> None:
    days = [day, Day(day.store, date(2026, 11, 15))]
    for each in days:
        each.run("run1", each.export("exp1"))
        each.run("run2", each.export("exp2"))
    keep = {name for name in day.left() if "run1" not in name and "exp1" not in name}
    assert sum(len(each.bundles) for each in clean(day)) == 4
    assert day.left() == keep
    assert sum(len(each.bundles) for each in clean(day)) == 0


def test_a_day_whose_head_was_changed_since_it_was_looked_at_is_left_alone(day: Day) -> None:
    day.run("run1", day.export("exp1"))
    day.run("run2", day.export("exp2"))
    planned = day.plan()
    day.run("run3", "exp2", receipts=False, loaded=False)
    before = day.left()
    assert not collect_garbage(day.store, planned, Cancel())
    assert day.left() == before


class Stopping(FolderStore):
    """Stops the work after so many deletions."""

    def __init__(self, folder: Path, cancel: Cancel, after: int) -> None:
        super().__init__(folder)
        self._cancel = cancel
        self._left = after

    def delete(self, name: str, *, generation: int) -> None:
        super().delete(name, generation=generation)
        self._left -= 1
        if self._left <= 0:
            self._cancel.set()


@pytest.mark.parametrize("after", range(1, 9))
def test_stopped_after_any_deletion_nothing_looks_whole_and_the_same_again_ends_it(
    day: Day, tmp_path: Path, after: int
) -> None:
    day.run("run1", day.export("exp1"))
    day.run("run2", day.export("exp2"))
    keep = {name for name in day.left() if "run1" not in name and "exp1" not in name}
    cancel = Cancel()
    stopping = Day(Stopping(tmp_path / "staging", cancel, after))
    stops(lambda: clean(stopping, cancel=cancel))
    left = day.left()
    assert keep <= left
    runs_left, exports_left = ({name for name in left - keep if word in name} for word in ("run1", "exp1"))
    if runs_left:
        assert day.names.loaded("run1") not in left
    if day.names.run_export("run1") in left:
        assert day.names.manifest("exp1") in left  # a run that says what it uses can be read
    if exports_left != {day.names.manifest("exp1"), *(day.names.shard_file("exp1", shard) for shard in (0, 1))}:
        assert day.names.manifest("exp1") not in left
    clean(day)
    assert day.left() == keep


def clean(day: Day, *, delete: bool = True, cancel: Cancel | None = None) -> list[DayGarbage]:
    now = datetime.now(UTC) + MONTH * 2
    return list(clean_up(day.store, day.names.pipeline, cancel or Cancel(), MONTH, now, delete=delete))


def stops(work: Callable[[], object]) -> None:
    with pytest.raises(InterruptedRunError):
        work()


def make_older(folder: Path, below: str, age: timedelta) -> None:
    """Let the files of a folder store have been written long ago."""
    for path in (folder / below).rglob("*.*"):
        microseconds = path.stat().st_mtime_ns // 1000
        older = microseconds - age // timedelta(microseconds=1)
        records = folder.joinpath(*records_of(path.relative_to(folder).as_posix()))
        (records / f"{microseconds}.json").rename(records / f"{older}.json")
        os.utime(path, ns=(older * 1000, older * 1000))
