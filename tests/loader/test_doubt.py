"""A day is compared with the last seven stored ones: too few or too many rows end with 40, before the load."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from loader.doubt import DoubtedDayError
from loader.load_day import load_day
from staging.config.pipeline import Pipeline
from staging.documents.head import change_head
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.cancel import Cancel
from tests.loader.runs import DAY, LoaderRun, Make, revenue, unwritten_runs
from tests.loader.target_fixtures import NOW, LoaderTarget

WEEK = (100, 90, 110, 100, 95, 105, 100)


class Shop:
    """Days in one bucket and one SQLite target, each with the head that a chain would have made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.make: Make = unwritten_runs(folder)
        self.target = LoaderTarget("sqlite", f"sqlite:///{folder}/target.db")
        self.said: list[str] = []

    def init(self) -> Shop:
        self.target.init(self.make(1))
        return self

    def stored(self, back: int, rows: int, *, number: int = 1, **options: Any) -> LoaderRun:
        """A run of a day so many days before, with its head."""
        day = DAY - timedelta(days=back)
        known = {"run_id": f"run-{day:%d}-{number}", "export_id": f"export-{day:%d}-{number}", "fence": number}
        end = datetime(day.year, day.month, day.day, 23, tzinfo=UTC)
        as_of = options.pop("as_of", end + timedelta(hours=3))
        beside = options.pop("refunds", None)
        run = self.make(number, rows=revenue(range(rows)), day=day, as_of=as_of, **{**known, **options})
        if beside is not None:
            run.manifest["tables"] = [refunds(run, beside)]
        run.write()
        with open_store(run.staging_url) as store:
            names = DayNames(run.pipeline, day)
            fields = {"head_id": run.head_id, "fence": number, "run_id": run.run_id, "export_id": run.export_id}
            change_head(store, names, lambda *_: fields, NOW)
        return run

    def load(self, run: LoaderRun, *, accept_change: bool = False, **checks: Any) -> int:
        settings = self.target.settings_of(run, {}) | {"checks": checks}
        with open_store(run.staging_url) as store:
            outcome = load_day(
                Pipeline.model_validate(settings),
                run.day,
                run.run_id,
                store=store,
                now=lambda: NOW,
                cancel=Cancel(),
                say=self.said.append,
                accept_change=accept_change,
            )
        return outcome.loaded.rows

    def week(self, counts: Sequence[int] = WEEK) -> None:
        for back, rows in enumerate(counts, start=1):
            self.load(self.stored(back, rows), max_drop=1.0)


def refunds(run: LoaderRun, rows: int) -> dict[str, Any]:
    """What a manifest says of a table beside the leading one; all its rows lie in the first shard."""
    columns = [
        {"name": "id", "dtype": "Int64", "source_type": "bigint", "nullable": False},
        {"name": "refunded_at", "dtype": "Datetime(us)", "source_type": "timestamp", "nullable": False},
    ]
    text = json.dumps([[c["name"], c["dtype"], c["nullable"]] for c in columns])
    name = DayNames(run.pipeline, run.day).shard_file(run.export_id, 0, table="refunds")
    file = {"name": name, "generation": 1, "size_bytes": 1, "crc32c": 0, "sha256": "0" * 64, "rows": rows}
    empty = {"files": [], "rows": 0, "min_key": None, "max_key": None, "sums": {}}
    shards = [{"shard": shard} | empty | ({"files": [file], "rows": rows} if shard == 0 else {}) for shard in range(3)]
    return {
        "name": "refunds",
        "table": "refunds",
        "key": "id",
        "time": "refunded_at",
        "where": None,
        "allow_null": [],
        "only_keys": False,
        "statement": "SELECT …",
        "table_columns": [],
        "columns": columns,
        "schema_fingerprint": hashlib.sha256(text.encode()).hexdigest(),
        "shards": shards,
        "rows": rows,
        "sums": {},
        "keys_without_row": None,
    }


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path).init()


