"""Column types have one spelling in documents, and a schema one fingerprint."""

from __future__ import annotations

from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from staging.columns.types import fingerprint
from staging.documents.manifest import Column
from staging.dtypes import format_dtype, parse_dtype, schema_of
from staging.errors import IntegrityError

PLAIN = [
    pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64(), pl.Float32(),
    pl.Float64(), pl.Boolean(), pl.String(), pl.Binary(), pl.Date(), pl.Time(), pl.Datetime("us"),
    pl.Datetime("us", "UTC"),
]  # fmt: skip


@pytest.mark.parametrize("dtype", PLAIN, ids=str)
def test_each_type_of_a_shard_is_spelled_and_read_back(dtype: pl.DataType) -> None:
    assert parse_dtype(format_dtype(dtype)) == dtype


@given(st.integers(1, 38).flatmap(lambda digits: st.tuples(st.just(digits), st.integers(0, digits))))
def test_each_decimal_is_spelled_and_read_back(shape: tuple[int, int]) -> None:
    dtype = pl.Decimal(*shape)
    assert format_dtype(dtype) == f"Decimal({shape[0]}, {shape[1]})"
    assert parse_dtype(format_dtype(dtype)) == dtype


@pytest.mark.parametrize(
    "dtype",
    [
        pl.Int128(),
        pl.Datetime("ns"),
        pl.Datetime("ms"),
        pl.Datetime("us", "Europe/Berlin"),
        pl.List(pl.Int8),
        pl.Null(),
    ],
    ids=str,
)
def test_a_type_that_shards_do_not_have_is_not_spelled(dtype: pl.DataType) -> None:
    with pytest.raises(TypeError):
        format_dtype(dtype)


@pytest.mark.parametrize(
    "text",
    ["", "int64", "Int64 ", "Int128", "Decimal", "Decimal(0, 0)", "Decimal(39, 2)", "Decimal(2, 3)", "Decimal(12,2)",
     "Decimal(012, 2)", "Decimal(12, 2)\n", "Datetime(ns)", "List(Int8)", "Object"],
)  # fmt: skip
def test_an_unknown_spelling_is_refused(text: str) -> None:
    with pytest.raises(IntegrityError):
        parse_dtype(text)


def column(name: str, dtype: str = "Int64", *, nullable: bool = False) -> Column:
    return Column(name=name, dtype=dtype, source_type="any", nullable=nullable)


def test_a_fingerprint_changes_with_name_type_nullability_and_order() -> None:
    a, b = column("a"), column("b")
    variants = [[a, b], [b, a], [a], [], [a, column("b", nullable=True)], [a, column("b", "Int32")], [a, column("c")]]
    prints = [fingerprint(columns) for columns in variants]
    assert len(set(prints)) == len(variants)
    assert fingerprint([a, b]) == fingerprint([column("a"), column("b")])


def test_no_name_imitates_another_column() -> None:
    odd = ['a", "Int64", false], ["b', "a\tInt64\tnot null\nb", "a\\", "a\n"]
    prints = [fingerprint([column("a"), column("b")]), *(fingerprint([column(name)]) for name in odd)]
    assert all(one != other for one, other in pairwise(sorted(prints)))


def test_a_schema_keeps_the_order_of_its_columns() -> None:
    columns = [column("b"), column("a", "Decimal(12, 2)")]
    assert list(schema_of(columns).items()) == [("b", pl.Int64()), ("a", pl.Decimal(12, 2))]
