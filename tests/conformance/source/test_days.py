"""What every source must do: give the day's rows exactly, each in the shard of its key, or refuse by name."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from staging.errors import InputError, InterruptedRunError
from staging.process.cancel import Cancel
from tests.conformance.source.conftest import Purchase, SourceUnderTest
from tests.exporter.days import DAY, committed
from tests.shop.hand_made_export import fibonacci_shard

pytestmark = pytest.mark.integration

BERLIN = ZoneInfo("Europe/Berlin")
FIRST = datetime(2026, 11, 14, tzinfo=BERLIN).astimezone(UTC)
END = datetime(2026, 11, 15, tzinfo=BERLIN).astimezone(UTC)
NOON = FIRST + timedelta(hours=12)
SHARDS = 5


def _around_the_day() -> list[Purchase]:
    chance = random.Random(7)
    step = timedelta(microseconds=1)
    times = [FIRST - step, FIRST, END - step, END]
    times += [FIRST + timedelta(microseconds=chance.randrange(-(10**11), 2 * 10**11)) for _ in range(196)]
    keys = [(n * 7919) % 37 - 15 if n % 10 else -(2**63) + n for n in range(len(times))]
    money = [Decimal(chance.randrange(-(10**10), 10**10)).scaleb(-2) for _ in times]
    return [Purchase(*row) for row in zip(keys, times, money, strict=True)]


def test_the_day_is_read_exactly_at_its_edges_each_row_in_the_shard_of_its_key(source: SourceUnderTest) -> None:
    rows = _around_the_day()
    source.put(rows)
    export = source.export(export={"shards": SHARDS})
    expected = [row for row in rows if row.purchased_at.astimezone(BERLIN).date() == DAY]
    assert export.manifest["rows"] == len(expected) > 50
    assert Decimal(export.manifest["sums"]["amount"]) == sum(row.amount for row in expected if row.amount is not None)
    for shard in export.manifest["shards"]:
        inside = [row for row in expected if fibonacci_shard(row.user_id, SHARDS) == shard["shard"]]
        found = export.table(shard["shard"]).to_pylist() if shard["files"] else []
        assert sorted((r["user_id"], r["purchased_at"].astimezone(UTC), r["amount"]) for r in found) == sorted(
            (row.user_id, row.purchased_at, row.amount) for row in inside
        )
        keys = [row.user_id for row in inside]
        assert (shard["min_key"], shard["max_key"]) == ((str(min(keys)), str(max(keys))) if keys else (None, None))


def test_a_day_without_rows_is_a_whole_export_of_empty_shards(source: SourceUnderTest) -> None:
    source.put([Purchase(1, END, Decimal("1.00"))])
    export = source.export(export={"shards": 7})
    manifest = export.manifest
    assert (manifest["rows"], manifest["sums"], len(manifest["shards"])) == (0, {"amount": "0.00"}, 7)
    assert {column["name"] for column in manifest["columns"]} == {"user_id", "purchased_at", "amount"}
    assert all(shard["files"] == [] and shard["rows"] == 0 and shard["min_key"] is None for shard in manifest["shards"])
    assert [name for name in committed(source.staging) if name.endswith(".parquet")] == []


NULLS = [
    Purchase(n, NOON + timedelta(seconds=n), None if n % 4 == 0 else Decimal(f"{n}.25"), None if n % 3 else n)
    for n in range(60)
]


def test_a_null_that_is_allowed_is_carried_and_counts_as_nothing_in_the_sum(source: SourceUnderTest) -> None:
    source.put(NULLS)
    export = source.export(export={"shards": 3}, columns=["coupon", "amount"], allow_null=["amount", "coupon"])
    found = {row["user_id"]: (row["coupon"], row["amount"]) for row in export.rows()}
    assert found == {row.user_id: (row.coupon, row.amount) for row in NULLS}
    sums = {name: Decimal(text) for name, text in export.manifest["sums"].items()}
    assert sums == {
        "coupon": sum(row.coupon for row in NULLS if row.coupon is not None),
        "amount": sum(row.amount for row in NULLS if row.amount is not None),
    }
    assert {column["name"]: column["nullable"] for column in export.manifest["columns"]} == {
        "user_id": False,
        "purchased_at": False,
        "coupon": True,
        "amount": True,
    }


def test_one_that_is_not_allowed_ends_the_export_and_says_how_to_allow_it(source: SourceUnderTest) -> None:
    source.put(NULLS)
    with pytest.raises(InputError, match=r"Column coupon .* is NULL, where user_id is") as caught:
        source.export(columns=["coupon", "amount"], allow_null=["amount"])
    assert "source.allow_null" in caught.value.fix
    assert committed(source.staging) == []


def test_a_column_that_is_not_there_names_the_nearest(source: SourceUnderTest) -> None:
    source.put(NULLS[1:2])
    with pytest.raises(InputError, match="'amonut'") as caught:
        source.export(columns=["amount", "amonut"])
    assert "Did you mean 'amount'?" in str(caught.value)


def test_money_in_binary_floats_is_refused(source: SourceUnderTest) -> None:
    source.put(NULLS[1:2], floats=True)
    with pytest.raises(InputError, match="Column amount is a floating-point number") as caught:
        source.export()
    assert "allow_float" in str(caught.value)


def test_a_stopped_export_leaves_nothing_that_counts(source: SourceUnderTest) -> None:
    source.put(_around_the_day())
    cancel = Cancel()
    cancel.set()
    with pytest.raises(InterruptedRunError):
        source.export(cancel=cancel)
    assert committed(source.staging) == []