@pytest.fixture(scope="module")
def seven_loaded_days(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop whose week is loaded: made once, and copied for each test."""
    shop = Shop(tmp_path_factory.mktemp("week")).init()
    shop.week()
    return shop


@pytest.fixture
def after_a_week(seven_loaded_days: Shop, tmp_path: Path) -> Shop:
    """One that each test may change."""
    shop = Shop(tmp_path)
    shutil.copytree(seven_loaded_days.folder, tmp_path, dirs_exist_ok=True)
    return shop


def doubted(shop: Shop, run: LoaderRun, *words: str, **checks: Any) -> None:
    before = shop.target.rows()
    with pytest.raises(DoubtedDayError) as caught:
        shop.load(run, **checks)
    assert caught.value.exit_code == 40
    for word in words:
        assert word in str(caught.value)
    assert shop.target.rows() == before


def test_a_day_whose_end_has_passed_is_doubted_though_the_database_calls_it_unfinished(after_a_week: Shop) -> None:
    """A forgotten prepared transaction, or a materialized view, makes every day unfinished, the empty ones, too."""
    run = after_a_week.stored(0, 9)
    run.manifest["reading"]["not_over"] = "a transaction is prepared"
    run.write()
    doubted(after_a_week, run, "9 rows", "median of the last 7 stored days is 100")


def test_days_that_are_unfinished_though_their_end_has_passed_are_a_measure(shop: Shop) -> None:
    for back in range(1, 8):
        run = shop.stored(back, 100)
        run.manifest["reading"]["not_over"] = "rows come from a materialized view"
        run.write()
        shop.load(run)
    doubted(shop, shop.stored(0, 0), "0 rows", "median of the last 7 stored days is 100")


@pytest.mark.parametrize("rows", [0, 9])
def test_an_empty_or_shrunken_day_is_doubted_with_both_figures(after_a_week: Shop, rows: int) -> None:
    doubted(
        after_a_week, run := after_a_week.stored(0, rows), f"{rows} rows", "median of the last 7 stored days is 100"
    )
    assert after_a_week.load(run, accept_change=True) == rows
    assert after_a_week.load(run) == rows  # what was accepted is not doubted again


def test_a_table_beside_the_leading_one_that_is_empty_is_doubted_with_its_name(shop: Shop) -> None:
    """Else a day without its refunds would be revenue that nobody had."""
    for back in range(1, 8):
        shop.load(shop.stored(back, 100, refunds=20))
    doubted(shop, run := shop.stored(0, 100, refunds=1), "refunds has 1 rows", "the last 7 stored days is 20")
    assert shop.load(run, max_drop=1) == 100
    assert shop.load(shop.stored(0, 100, refunds=2, number=2)) == 100


def test_a_table_of_ten_rows_a_day_is_not_expected_to_be_empty(shop: Shop) -> None:
    for back in range(1, 8):
        shop.load(shop.stored(back, 100, refunds=10))
    doubted(shop, shop.stored(0, 100, refunds=0), "refunds has 0 rows")


def test_a_table_that_has_few_rows_a_day_may_have_none(shop: Shop) -> None:
    for back in range(1, 8):
        shop.load(shop.stored(back, 100, refunds=9))
    assert shop.load(shop.stored(0, 100, refunds=0)) == 100


def test_a_tenth_of_the_median_is_no_reason(after_a_week: Shop) -> None:
    assert after_a_week.load(after_a_week.stored(0, 10)) == 10


def test_the_first_day_of_all_is_compared_with_min_rows_alone(shop: Shop) -> None:
    doubted(shop, run := shop.stored(0, 0), "0 rows", "checks.min_rows is 1", min_rows=1)
    assert shop.load(run) == 0
    assert shop.load(shop.stored(0, 7, number=2), min_rows=7) == 7


def test_bounds_are_settings(after_a_week: Shop) -> None:
    doubted(after_a_week, after_a_week.stored(0, 49), "checks.max_drop is 0.5", max_drop=0.5)
    doubted(
        after_a_week, grown := after_a_week.stored(0, 501, number=2), "501 rows", "checks.max_rise is 4", max_rise=4
    )
    assert after_a_week.load(grown, max_rise=4.01) == 501
    assert after_a_week.load(after_a_week.stored(0, 0, number=3), max_drop=1) == 0


def test_a_day_that_has_grown_fiftyfold_is_told_and_loaded(shop: Shop) -> None:
    shop.week((4, 4, 4))
    assert shop.load(shop.stored(0, 200)) == 200
    assert any("200 rows" in line and "checks.max_rise" in line for line in shop.said)


def test_seven_days_count_and_older_ones_do_not(shop: Shop) -> None:
    shop.week((*[10] * 7, *[1000] * 3))
    assert shop.load(shop.stored(0, 9)) == 9


@pytest.mark.parametrize("back", [100, 101])
def test_a_day_counts_that_lies_a_hundred_days_back_and_none_before(shop: Shop, back: int) -> None:
    shop.load(shop.stored(back, 100))
    run = shop.stored(0, 9)
    if back == 100:
        doubted(shop, run, "9 rows", "is 100")
    else:
        assert shop.load(run) == 9


def test_days_that_nobody_loaded_or_that_were_read_early_count_for_no_median(shop: Shop) -> None:
    """Else a fault that lasts would be taken for normal after four nights."""
    shop.week((100,))
    for back in range(2, 6):
        shop.stored(back, 0)  # refused, night after night
    early = DAY - timedelta(days=6)
    shop.load(shop.stored(6, 0, as_of=datetime(early.year, early.month, early.day, 8, tzinfo=UTC)))
    doubted(shop, shop.stored(0, 0), "the median of the last 1 stored days is 100")


def test_an_early_look_at_a_day_may_be_small(after_a_week: Shop) -> None:
    early = after_a_week.stored(0, 1, as_of=datetime(DAY.year, DAY.month, DAY.day, 1, tzinfo=UTC))
    assert after_a_week.load(early, min_rows=50) == 1


def test_rows_that_a_transform_loses_are_doubted_too(after_a_week: Shop) -> None:
    """All were set aside: every sum agrees, and the target would be emptied."""
    run = after_a_week.stored(0, 100)
    lost = after_a_week.make(2, rows=[], day=DAY, run_id="run-lost", export_id="export-lost", fence=2, as_of=run.as_of)
    for shard in range(3):
        sums = run.manifest["shards"][shard]
        lost.manifest["shards"][shard] |= {"rows": sums["rows"], "sums": sums["sums"]}
        lost.manifest["shards"][shard]["files"][0]["rows"] = sums["rows"]
        total = sums["sums"]["amount"]
        conserved = lost.receipts[shard]["conserved"][0] | {"shard": total, "quarantine": total}
        lost.receipts[shard] |= {"rows_in": sums["rows"], "rows_quarantined": sums["rows"], "conserved": [conserved]}
    lost.manifest |= {"rows": 100, "sums": run.manifest["sums"]}
    doubted(after_a_week, lost.write(), "0 rows of output", "is 100")


def test_another_transforms_output_is_no_measure(after_a_week: Shop) -> None:
    run = after_a_week.make(1, rows=revenue(range(3)), day=DAY, as_of=datetime(2026, 11, 15, 3, tzinfo=UTC))
    for receipt in run.receipts.values():
        receipt["transform"] = "own:by_country"
    run.manifest["rows"] = 3
    assert after_a_week.load(run.write(), max_drop=0.98) == 3


def test_all_that_is_unusual_and_what_may_be_behind_it_is_told(after_a_week: Shop) -> None:
    doubted(
        after_a_week,
        after_a_week.stored(0, 3),
        "3 rows, checks.min_rows is 50",
        "3 rows, the median",
        "3 rows of output",
        "a filter, a right",
        min_rows=50,
    )


def test_a_run_that_was_accepted_is_not_doubted_where_its_note_or_the_ledgers_row_is_gone(after_a_week: Shop) -> None:
    """A loader may be killed between the two; and a person may empty the target to have the day loaded again."""
    after_a_week.load(run := after_a_week.stored(0, 3), accept_change=True)
    with open_store(run.staging_url) as store:
        note = store.find(DayNames(run.pipeline, run.day).loaded(run.run_id))
        assert note is not None
        store.delete(note.name, generation=note.generation)
    assert after_a_week.load(run) == 3
    after_a_week.target.execute(f"DELETE FROM penstock_ledger WHERE day = '{run.day}'")
    assert after_a_week.load(run) == 3


def test_an_export_that_the_target_has_is_not_doubted_when_it_is_processed_again(shop: Shop) -> None:
    shop.week([3] * 7)
    first = shop.stored(0, 3)
    shop.load(first, min_rows=50, accept_change=True)
    assert shop.load(shop.stored(0, 3, number=2, export_id=first.export_id), min_rows=50) == 3
    doubted(shop, shop.stored(0, 3, number=3), "checks.min_rows is 50", min_rows=50)


def test_ten_times_the_rows_are_not_worth_a_word_and_one_more_is(shop: Shop) -> None:
    shop.week([4] * 3)
    shop.load(shop.stored(0, 40))
    assert not any("checks.max_rise" in line for line in shop.said)
    shop.load(shop.stored(0, 41, number=2))
    assert any("41 rows" in line and "checks.max_rise" in line for line in shop.said)


def test_of_a_partial_output_only_too_few_rows_mean_something(shop: Shop) -> None:
    """Each shard has rows of the same keys: more are counted than will be loaded."""
    shop.week([4] * 3)
    run = shop.stored(0, 44)
    for receipt in run.receipts.values():
        receipt["merge"] = {"revenue": "sum", "purchases": "sum"}
    with pytest.raises(DoubtedDayError) as caught:
        shop.load(run.write(), max_rise=4)
    assert "44 rows, the median" in str(caught.value)
    assert "rows of output" not in str(caught.value)
