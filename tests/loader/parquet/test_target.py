"""A target of Parquet files: its manifest says what is current, plays the ledger, and never names half a day."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loader.outcome import Outcome
from loader.parquet import target as parquet_target
from loader.verify.day import verify_day
from loader.verify.run import Verification
from staging.config.pipeline import Pipeline
from staging.errors import HeldError, PenstockError
from staging.open_store import open_store
from staging.process.cancel import Cancel
from tests.exporter.arrow.parquet_lake import pipeline_of
from tests.loader.runs import DAY, LoaderRun, Make, revenue, unwritten_runs
from tests.loader.target_fixtures import load_run
from tests.shop.hand_made_export import flip_bits

pytestmark = pytest.mark.integration


@dataclass
class FilesTarget:
    """A folder of a target, read by pyarrow and json alone."""

    folder: Path

    @property
    def manifest_path(self) -> Path:
        return self.folder / f"day={DAY}" / "manifest.json"

    def pipeline(self, run: LoaderRun) -> Pipeline:
        source = {"url": "env:NO", "table": "purchases", "key": "id", "time": "purchased_at", "columns": ["amount"]}
        return Pipeline.model_validate(
            {
                "name": run.pipeline,
                "source": source | {"timezone": "Europe/Berlin"},
                "staging": {"url": run.staging_url},
                "target": {"parquet": self.folder.as_uri()},
            }
        )

    def load(self, run: LoaderRun, *, cancel: Cancel | None = None, **options: Any) -> Outcome:
        return load_run(self.pipeline(run), run, cancel=cancel, **options)

    def verify(self, run: LoaderRun) -> Verification:
        with open_store(run.staging_url) as store:
            return verify_day(self.pipeline(run), run.day, store=store, cancel=Cancel(), say=lambda _: None)

    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.manifest_path.read_bytes())
        return found

    def rows(self) -> list[dict[str, Any]]:
        """What a reader finds who begins with the manifest."""
        files = [self.folder / part["name"] for part in self.manifest()["parts"]]
        return sorted(pa.concat_tables(pq.read_table(f, partitioning=None) for f in files).to_pylist(), key=str)

    def state(self) -> dict[str, bytes]:
        files = [path for path in self.folder.rglob("*") if path.is_file() and ".penstock" not in path.parts]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}


@pytest.fixture
def target(tmp_path: Path) -> FilesTarget:
    return FilesTarget(tmp_path / "revenue")


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return unwritten_runs(tmp_path)


def flip_a_bit(path: Path) -> None:
    path.write_bytes(next(flip_bits(path.read_bytes(), 1)))


def expected(run: LoaderRun) -> list[dict[str, Any]]:
    return sorted((dict(row) for row in run.rows), key=str)


def test_the_manifest_names_parts_that_hold_the_day(target: FilesTarget, make: Make) -> None:
    run = make(fence=7).write()
    outcome = target.load(run)
    assert (outcome.loaded.rows, outcome.loaded.inserted, outcome.already) == (30, 30, False)
    assert target.rows() == expected(run)
    said = target.manifest()
    assert (said["run_id"], said["fence"], said["rows"], said["key"]) == (run.run_id, 7, 30, "user_id")
    assert Decimal(said["totals"]["revenue"]) == Decimal(run.total())
    assert run.path("loaded.json").exists()


def test_duckdb_reads_the_day_as_the_docs_say(target: FilesTarget, make: Make) -> None:
    target.load(make(1, rows=revenue(range(40))).write())
    target.load(run := make(2, rows=revenue(range(5, 60))).write())
    docs = (Path(__file__).parents[3] / "docs" / "sources_and_targets.md").read_text()
    (block,) = re.findall(r"```sql\n(SET VARIABLE.*?)```", docs, flags=re.DOTALL)
    *before, question = block.replace("gs://warehouse/revenue", str(target.folder)).strip().rstrip(";").split(";")
    with duckdb.connect() as connection:
        for statement in before:
            connection.execute(statement)
        assert connection.execute(question).fetchall() == [(DAY, sum(row["revenue"] for row in run.rows))]


def test_a_newer_run_replaces_the_day_and_readers_of_the_old_manifest_still_find_its_files(
    target: FilesTarget, make: Make
) -> None:
    target.load(make(1).write())
    old = target.manifest()
    outcome = target.load(newer := make(2, rows=revenue(range(5, 20))).write())
    assert (outcome.loaded.inserted, outcome.loaded.deleted) == (15, 30)
    assert target.rows() == expected(newer)
    assert all((target.folder / part["name"]).exists() for part in old["parts"])


def test_an_equal_day_writes_no_part(target: FilesTarget, make: Make) -> None:
    target.load(make(1).write())
    parts = target.manifest()["parts"]
    outcome = target.load(make(2).write())
    assert (outcome.loaded.inserted, outcome.loaded.updated, outcome.loaded.deleted) == (0, 0, 0)
    said = target.manifest()
    assert (said["run_id"], said["fence"], said["parts"]) == ("run-0002", 2, parts)
    assert not list(target.folder.rglob("run=run-0002"))


def test_an_equal_day_of_which_a_part_is_gone_is_written_again(target: FilesTarget, make: Make) -> None:
    target.load(make(1).write())
    (target.folder / target.manifest()["parts"][1]["name"]).unlink()
    target.load(newer := make(2).write())
    assert target.rows() == expected(newer)


@pytest.mark.parametrize("damage", ["gone", "all gone", "replaced", "left out", "figures"])
def test_files_that_are_not_as_they_were_loaded_are_written_again_by_the_same_run(
    target: FilesTarget, make: Make, damage: str
) -> None:
    target.load(run := make(1).write())
    said = target.manifest()
    paths = [target.folder / part["name"] for part in said["parts"]]
    for path in paths if damage == "all gone" else paths[:1] if damage == "gone" else []:
        path.unlink()
    with open_store(target.folder.as_uri()) as store:
        name = "day=2026-11-14/manifest.json"
        if damage == "replaced":
            store.delete(part := said["parts"][1]["name"], generation=said["parts"][1]["generation"])
            store.create(part, b"something else")
        if edit := {"left out": {"parts": said["parts"][:-1]}, "figures": {"rows": 7}}.get(damage):
            info = store.find(name)
            assert info is not None
            store.replace(name, json.dumps(said | edit).encode(), generation=info.generation)
    assert not target.load(run).already
    assert target.rows() == expected(run)
    assert target.manifest()["rows"] == 30
    assert target.load(run).already


def refused(target: FilesTarget, run: LoaderRun, error: type[PenstockError], *words: str, **options: Any) -> None:
    before = target.state()
    with pytest.raises(error) as caught:
        target.load(run, **options)
    for word in words:
        assert word in str(caught.value)
    assert target.state() == before


def test_of_two_loaders_at_once_the_higher_fence_wins(
    target: FilesTarget, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read the manifest before either replaces it; the newer run is faster, and the older one is late."""
    target.load(make(1).write())
    runs = [make(number, rows=revenue(range(number * 3))).write() for number in (2, 3)]
    together = threading.Barrier(2, timeout=20)
    newer_is_done = threading.Event()
    replace, met = parquet_target._replace, set[str]()

    def replace_together(*arguments: Any) -> bool:
        run_id = arguments[2].run_id
        if run_id not in met:
            met.add(run_id)
            together.wait()
        if run_id == "run-0002":
            assert newer_is_done.wait(20)
        replaced = replace(*arguments)
        newer_is_done.set()
        return replaced

    monkeypatch.setattr(parquet_target, "_replace", replace_together)
    ended: dict[str, Outcome | HeldError] = {}

    def load(run: LoaderRun) -> None:
        try:
            ended[run.run_id] = target.load(run)
        except HeldError as error:
            ended[run.run_id] = error

    threads = [threading.Thread(target=load, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert isinstance(ended["run-0002"], HeldError)
    assert isinstance(ended["run-0003"], Outcome)
    assert target.manifest()["run_id"] == "run-0003"
    assert target.rows() == expected(runs[1])


def failed(target: FilesTarget, run: LoaderRun) -> Sequence[str]:
    return [check.name for check in target.verify(run).checks if not check.ok]


def test_verify_finds_a_damaged_file_of_the_target_and_a_changed_manifest(target: FilesTarget, make: Make) -> None:
    target.load(run := make().write())
    asked = [check.name for check in target.verify(run).checks]
    assert asked == ["ledger", "documents", "conservation", "settings", "shards", "quarantine", "parts", "target"]
    without = failed(target, run)
    assert without == ["shards"]  # these runs are made without the exporter's files
    path = target.folder / target.manifest()["parts"][0]["name"]
    whole = path.read_bytes()
    flip_a_bit(path)
    assert failed(target, run) == [*without, "target"]
    path.write_bytes(whole)
    said = target.manifest()
    target.manifest_path.write_text(json.dumps(said | {"totals": said["totals"] | {"revenue": "0.01"}}))
    assert "target" in failed(target, run) or "ledger" in failed(target, run)


def test_target_and_staging_lie_apart(make: Make, tmp_path: Path) -> None:
    run = make().write()
    with pytest.raises(ValueError, match="lie in each other"):
        FilesTarget(run.folder / "revenue").pipeline(run)
    with pytest.raises(ValueError, match="is for a table"):
        Pipeline.model_validate(
            FilesTarget(tmp_path / "x").pipeline(run).model_dump(by_alias=True, exclude_none=True)
            | {"target": {"parquet": "file:///x", "url": "sqlite:///x", "table": "revenue"}}
        )


KILLS = 12


@pytest.mark.nightly
def test_a_loader_that_is_killed_at_any_moment_leaves_the_old_day_or_the_new_one(
    target: FilesTarget, make: Make, tmp_path: Path
) -> None:
    """Real processes, real SIGKILL at moments spread over the whole load; then the same run is loaded to its end."""
    target.load(old := make(1, rows=revenue(range(3000))).write())
    days = {json.dumps(expected(old), default=str)}

    def start(run: LoaderRun) -> subprocess.Popen[bytes]:
        config = tmp_path / "pipeline.toml"
        text = pipeline_of(tmp_path).replace(f'url = "sqlite:///{tmp_path}/target.sqlite"\ntable = "revenue"\n', "")
        config.write_text(text.replace("[target]", f'[target]\nparquet = "{target.folder.as_uri()}"'))
        arguments = ("--config", str(config), "--day", str(DAY), "--run-id", run.run_id)
        return subprocess.Popen(
            [sys.executable, "-m", "loader", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    began = time.monotonic()
    assert start(make(2, rows=revenue(range(10, 3010))).write()).wait() == 0
    seconds = time.monotonic() - began
    for number in range(3, 3 + KILLS):
        days.add(json.dumps(target.rows(), default=str))
        run = make(number, rows=revenue(range(number * 10, number * 10 + 3000))).write()
        days.add(json.dumps(expected(run), default=str))
        loader = start(run)
        time.sleep(seconds * (0.4 + 0.7 * (number - 3) / KILLS))
        loader.kill()
        loader.wait()
        assert json.dumps(target.rows(), default=str) in days
        if number % 3 == 0:
            assert target.load(run).loaded.run_id == run.run_id
            assert target.rows() == expected(run)
        days.clear()
