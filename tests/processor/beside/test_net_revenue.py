"""Several tables of one instant become one output: the example in pipelines/, against plain Python."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from processor.assignment import read_assignment
from processor.process_task import process_task
from processor.task import Task
from staging.config.file import load_pipeline
from staging.config.pipeline import Pipeline
from staging.documents.manifest import Manifest
from staging.documents.manifest_check import check_manifest
from staging.errors import InputError, IntegrityError
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from tests.exporter.days import DAY, Export, run_export
from tests.shop.net_shop import create_net_shop, make_net_shop

PIPELINES = Path(__file__).parents[3] / "pipelines"
SHOP = make_net_shop()
SHARDS = 3
HEAD = "import polars as pl\nfrom penstock import Contract, Day, Split, Transform\n"


class Shop:
    """The shop's day, exported to a folder; a transform of the test's own, or the example's."""

    def __init__(self, folder: Path, sqlite: str) -> None:
        self.folder, self.sqlite, self.runs = folder, sqlite, 0
        self.said: list[str] = []
        create_net_shop(sqlite, SHOP)

    def pipeline(self, *overrides: str) -> Pipeline:
        urls = {"SHOP_URL": self.sqlite, "WAREHOUSE_URL": self.sqlite}
        staging = f"staging.url={(self.folder / 'staging').as_uri()}"
        return load_pipeline(
            PIPELINES / "net_revenue.toml",
            environ=urls,
            overrides=[staging, f"export.shards={SHARDS}", *overrides],
        )

    def export(self, *overrides: str) -> Export:
        return run_export(self.pipeline(*overrides))

    def process(self, *overrides: str) -> Path:
        """Process the export; return the folder of the run's parts."""
        self.runs += 1
        run_id = f"run-{self.runs:04d}"
        pipeline = self.pipeline(*overrides)
        run_export(pipeline, run_id=run_id)
        scratch = self.folder / "scratch" / run_id
        scratch.mkdir(parents=True)
        with open_store(pipeline.staging.url) as store:
            names = DayNames(pipeline.name, DAY)
            work = read_assignment(store, pipeline, names, run_id, [self.folder, PIPELINES])
            process_task(
                store, work, Task(0, 1, 0), scratch=scratch, cancel=Cancel(), progress=Progress(), say=self.said.append
            )
        assert list(scratch.iterdir()) == []
        return self.folder / "staging" / names.run_prefix(run_id)

    def module(self, name: str, text: str) -> str:
        (self.folder / f"{name}.py").write_text(HEAD + text)
        return f"process.transform={name}:transform"


@pytest.fixture
def shop(tmp_path: Path, sqlite_database: str) -> Shop:
    return Shop(tmp_path, sqlite_database)


def rows_of(run: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(run.glob("part-*")) for row in pq.read_table(path).to_pylist()]


def receipts_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(run.glob("receipt-*"))]


def test_net_revenue_with_the_country_is_what_plain_python_says(shop: Shop) -> None:
    run = shop.process()
    found = {row["user_id"]: (row["net"], row["country"]) for row in rows_of(run)}
    assert found == SHOP.net()
    assert len(rows_of(run)) == len(found)
    kept = [receipt["conserved"] for receipt in receipts_of(run)]
    assert [each[0]["source"] for each in kept] == ["purchases.amount - refunds.amount"] * SHARDS
    total = sum(amount for _, amount in SHOP.of_day("purchases")) - sum(amount for _, amount in SHOP.of_day("refunds"))
    assert sum(Decimal(each[0]["shard"]) for each in kept) == total
    assert all(each[0]["shard"] == each[0]["part"] for each in kept)


def test_a_second_attempt_finds_what_the_first_has_proven(shop: Shop) -> None:
    shop.process()
    shop.runs = 0
    (shop.folder / "scratch" / "run-0001").rmdir()
    shop.process()
    assert sum("was done by an earlier attempt" in line for line in shop.said) == SHARDS


SUMS = """
def contract(day: Day) -> Contract:
    schema = pl.Schema({"user_id": pl.Int64(), "net": pl.Decimal(28, 2)})
    return Contract(schema=schema, key="user_id", conserves={"net": "SOURCE"})


def apply(rows: pl.LazyFrame, day: Day) -> pl.LazyFrame:
    money = pl.col("amount").cast(pl.Decimal(28, 2))
    refunds = day.tables["refunds"].select("user_id", -money)
    both = pl.concat([rows.select("user_id", money), refunds])
    return both.group_by("user_id").agg(net=pl.col("amount").sum().cast(pl.Decimal(28, 2)))


transform = Transform(contract=contract, apply=apply)
"""


@pytest.mark.parametrize(
    "source",
    [
        "rows.amount-refunds.amount",
        "amount - refunds.amount",
        "- refunds.amount + purchases.amount",
    ],
)
def test_a_sum_over_tables_may_be_written_in_several_ways(shop: Shop, source: str) -> None:
    run = shop.process(shop.module("sums", SUMS.replace("SOURCE", source)))
    assert {row["user_id"]: row["net"] for row in rows_of(run)} == {user: net for user, (net, _) in SHOP.net().items()}


