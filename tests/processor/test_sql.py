"""A transform that is written as SQL: exact, planned like any other, and nothing but a query."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from random import Random

import polars as pl
import pytest

from processor.check_transform import check_transform
from processor.find_transform import find_transform
from processor.sql import sql_transform
from staging.config.pipeline import ProcessConfig
from staging.errors import InputError, IntegrityError

SPENT = "SELECT user_id, SUM(amount) AS spent, COUNT(*) AS orders FROM rows GROUP BY user_id"
SCHEMA = {"user_id": pl.Int64(), "at": pl.Datetime("us", "UTC"), "amount": pl.Decimal(28, 4), "status": pl.String()}


def rows(count: int = 2000) -> pl.DataFrame:
    dice = Random(7)
    made = [
        (
            dice.randint(1, 90),
            dice.randint(0, 86_399) * 1_000_000,
            dice.choice([None, Decimal(dice.randint(-(10**20), 10**20)).scaleb(-4)]),
            dice.choice(["paid", "refunded"]),
        )
        for _ in range(count)
    ]
    return pl.DataFrame(made, schema=SCHEMA, orient="row")


def test_sums_are_those_of_plain_decimals_to_the_last_digit() -> None:
    frame = rows()
    tried = check_transform(sql_transform(SPENT, {"spent": "amount"}), frame)
    spent: dict[int, Decimal] = defaultdict(Decimal)
    orders: dict[int, int] = defaultdict(int)
    for user, _, amount, _ in frame.iter_rows():
        spent[user] += amount or 0
        orders[user] += 1
    assert tried.rows.schema == {"user_id": pl.Int64(), "spent": pl.Decimal(28, 4), "orders": pl.Int64()}
    assert tried.rows.rows() == [(user, spent[user], orders[user]) for user in sorted(spent)]
    assert Decimal(tried.sums["spent"]) == sum(spent.values())


def test_conditions_ctes_and_cases_are_queries_too() -> None:
    text = """-- paid alone
    /* by key */ WITH paid AS (SELECT user_id, amount FROM rows WHERE status = 'paid')
    SELECT user_id, SUM(CASE WHEN amount > 0.5 THEN amount ELSE 0 END) AS spent FROM paid GROUP BY user_id
    HAVING COUNT(*) > 1"""
    frame = rows()
    made = check_transform(sql_transform(text, {}), frame).rows
    expected: dict[int, list[Decimal]] = defaultdict(list)
    for user, _, amount, status in frame.iter_rows():
        if status == "paid":
            expected[user].append(amount if amount is not None and amount > Decimal("0.5") else Decimal(0))
    assert made.rows() == [(user, sum(found)) for user, found in sorted(expected.items()) if len(found) > 1]


def test_a_sum_that_is_not_kept_is_refused() -> None:
    text = "SELECT user_id, SUM(amount) AS spent FROM rows WHERE status = 'paid' GROUP BY user_id"
    with pytest.raises(IntegrityError, match="does not conserve amount"):
        check_transform(sql_transform(text, {"spent": "amount"}), rows())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("SELECT user_id, SUM(amuont) AS spent FROM rows GROUP BY user_id", "amuont"),
        ("SELECT user_id, SUM(amount) spent FROM rows ROUP BY user_id", "BY"),
        ("SELECT user_id FROM purchases", "purchases"),
        ("SELECT SUM(amount) AS spent FROM rows", "does not return the key user_id"),
        ("SELECT 1; SELECT 2", "one"),
        ("SELECT user_id, amount FROM rows", "not unique"),
        ("SELECT user_id, AVG(amount) AS spent FROM rows GROUP BY user_id", "spent of type Float64"),
    ],
)
def test_what_is_wrong_with_a_query_is_named(text: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        check_transform(sql_transform(text, {"spent": "amount"} if "spent" in text else {}), rows())
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["DROP TABLE rows", "SHOW TABLES", "CREATE TABLE x AS SELECT * FROM rows", "/* SELECT */ TRUNCATE rows", "", "--"],
)
def test_nothing_but_a_query_is_taken(text: str) -> None:
    with pytest.raises(InputError, match="no query"):
        sql_transform(text, {})


def test_a_value_of_too_many_digits_is_an_error_and_never_rounded() -> None:
    most = Decimal(9 * 10**27).scaleb(-4)
    frame = pl.DataFrame([(1, 0, most, "paid"), (1, 0, most, "paid")], schema=SCHEMA, orient="row")
    with pytest.raises(InputError, match="failed while it ran"):
        check_transform(sql_transform(SPENT, {"spent": "amount"}), frame)


def test_a_query_has_a_name_that_is_another_ones_for_another_text() -> None:
    one, other = ProcessConfig(sql=SPENT), ProcessConfig(sql=SPENT + " ")
    assert one.name.startswith("sql:")
    assert one.name != other.name
    assert ProcessConfig().name == ProcessConfig().transform
    assert find_transform(one, [Path()]).contract is not None


def test_a_sum_of_32_bit_numbers_does_not_wrap_around() -> None:
    schema = {"user_id": pl.Int32(), "at": pl.Datetime("us", "UTC"), "n": pl.Int32(), "u": pl.UInt32()}
    frame = pl.DataFrame([(1, 0, 2**31 - 1, 2**32 - 1)] * 2, schema=schema, orient="row")
    text = "SELECT user_id, SUM(n) AS n, SUM(n * 2) AS twice, SUM(u) AS u FROM rows GROUP BY user_id"
    made = check_transform(sql_transform(text, {"n": "n"}), frame).rows
    assert made.rows() == [(1, 2**32 - 2, 2**33 - 4, 2**33 - 2)]
    assert made.schema["user_id"] == pl.Int32()
    beside = pl.DataFrame([(1, 2**31 - 1)] * 2, schema={"user_id": pl.Int32(), "n": pl.Int32()}, orient="row")
    text = "SELECT b.user_id, SUM(b.n) AS n FROM b JOIN (SELECT DISTINCT user_id, n FROM rows) r"
    text += " ON b.user_id = r.user_id AND b.n = r.n GROUP BY b.user_id"
    assert check_transform(sql_transform(text, {}), frame, tables={"b": beside}).rows.rows() == [(1, 2**32 - 2)]


def test_a_sum_or_a_product_beyond_64_bits_is_an_error_and_one_within_is_right_whatever_came_before() -> None:
    schema = {"user_id": pl.Int64(), "at": pl.Datetime("us", "UTC"), "n": pl.Int64(), "u": pl.UInt64(), "s": pl.Int16()}
    frame = pl.DataFrame([(1, 0, 2**63 - 1, 2**64 - 1, 5)] * 2 + [(1, 0, -(2**63), 1, 6)], schema=schema, orient="row")
    for wrong in ("SUM(n) + 2", "SUM(n * 2) - 2", "SUM(u)"):
        with pytest.raises(InputError, match="failed while it ran") as caught:
            check_transform(sql_transform(f"SELECT user_id, {wrong} AS x FROM rows GROUP BY user_id", {}), frame)
        assert "conversion from `i128`" in caught.value.why
    right = "SUM(n) AS n, MAX(u) AS u, MIN(s) AS s, SUM(n) - SUM(n) AS none, COUNT(DISTINCT n) AS c"
    text = f"SELECT user_id, {right} FROM rows GROUP BY user_id"
    made = check_transform(sql_transform(text, {}), frame).rows
    assert made.rows() == [(1, 2**63 - 2, 2**64 - 1, 5, 0, 2)]
    assert made.dtypes == [pl.Int64(), pl.Int64(), pl.UInt64(), pl.Int16(), pl.Int64(), made.schema["c"]]
