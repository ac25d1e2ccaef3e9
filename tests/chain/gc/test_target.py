"""Files of a Parquet target: what no manifest names goes, what is the day stays, whatever its age."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from chain.gc.plan import DayGarbage
from chain.gc.target import clean_up_target
from staging.documents.lease import DayLease
from staging.documents.run import Lease
from staging.documents.run_start import begin_run
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.cancel import Cancel
from tests.loader.parquet.test_target import FilesTarget
from tests.loader.runs import LoaderRun, Make, revenue, unwritten_runs

DAY = date(2026, 11, 14)
NAMES = DayNames("daily_revenue", DAY)


@pytest.fixture
def target(tmp_path: Path) -> FilesTarget:
    return FilesTarget(tmp_path / "revenue")


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return unwritten_runs(tmp_path)


def loaded_twice(target: FilesTarget, make: Make, head_run: str = "run-9999") -> LoaderRun:
    target.load(make(1).write())
    target.load(newer := make(2, rows=revenue(range(5, 20))).write())
    with open_store(newer.staging_url) as store:
        begin_run(store, NAMES, head_run, kind="run", fresh_export=False, now=datetime.now(UTC))
    return newer


def clean_up(target: FilesTarget, run: LoaderRun, *, days: int, delete: bool = True) -> list[DayGarbage]:
    """As of a hundred days from now."""
    with open_store(run.staging_url) as store, open_store(target.folder.as_uri()) as files:
        now = datetime.now(UTC) + timedelta(days=100)
        cleaned = clean_up_target(
            store, files, run.pipeline, Cancel(), older_than=timedelta(days=days), now=now, delete=delete
        )
        return list(cleaned)


def runs_there(target: FilesTarget) -> set[str]:
    return {path.parent.name for path in target.folder.rglob("part-*.parquet") if ".penstock" not in path.parts}


def test_the_files_of_an_earlier_load_go_and_those_of_the_day_stay(target: FilesTarget, make: Make) -> None:
    newer = loaded_twice(target, make)
    rows = target.rows()
    (planned,) = clean_up(target, newer, days=30, delete=False)
    assert [(bundle.kind, bundle.id) for bundle in planned.bundles] == [("files", "run-0001")]
    assert runs_there(target) == {"run=run-0001", "run=run-0002"}
    clean_up(target, newer, days=30)
    assert runs_there(target) == {"run=run-0002"}
    assert target.rows() == rows
    assert target.load(newer).already


def test_young_files_stay(target: FilesTarget, make: Make) -> None:
    clean_up(target, loaded_twice(target, make), days=101)
    assert runs_there(target) == {"run=run-0001", "run=run-0002"}


def test_files_of_the_heads_run_stay_for_it_may_be_loading(target: FilesTarget, make: Make) -> None:
    clean_up(target, loaded_twice(target, make, head_run="run-0001x"), days=30)
    newer = make(3, rows=[]).write()
    (target.folder / f"day={DAY}" / "run=run-0001x").mkdir()
    (target.folder / f"day={DAY}" / "run=run-0001x" / "part-00000.parquet").write_bytes(b"half")
    clean_up(target, newer, days=30)
    assert "run=run-0001x" in runs_there(target)


@pytest.mark.parametrize("why", ["no manifest", "another pipeline", "no head", "held"])
def test_what_nobody_can_tell_of_is_kept_whole(target: FilesTarget, make: Make, why: str) -> None:
    newer = loaded_twice(target, make)
    with open_store(newer.staging_url) as store, open_store(target.folder.as_uri()) as files:
        info = files.find(name := f"day={DAY}/manifest.json")
        assert info is not None
        if why == "no manifest":
            files.delete(name, generation=info.generation)
        if why == "another pipeline":
            text = target.manifest_path.read_bytes().replace(b'"daily_revenue"', b'"other"')
            files.replace(name, text, generation=info.generation)
        if why == "no head":
            head = store.find(NAMES.head())
            assert head is not None
            store.delete(NAMES.head(), generation=head.generation)
        if why == "held":
            lease = Lease(holder="ada", nonce="n", since=datetime.now(UTC), seconds=200 * 86_400)
            DayLease(store, NAMES, lease, lambda: datetime.now(UTC)).take()
    (found,) = clean_up(target, newer, days=30)
    assert found.kept_whole
    assert runs_there(target) == {"run=run-0001", "run=run-0002"}
