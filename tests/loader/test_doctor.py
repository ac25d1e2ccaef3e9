"""`doctor` looks whether the rows of a stored day fit the target, and not its types alone."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from loader.doctor import examine_target
from staging.documents.head import change_head
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.finding import Finding
from tests.loader.runs import LoaderRun, loader_runs
from tests.loader.target_fixtures import NOW, LoaderTarget

pytestmark = pytest.mark.integration

OUTPUT = pl.Schema({"user_id": pl.Int64(), "revenue": pl.Decimal(28, 2), "purchases": pl.Int64()})


def looked_at(target: LoaderTarget, run: LoaderRun) -> dict[str, Finding]:
    with open_store(run.staging_url) as store:
        fields = {"head_id": run.head_id, "fence": 1, "run_id": run.run_id, "export_id": run.export_id}
        change_head(store, DayNames(run.pipeline, run.day), lambda *_: fields, NOW)
    return {found.name: found for found in examine_target(target.pipeline(run), OUTPUT, ("user_id",))}


def test_values_that_are_too_large_for_a_column_are_named(postgres_database: str, tmp_path: Path) -> None:
    target = LoaderTarget("postgres", postgres_database)
    rows = [{"user_id": 1, "revenue": Decimal("33420.41"), "purchases": 1}]
    target.init(run := loader_runs(tmp_path)(rows))
    assert looked_at(target, run)["stored day"].level == "ok"
    target.execute("ALTER TABLE revenue ALTER revenue TYPE numeric(4,2)")
    found = looked_at(target, run)
    assert found["target fit"].level == "ok"
    assert found["stored day"].level != "ok"
    assert "numeric(4,2); values reach from 33420.41" in found["stored day"].text
