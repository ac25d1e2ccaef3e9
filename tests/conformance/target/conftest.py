"""Where days go, as the one suite sees it: a table of each database, and Parquet files."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from loader.outcome import Outcome
from staging.config.pipeline import Pipeline
from staging.errors import PenstockError
from staging.process.cancel import Cancel
from tests.loader.runs import LoaderRun, Make, unwritten_runs
from tests.loader.target_fixtures import KINDS, LoaderTarget, load_run

Rows = list[tuple[Any, ...]]


class TargetUnderTest(ABC):
    """An empty target: what is in it is read without any code of the loader."""

    @abstractmethod
    def init(self, run: LoaderRun) -> None:
        """Make what has to be there before the first load."""

    @abstractmethod
    def pipeline(self, run: LoaderRun) -> Pipeline: ...

    @abstractmethod
    def rows(self) -> Rows:
        """(day, user_id, revenue, purchases) of all days."""

    @abstractmethod
    def versions(self) -> object:
        """What changes if a row is written, be it with the values it has."""

    @abstractmethod
    def state(self) -> object:
        """All that a load could change."""

    @abstractmethod
    def loaded_by(self) -> str:
        """The run that the ledger names for the test's day."""

    def load(self, run: LoaderRun, *, cancel: Cancel | None = None, **options: Any) -> Outcome:
        return load_run(self.pipeline(run), run, cancel=cancel, **options)

    def refuses(self, run: LoaderRun, error: type[PenstockError], *words: str, **options: Any) -> None:
        """The load fails so, says these words, and touches nothing."""
        before = self.state()
        with pytest.raises(error) as caught:
            self.load(run, **options)
        assert type(caught.value) in (error, *error.__subclasses__())
        for word in words:
            assert word in str(caught.value)
        assert caught.value.fix
        assert self.state() == before


class Table(TargetUnderTest):
    """A table of a database."""

    def __init__(self, kind: str, url: str) -> None:
        self._target = LoaderTarget(kind, url)

    def init(self, run: LoaderRun) -> None:
        self._target.init(run)

    def pipeline(self, run: LoaderRun) -> Pipeline:
        return self._target.pipeline(run)

    def rows(self) -> Rows:
        return self._target.rows()

    def versions(self) -> object:
        return self._target.state()[0]

    def state(self) -> object:
        return self._target.state()

    def loaded_by(self) -> str:
        return str(self._target.query("SELECT run_id FROM penstock_ledger WHERE day = '2026-11-14'")[0][0])


class Files(TargetUnderTest):
    """A folder of Parquet files; a reader begins with a day's manifest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def init(self, run: LoaderRun) -> None:
        """Nothing has to be there."""

    def pipeline(self, run: LoaderRun) -> Pipeline:
        source = {"url": "env:NO", "table": "purchases", "key": "id", "time": "purchased_at", "columns": ["amount"]}
        return Pipeline.model_validate(
            {
                "name": run.pipeline,
                "source": source | {"timezone": "Europe/Berlin"},
                "staging": {"url": run.staging_url},
                "target": {"parquet": self._folder.as_uri()},
            }
        )

    def rows(self) -> Rows:
        found: Rows = []
        for day, manifest in self._manifests().items():
            for part in manifest["parts"]:
                table = pq.read_table(self._folder / part["name"], partitioning=None)
                found += [(day, r["user_id"], r["revenue"], r["purchases"]) for r in table.to_pylist()]
        return sorted(found, key=repr)

    def versions(self) -> object:
        return {day: manifest["parts"] for day, manifest in self._manifests().items()}

    def state(self) -> object:
        files = [path for path in self._folder.rglob("*") if path.is_file() and ".penstock" not in path.parts]
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}

    def loaded_by(self) -> str:
        return str(self._manifests()["2026-11-14"]["run_id"])

    def _manifests(self) -> dict[str, dict[str, Any]]:
        paths = sorted(self._folder.glob("day=*/manifest.json"))
        return {path.parent.name.removeprefix("day="): json.loads(path.read_bytes()) for path in paths}


@pytest.fixture(params=[*KINDS, "parquet"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> TargetUnderTest:
    """Each adapter in turn, empty; a new one is one more parameter here."""
    if request.param == "parquet":
        return Files(tmp_path / "revenue")
    return Table(request.param, request.getfixturevalue(f"{request.param}_database"))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """What makes runs; each is written by its `write()`, so that a test may bend it before."""
    return unwritten_runs(tmp_path)
