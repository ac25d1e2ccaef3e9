"""Keys of several columns where no adapter of ours reads them: Parquet files, a Python function, any dialect; and what
`plan` and `doctor` say of them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from chain.cli import cli
from databases.url import parse_url
from exporter.any_dialect import AnySource
from exporter.port.database import Source
from staging.config.file import load_pipeline
from staging.errors import InputError
from tests.acceptance.whole_day import WholeDay
from tests.exporter.days import Export, pipeline, run_export
from tests.shop.composite import DAY, KEYS, CompositeShop, KeyRow, purchases
from tests.shop.shops import Shop
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

KIND = "text, bytes, number"
KEY = list(KEYS[KIND])
ARROW = {"user_id": pa.string(), "device": pa.binary(), "shop_id": pa.int64()}
MODULE = """
import pyarrow.parquet as pq

def read(day, start, end):
    yield from pq.ParquetFile({path!r}).iter_batches(100)
"""


def arrow_table(rows: list[KeyRow]) -> pa.Table:
    """The columns in another order than the key's, the time first."""
    columns = dict(zip(KEY, zip(*(row.key for row in rows), strict=True), strict=True))
    made = {"purchased_at": pa.array([row.at for row in rows], pa.timestamp("us", "UTC"))}
    made |= {name: pa.array(columns[name], ARROW[name]) for name in reversed(KEY)}
    return pa.table(made | {"amount": pa.array([row.amount for row in rows], pa.decimal128(12, 2))})


def whole_day(folder: Path, **source: Any) -> WholeDay:
    """A pipeline whose source is no database; its target is a new SQLite file."""
    target = Database(f"sqlite:///{folder}/target.sqlite")
    (folder / "staging").mkdir()
    day = WholeDay(Shop("composite", ()), DAY, target, target, (folder / "staging").as_uri(), folder)
    none = {"url": None, "table": None, "schema": None}
    day.write_config(source={"key": KEY, **none, **source})
    return day


def inside(rows: list[KeyRow]) -> Counter[tuple[Any, ...]]:
    return Counter((*row.key, row.at, row.amount) for row in rows if DAY.holds(row.at))


def check_shards(export: Export, shop: CompositeShop, rows: list[KeyRow]) -> None:
    """Every row of the day is there, in the shard that plain Python says."""
    found: Counter[tuple[Any, ...]] = Counter()
    for number, shard in enumerate(export.manifest["shards"]):
        for row in export.table(number).to_pylist() if shard["files"] else ():
            key = tuple(row[name] for name in shop.key)
            assert shop.home(key, len(export.manifest["shards"])) == number
            found[(*key, row["purchased_at"], row["amount"])] += 1
    assert found == inside(rows)


@pytest.mark.parametrize("kind", ["parquet", "python"])
def test_rows_that_come_from_no_database_are_keyed_alike(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = purchases(KIND, 600)
    (tmp_path / "lake").mkdir()
    lake = tmp_path / "lake" / "0.parquet"
    pq.write_table(arrow_table(rows), lake, row_group_size=90)
    if kind == "parquet":
        day = whole_day(tmp_path, parquet=f"file://{tmp_path}/lake/*.parquet")
    else:
        (tmp_path / "made_composite.py").write_text(MODULE.format(path=str(lake)))
        monkeypatch.syspath_prepend(tmp_path)
        day = whole_day(tmp_path, python="made_composite:read")
    shop = CompositeShop(day.target, KIND)
    day.create_tables()
    day.run_in_process()
    assert shop.revenue(day.target) == shop.expected(rows)
    export = run_export(load_pipeline(day.config, environ={}), run_id="run-0002", fresh_export=True)
    check_shards(export, shop, rows)


@pytest.mark.parametrize("column", KEY)
def test_a_null_in_a_column_of_a_key_in_files_is_named_by_the_others(tmp_path: Path, column: str) -> None:
    rows = [row for row in purchases(KIND, 60) if DAY.holds(row.at)]
    (tmp_path / "lake").mkdir()
    table = arrow_table(rows)
    values = [None, *table[column].to_pylist()[1:]]
    place = table.schema.get_field_index(column)
    pq.write_table(table.set_column(place, column, pa.array(values, ARROW[column])), tmp_path / "lake" / "0.parquet")
    day = whole_day(tmp_path, parquet=f"file://{tmp_path}/lake/*.parquet")
    with pytest.raises(InputError) as error:
        run_export(load_pipeline(day.config, environ={}))
    assert error.value.what.startswith(f"Column {column} (")
    others = [f"{name} is {value!r}" for name, value in zip(KEY, rows[0].key, strict=True) if name != column]
    assert error.value.what.endswith(f"where {' and '.join(others)}.")


TRANSFORM = """
import polars as pl
from processor.transform import Contract, Transform

def contract(day):
    schema = {name: day.schema[name] for name in day.key_columns}
    schema |= {"revenue": pl.Decimal(28, 2), "purchases": pl.Int64()}
    return Contract(pl.Schema(schema), day.key, {"revenue": "amount"}, {"revenue": "sum", "purchases": "sum"})

def apply(rows, day):
    return rows.group_by(day.key_columns).agg(
        revenue=pl.col("amount").sum().cast(pl.Decimal(28, 2)), purchases=pl.len().cast(pl.Int64)
    )

partial = Transform(contract, apply)
"""


def test_keys_that_lie_in_several_files_are_merged_by_all_their_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row for row in purchases(KIND, 600) if DAY.holds(row.at)]
    (tmp_path / "lake").mkdir()
    for number in range(3):
        pq.write_table(arrow_table(rows[number::3]), tmp_path / "lake" / f"{number}.parquet")
    (tmp_path / "composite_partial.py").write_text(TRANSFORM)
    monkeypatch.syspath_prepend(tmp_path)
    day = whole_day(tmp_path, parquet=f"file://{tmp_path}/lake/*.parquet")
    text = day.config.read_text().replace("shards = 4", 'shard = "file"')
    day.config.write_text(text.replace("[process]\n", '[process]\ntransform = "composite_partial:partial"\n'))
    shop = CompositeShop(day.target, KIND)
    day.create_tables()
    day.run_in_process()
    expected = shop.expected(rows)
    assert shop.revenue(day.target) == expected
    assert len(expected) < sum(len({row.key for row in rows[number::3]}) for number in range(3))


