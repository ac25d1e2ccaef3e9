"""The built-in transform against plain decimals: exact at every limit, or refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from staging.errors import InputError
from tests.processor.runs import Runs
from tests.shop.hand_made_export import SCHEMA, WINDOW, HandMade, Row, expected_revenue, purchases, put_in_folder

KEYS = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 5)
AMOUNTS = st.decimals(places=2, min_value=1 - 10**18, max_value=10**18 - 1)


def schema_with(amount: pa.DataType, *, nullable: bool = False) -> pa.Schema:
    return SCHEMA.set(2, pa.field("amount", amount, nullable=nullable))


def row(user_id: int, amount: Any, minute: int = 0) -> Row:
    return {"user_id": user_id, "purchased_at": WINDOW[0] + timedelta(minutes=minute), "amount": amount}


def run(tmp_path: Path, rows: Sequence[Row], amount: pa.DataType, *, nullable: bool = False, shards: int = 2) -> Runs:
    runs = Runs((tmp_path / "staging").as_uri(), tmp_path)
    HandMade(put_in_folder(runs.stored()), rows, schema=schema_with(amount, nullable=nullable), shards=shards).commit()
    runs.process()
    return runs


def test_revenue_equals_the_oracle(tmp_path: Path) -> None:
    rows = purchases(5000, users=300)
    runs = run(tmp_path, rows, pa.decimal128(12, 2), shards=5)
    assert runs.revenue() == expected_revenue(rows)
    assert sum(Decimal(runs.receipt(n)["conserved"][0]["part"]) for n in range(5)) == sum(r["amount"] for r in rows)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([], id="no row"),
        pytest.param([row(7, Decimal("0.01"))], id="one row"),
        pytest.param([row(7, Decimal("-0.01"))] * 3, id="one user, negative"),
        pytest.param([row(7, Decimal("5.00")), row(7, Decimal("-5.00"))], id="a sum of zero stays"),
        pytest.param([row(-(2**63), Decimal(1)), row(2**63 - 1, Decimal(2)), row(2**53 + 1, Decimal(3))], id="keys"),
        pytest.param([row(n, Decimal(0)) for n in range(40)], id="zeros"),
    ],
)
def test_small_and_odd_days_are_exact(tmp_path: Path, rows: list[Row]) -> None:
    assert run(tmp_path, rows, pa.decimal128(20, 2)).revenue() == expected_revenue(rows)


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        pytest.param(pa.decimal128(20, 2), Decimal("9" * 18 + ".99"), id="Decimal(20, 2)"),
        pytest.param(pa.decimal128(18, 6), Decimal("9" * 12 + ".999999"), id="Decimal(18, 6)"),
        pytest.param(pa.decimal128(4, 0), Decimal(9999), id="Decimal(4, 0)"),
        pytest.param(pa.int32(), 2**31 - 1, id="Int32"),
        pytest.param(pa.int64(), 2**63 - 1, id="Int64"),
        pytest.param(pa.uint64(), 2**64 - 1, id="UInt64"),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_sums_that_would_wrap_do_not(tmp_path: Path, kind: pa.DataType, limit: Decimal | int, sign: int) -> None:
    if kind == pa.uint64() and sign < 0:
        sign = 1
    rows = [row(n % 3, limit * sign, n) for n in range(1000)]
    assert run(tmp_path, rows, kind).revenue() == expected_revenue(rows)


def test_a_total_of_more_than_28_digits_is_refused(tmp_path: Path) -> None:
    rows = [row(1, Decimal("9" * 26 + ".99"), n) for n in range(200)]
    with pytest.raises(InputError, match=r"processor\.revenue:revenue_per_user failed while it ran"):
        run(tmp_path, rows, pa.decimal128(28, 2))


def test_28_digits_that_stay_28_are_exact(tmp_path: Path) -> None:
    rows = [row(1, Decimal("9" * 26 + ".99") * (-1) ** n, n) for n in range(201)]
    assert run(tmp_path, rows, pa.decimal128(28, 2)).revenue() == {1: (Decimal("9" * 26 + ".99"), 201)}


@pytest.mark.parametrize(("kind", "value"), [(pa.decimal128(29, 2), Decimal(1)), (pa.float64(), 1.0)])
def test_an_amount_without_exact_sum_is_refused(tmp_path: Path, kind: pa.DataType, value: Any) -> None:
    with pytest.raises(InputError, match=r"amount has type .*, which has no exact sum"):
        run(tmp_path, [row(1, value)], kind)
    assert Runs((tmp_path / "staging").as_uri(), tmp_path).written() == {}


def test_rows_without_amount_are_counted_in_quarantine_and_nowhere_else(tmp_path: Path) -> None:
    rows = [row(n % 7, None if n % 5 == 0 else Decimal(n), n) for n in range(100)] + [row(99, None)]
    runs = run(tmp_path, rows, pa.decimal128(12, 2), nullable=True)
    assert runs.revenue() == expected_revenue(rows)
    assert 99 not in runs.revenue()
    receipts = [runs.receipt(n) for n in range(2)]
    assert sum(r["rows_quarantined"] for r in receipts) == 21
    assert all(r["quarantine_reasons"] == {"no amount": r["rows_quarantined"]} for r in receipts)


def test_the_key_may_not_have_the_name_of_a_result(tmp_path: Path) -> None:
    schema = SCHEMA.set(0, pa.field("revenue", pa.int64(), nullable=False))
    runs = Runs((tmp_path / "staging").as_uri(), tmp_path, sets=("source.key=revenue",))
    rows = [{"revenue": 1, "purchased_at": WINDOW[0], "amount": Decimal(1)}]
    HandMade(put_in_folder(runs.stored()), rows, schema=schema, shards=1).commit()
    with pytest.raises(InputError, match="The key revenue has the name"):
        runs.process()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(KEYS, AMOUNTS), max_size=60))
def test_any_day_equals_the_oracle(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[int, Decimal]]) -> None:
    rows = [row(user, amount, n) for n, (user, amount) in enumerate(pairs)]
    assert run(tmp_path_factory.mktemp("any"), rows, pa.decimal128(20, 2)).revenue() == expected_revenue(rows)
