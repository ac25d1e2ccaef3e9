"""The columns of a table against those of the pipeline's last export."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from staging.config.pipeline import Pipeline
from staging.errors import InputError
from staging.store import ObjectInfo, Store
from tests.exporter.days import DAY, Export, committed, pipeline, run_export
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

NEXT = DAY + timedelta(days=1)
COLUMNS = {
    "id": None,
    "purchased_at": "timestamp NOT NULL",
    "amount": "decimal(10,2) NOT NULL",
    "note": "varchar(20) NOT NULL",
    "gift": "integer",
}


@pytest.fixture(params=["postgres_database", "mariadb_database", "mysql_database"])
def database(request: pytest.FixtureRequest) -> Database:
    rows = [(1, f"{day} 12:00:00", "1.50", "a", 1) for day in (DAY, NEXT)]
    return create_purchases(request.getfixturevalue(request.param), rows, columns=COLUMNS, index=False)


def _pipeline(database: Database, folder: Path, mode: str | None = None, **source: Any) -> Pipeline:
    settings = {"columns": ["amount", "note"], "timezone": "UTC"} | source
    return pipeline(database.url, folder, export={"schema_changes": mode} if mode else {}, **settings)


def _export(database: Database, folder: Path, day: date = DAY, mode: str | None = None, **source: Any) -> Export:
    return run_export(
        _pipeline(database, folder, mode, **source), day=day, run_id=f"run-{day}-{mode or 'default'}".replace("_", "-")
    )


def _alter(database: Database, column: str, declared: str) -> None:
    if database.is_mysql_family:
        database.execute(f"ALTER TABLE purchases MODIFY {column} {declared}")
        return
    kind = declared.removesuffix(" NOT NULL").removesuffix(" NULL")
    database.execute(f"ALTER TABLE purchases ALTER {column} TYPE {kind} USING {column}::text::{kind}")
    change = "SET" if declared.endswith("NOT NULL") else "DROP"
    database.execute(f"ALTER TABLE purchases ALTER {column} {change} NOT NULL")


@pytest.mark.parametrize("mode", ["refuse", "accept_new_columns", None])
def test_a_carried_column_of_another_type_is_refused_with_what_was_and_what_is(
    database: Database, tmp_path: Path, mode: str | None
) -> None:
    _export(database, tmp_path)
    before = committed(tmp_path)
    _alter(database, "amount", "decimal(12,3) NOT NULL")
    with pytest.raises(InputError) as caught:
        _export(database, tmp_path, NEXT, mode)
    assert f"when {DAY} was read" in caught.value.what
    assert "amount was " in caught.value.why
    assert "(Decimal(10, 2)) and is " in caught.value.why
    assert "(Decimal(12, 3))." in caught.value.why
    assert caught.value.fix.endswith("--set export.schema_changes=accept_all")
    assert committed(tmp_path) == before


def test_what_was_accepted_once_is_what_the_days_after_are_compared_with(database: Database, tmp_path: Path) -> None:
    _export(database, tmp_path)
    _alter(database, "amount", "decimal(12,3) NOT NULL")
    export = _export(database, tmp_path, NEXT, "accept_all")
    assert export.rows()[0]["amount"].as_tuple().exponent == -3
    _export(database, tmp_path, NEXT + timedelta(days=1))
    _alter(database, "amount", "decimal(10,2) NOT NULL")
    with pytest.raises(InputError, match=f"when {NEXT + timedelta(days=1)} was read"):
        _export(database, tmp_path, NEXT + timedelta(days=3))


def test_a_carried_column_that_may_be_null_now_is_refused_and_the_other_way_round_is_not(
    database: Database, tmp_path: Path
) -> None:
    _export(database, tmp_path)
    _alter(database, "note", "varchar(20) NULL")
    with pytest.raises(InputError, match="other columns") as caught:
        _export(database, tmp_path, NEXT)
    assert caught.value.why == "note was never NULL and may be now."
    _export(database, tmp_path, NEXT, "accept_all")
    _alter(database, "note", "varchar(20) NOT NULL")
    _export(database, tmp_path, NEXT + timedelta(days=1))


def test_a_longer_text_is_the_same_type(database: Database, tmp_path: Path) -> None:
    _export(database, tmp_path)
    _alter(database, "note", "varchar(200) NOT NULL")
    _export(database, tmp_path, NEXT)


def test_columns_that_nobody_carries_break_a_night_only_where_that_is_asked_for(
    database: Database, tmp_path: Path
) -> None:
    _export(database, tmp_path)
    database.execute("ALTER TABLE purchases ADD coupon varchar(9)")
    database.execute("ALTER TABLE purchases DROP gift")
    with pytest.raises(InputError) as caught:
        _export(database, tmp_path, NEXT, "refuse")
    assert caught.value.why == "coupon is new; gift is gone."
    assert caught.value.fix.endswith("--set export.schema_changes=accept_new_columns")
    export = _export(database, tmp_path, NEXT)
    assert export.manifest["source"]["table_columns"] == ["amount", "coupon", "note", "purchased_at", "user_id"]
    _export(database, tmp_path, NEXT + timedelta(days=1), "refuse")


def test_a_column_that_the_pipeline_names_since_today_is_no_drift(database: Database, tmp_path: Path) -> None:
    _export(database, tmp_path)
    _export(database, tmp_path, NEXT, "refuse", columns=["amount", "gift"])


def test_a_time_that_knows_its_zone_now_means_something_else(postgres_database: str, tmp_path: Path) -> None:
    database = create_purchases(postgres_database, columns=COLUMNS, index=False)
    _export(database, tmp_path)
    database.execute("ALTER TABLE purchases ALTER purchased_at TYPE timestamptz")
    with pytest.raises(InputError) as caught:
        _export(database, tmp_path, NEXT)
    assert "purchased_at was TIMESTAMP WITHOUT TIME ZONE and is TIMESTAMP WITH TIME ZONE" in caught.value.why


def test_only_the_last_week_is_looked_at(database: Database, tmp_path: Path) -> None:
    _export(database, tmp_path, DAY - timedelta(days=3))
    _alter(database, "amount", "decimal(12,3) NOT NULL")
    with pytest.raises(InputError):
        _export(database, tmp_path, DAY + timedelta(days=4))
    _export(database, tmp_path, DAY + timedelta(days=5))


def test_a_day_read_afresh_is_compared_with_itself(database: Database, tmp_path: Path) -> None:
    _export(database, tmp_path)
    _alter(database, "amount", "decimal(12,3) NOT NULL")
    with pytest.raises(InputError, match=f"when {DAY} was read"):
        run_export(_pipeline(database, tmp_path), run_id="run-again", fresh_export=True)


def test_an_export_that_was_cleaned_up_is_passed_over(database: Database, tmp_path: Path) -> None:
    first = _export(database, tmp_path)
    second = _export(database, tmp_path, NEXT)
    second.folder.joinpath(f"daily_revenue/day={NEXT}/export={second.manifest['export_id']}/manifest.json").unlink()
    _alter(database, "amount", "decimal(12,3) NOT NULL")
    with pytest.raises(InputError, match=f"when {first.manifest['day']} was read"):
        _export(database, tmp_path, NEXT + timedelta(days=1))


@dataclass
class _Older:
    """A store to which an older version writes: its manifests don't describe the table whole."""

    store: Store

    def create(self, name: str, data: bytes) -> ObjectInfo:
        if name.endswith("manifest.json"):
            document = json.loads(data)
            del document["source"]["table_columns"]
            data = json.dumps(document).encode()
        return self.store.create(name, data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


def test_a_manifest_of_before_tables_were_described_whole_says_nothing_of_other_columns(
    database: Database, tmp_path: Path
) -> None:
    run_export(_pipeline(database, tmp_path), wrap_store=_Older)
    database.execute("ALTER TABLE purchases ADD coupon varchar(9)")
    _alter(database, "note", "varchar(20) NULL")
    with pytest.raises(InputError) as caught:
        _export(database, tmp_path, NEXT, "refuse")
    assert caught.value.why == "note was never NULL and may be now."


def test_files_of_another_type_than_yesterdays_are_refused_alike(tmp_path: Path) -> None:
    for day, amount in ((DAY, pa.decimal128(10, 2)), (NEXT, pa.decimal128(12, 3))):
        at = pa.array([datetime(day.year, day.month, day.day, 12, tzinfo=UTC)], pa.timestamp("us", "UTC"))
        columns = {"user_id": pa.array([1]), "purchased_at": at, "amount": pa.array([Decimal("1.5")], amount)}
        pq.write_table(pa.table(columns), tmp_path / f"{day}.parquet")
    settings = Pipeline.model_validate(
        {
            "name": "daily_revenue",
            "source": {
                "parquet": f"file://{tmp_path}/{{day}}.parquet",
                "key": "user_id",
                "time": "purchased_at",
                "columns": ["amount"],
                "timezone": "UTC",
            },
            "staging": {"url": f"file://{tmp_path}/stage"},
            "target": {"url": "sqlite:///target.db", "table": "revenue"},
        }
    )
    run_export(settings)
    with pytest.raises(InputError) as caught:
        run_export(settings, day=NEXT, run_id="run-0002")
    assert caught.value.what.startswith(f"Parquet file://{tmp_path}/")
    assert "(Decimal(10, 2)) and is " in caught.value.why