@contextmanager
def any_dialect(url: str) -> Iterator[Source]:
    source = AnySource(parse_url(url))
    yield source
    source.close()


def test_any_dialect_keys_rows_alike(postgres_database: str, tmp_path: Path) -> None:
    kind = "number and text"
    shop = CompositeShop(Database(postgres_database), kind)
    shop.create(rows := purchases(kind, 300))
    settings = pipeline(shop.database.url, tmp_path, export={"shards": 3}, key=shop.key)
    export = run_export(settings, opener=any_dialect)
    assert export.manifest["shard_function"] == "splitmix64(fibonacci-u64, xxh64)"
    check_shards(export, shop, rows)


def ask(day: WholeDay, *arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(cli, [arguments[0], "--config", str(day.config), *arguments[1:], "--json"], obj={})
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.parametrize("server", ["sqlite_database", "postgres_database", "mariadb_database", "mysql_database"])
def test_plan_and_doctor_tell_of_each_column_of_the_key(
    server: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    kind = "number and text"
    shop = CompositeShop(Database(request.getfixturevalue(server)), kind)
    shop.create([replace(row, amount=Decimal(1)) for row in purchases(kind, 300)])
    (tmp_path / "staging").mkdir()
    url = (tmp_path / "staging").as_uri()
    day = WholeDay(Shop("composite", ()), DAY, shop.database, shop.database, url, tmp_path)
    day.write_config(source={"key": shop.key})
    day.create_tables()
    planned = ask(day, "plan", "--day", str(DAY.day))
    assert planned["refused"] == []
    assert [(column["name"], column["part"]) for column in planned["columns"]] == [
        ("shop_id", "key"),
        ("user_id", "key"),
        ("purchased_at", "time"),
        ("amount", "carried"),
    ]
    assert datetime.fromisoformat(planned["window_start"]).hour == 23
    told = CliRunner().invoke(cli, ["plan", "--config", str(day.config), "--day", str(DAY.day)], obj={}).stdout
    assert sum("decides the shard" in line for line in told.splitlines()) == 2
    checks = {check["name"]: check for check in ask(day, "doctor")["checks"]}
    assert {checks[name]["level"] for name in ("source columns", "transform", "target fit")} == {"ok"}
    assert "returns shop_id, user_id, revenue, purchases" in json.dumps(checks["transform"])

    types = ("TEXT", "TEXT", "TEXT") if server == "sqlite_database" else ("date", "varchar(60)", "decimal(28,2)")
    shop.database.execute("DROP TABLE revenue")
    shop.database.execute(
        "CREATE TABLE revenue (day {} NOT NULL, shop_id bigint NOT NULL, user_id {} NOT NULL, revenue {}, "
        "purchases bigint, PRIMARY KEY (day, user_id))".format(*types)
    )
    checks = {check["name"]: check for check in ask(day, "doctor")["checks"]}
    assert checks["target fit"]["level"] == "fault"
    assert "has another unique key than (day, shop_id, user_id)" in json.dumps(checks["target fit"])