@pytest.mark.parametrize("source", ["amount", "purchases.amount + refunds.amount", "refunds.amount"])
def test_a_sum_over_tables_that_is_not_kept_is_an_error(shop: Shop, source: str) -> None:
    with pytest.raises(IntegrityError, match=f"does not conserve {source.replace('+', '.')}"):
        shop.process(shop.module("sums", SUMS.replace("SOURCE", source)))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("purchases.amount - returns.amount", "there is no table 'returns'; the tables are purchases, refunds, users"),
        ("purchases.amount - refunds.fee", "the rows of refunds have no column 'fee'"),
        ("purchases.amount - users.country", "country of type String has no exact sum"),
        ("amount * 2", "is neither a column nor a sum"),
        ("amount refunds.amount", "is neither a column nor a sum"),
        ("", "names no column"),
    ],
)
def test_a_sum_that_can_not_be_is_refused_before_a_shard_is_fetched(shop: Shop, source: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        shop.process(shop.module("sums", SUMS.replace("SOURCE", source)))
    assert told in str(caught.value)


def test_rows_of_the_leading_table_that_are_set_aside_are_taken_from_the_sum(shop: Shop) -> None:
    text = SUMS.replace("SOURCE", "rows.amount - refunds.amount").replace(
        "    both =",
        "    small = pl.col('user_id') < 9\n    aside, rows = rows.filter(small), rows.filter(~small)\n    both =",
    )
    text = text.replace("    return both", "    made = both").replace(
        "\n\n\ntransform", '\n    return Split(made, aside.with_columns(reason=pl.lit("too small")))\n\n\ntransform'
    )
    run = shop.process(shop.module("sums", text))
    net = {user: -sum(a for u, a in SHOP.of_day("refunds") if u == user) for user, _ in SHOP.of_day("refunds")}
    small = {row["user_id"]: row["net"] for row in rows_of(run) if row["user_id"] < 9}
    assert small == {user: amount for user, amount in net.items() if user < 9}


def test_a_table_that_is_not_there_is_named(shop: Shop) -> None:
    text = SUMS.replace("SOURCE", "amount").replace('day.tables["refunds"]', 'day.tables["returns"]')
    with pytest.raises(InputError) as caught:
        shop.process(shop.module("sums", text))
    assert "asks for the table 'returns', which the export does not have" in str(caught.value)
    assert "[source.with.returns]" in str(caught.value)


def test_sql_reads_the_tables_by_their_names(shop: Shop) -> None:
    query = (
        "SELECT user_id, SUM(amount) AS net FROM (SELECT user_id, amount FROM rows UNION ALL "
        "SELECT user_id, -amount AS amount FROM refunds) GROUP BY user_id"
    )
    pipeline = shop.pipeline()
    changed = pipeline.model_copy(
        update={
            "process": pipeline.process.model_copy(
                update={"sql": query, "conserves": {"net": "rows.amount - refunds.amount"}}
            )
        }
    )
    shop.pipeline = lambda *_: changed  # type: ignore[method-assign] # for this test alone
    found = {row["user_id"]: row["net"] for row in rows_of(shop.process())}
    assert found == {user: net for user, (net, _) in SHOP.net().items()}


@pytest.mark.parametrize("table", ["refunds", "users"])
def test_a_damaged_shard_of_another_table_is_named(shop: Shop, table: str) -> None:
    export = shop.export()
    (damaged,) = [each for each in export.manifest["tables"] if each["name"] == table]
    path = export.folder / damaged["shards"][1]["files"][0]["name"]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=f"table={table}/shard=00001/0.parquet is not what was"):
        shop.process()


def _add_one(tables: list[dict[str, Any]]) -> None:
    sums = tables[0]["shards"][0]["sums"]
    sums["amount"] = str(Decimal(sums["amount"]) + 1)


TAMPERED: list[tuple[Callable[[list[dict[str, Any]]], object], str]] = [
    (_add_one, "table refunds: the shards' sums of amount don't add up"),
    (lambda tables: tables[0]["shards"].pop(), "table refunds: it has other shards than the leading table"),
    (lambda tables: tables.append(tables[0]), "names a table twice"),
    (lambda tables: tables[0].update(rows=1), "table refunds: its shards have .* rows together, not 1"),
    (lambda tables: tables[0].update(name="returns"), "table returns: .* is no file of shard"),
    (lambda tables: tables[1].update(keys_without_row=None), "table users: keys without a row are counted"),
    (lambda tables: tables[0].update(key="amount"), "table refunds: its first columns are not key and time"),
]


def test_a_manifest_that_tells_other_sums_of_a_table_is_found_out(shop: Shop) -> None:
    export = shop.export()
    names, export_id = DayNames("net_revenue", DAY), export.manifest["export_id"]

    def check(changed: dict[str, Any]) -> None:
        manifest = Manifest.parse(json.dumps(changed).encode(), name="manifest.json")
        check_manifest(manifest, names, export_id, name="manifest.json")

    check(export.manifest)
    for change, told in TAMPERED:
        document = json.loads(json.dumps(export.manifest))
        change(document["tables"])
        with pytest.raises(IntegrityError, match=told):
            check(document)


def test_a_transform_is_tried_on_tables_of_a_test_of_its_own() -> None:
    from penstock import check_transform
    from pipelines.net_revenue import net_revenue

    money = {"amount": pl.Decimal(12, 2)}
    at = pl.datetime_range(pl.datetime(2026, 1, 15), pl.datetime(2026, 1, 15), "1h", eager=True)[0]
    rows = pl.DataFrame(
        {"user_id": [7, 7, 8], "purchased_at": [at] * 3, "amount": [Decimal("2.50"), Decimal(1), Decimal(4)]},
        schema_overrides=money,
    )
    refunds = pl.DataFrame({"user_id": [7], "refunded_at": [at], "amount": [Decimal("0.25")]}, schema_overrides=money)
    users = pl.DataFrame({"id": [7], "country": ["DE"]})
    tried = check_transform(net_revenue, rows, table="purchases", tables={"refunds": refunds, "users": users})
    assert tried.rows.rows() == [(7, Decimal("3.25"), "DE"), (8, Decimal("4.00"), None)]
    assert tried.sums == {"net": "7.25"}
