"""What every target must do with a day: hold exactly what the parts say, once, whoever comes how often."""

from __future__ import annotations

from datetime import date

import pytest

from staging.documents.run import Loaded
from staging.errors import InterruptedRunError
from staging.process.cancel import Cancel
from tests.conformance.target.conftest import TargetUnderTest
from tests.loader.runs import Make, revenue
from tests.loader.target_fixtures import NOW, expected

pytestmark = pytest.mark.integration


def test_a_first_day_is_loaded_to_the_cent(target: TargetUnderTest, make: Make) -> None:
    target.init(run := make(rows=revenue(range(-20, 300))).write())
    outcome = target.load(run)
    assert target.rows() == expected(run)
    assert (outcome.already, outcome.loaded.rows, outcome.loaded.inserted) == (False, 320, 320)
    assert outcome.loaded.totals == {
        "revenue": f"{sum(row['revenue'] for row in run.rows):.2f}",
        "purchases": str(sum(row["purchases"] for row in run.rows)),
    }


def test_a_newer_run_replaces_the_day(target: TargetUnderTest, make: Make) -> None:
    target.init(first := make(rows=revenue(range(100))).write())
    target.load(first)
    rows = revenue(range(10, 130), cents=lambda user: user * 37 % 10_000 + (user == 50))
    target.load(second := make(2, rows=rows).write())
    assert target.rows() == expected(second)


def test_the_same_run_again_is_done_already_and_writes_nothing(target: TargetUnderTest, make: Make) -> None:
    target.init(run := make().write())
    first = target.load(run)
    before, told = target.state(), run.path("loaded.json").read_bytes()
    assert Loaded.parse(told, name="loaded.json") == first.loaded
    assert first.loaded.loaded_at == NOW
    again = target.load(run)
    assert (first.already, again.already) == (False, True)
    assert again.loaded.digest == first.loaded.digest
    assert target.state() == before
    assert run.path("loaded.json").read_bytes() == told


def test_an_equal_day_of_a_new_run_writes_no_row(target: TargetUnderTest, make: Make) -> None:
    target.init(run := make(1).write())
    target.load(run)
    before = target.versions()
    loaded = target.load(make(2).write()).loaded
    assert (loaded.inserted, loaded.updated, loaded.deleted) == (0, 0, 0)
    assert target.versions() == before
    assert target.loaded_by() == "run-0002"


def test_a_day_without_rows_empties_the_day_and_no_other(target: TargetUnderTest, make: Make) -> None:
    target.init(first := make(1).write())
    next_day = {"day": date(2026, 11, 15), "run_id": "run-next", "export_id": "export-next"}
    neighbour = make(1, rows=revenue(range(7)), **next_day).write()
    target.load(first)
    target.load(neighbour)
    loaded = target.load(make(2, rows=[]).write()).loaded
    assert (loaded.rows, loaded.deleted, loaded.totals["revenue"]) == (0, 30, "0.00")
    assert target.rows() == expected(neighbour)


def test_a_stopped_load_leaves_the_old_day(target: TargetUnderTest, make: Make) -> None:
    target.init(first := make(1).write())
    target.load(first)
    cancel = Cancel()
    cancel.set()
    with pytest.raises(InterruptedRunError):
        target.load(make(2, rows=[]).write(), cancel=cancel)
    assert target.rows() == expected(first)
