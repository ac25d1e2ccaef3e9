"""Control sums and shard functions against plain Python."""

from __future__ import annotations

from decimal import Decimal, getcontext

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staging.columns.shard_function import FIBONACCI, XXH64, choose_function
from staging.control_sums import format_minor_units, is_conservable, parse_money, scale_of, sum_minor_units
from staging.errors import InputError
from staging.sharding import check_known_answers, hash_of, shard_of

MOST = 10**28 - 1
MASK = (1 << 64) - 1


@given(st.lists(st.one_of(st.none(), st.integers(-MOST, MOST)), max_size=200), st.integers(0, 28))
@settings(deadline=None)
def test_sums_of_28_digits_are_exact(units: list[int | None], scale: int) -> None:
    getcontext().prec = 60
    values = [None if unit is None else Decimal(unit).scaleb(-scale) for unit in units]
    column = pl.Series("c", values, dtype=pl.Decimal(28, scale))
    assert scale_of(column.dtype) == scale
    assert sum_minor_units(column) == sum(unit for unit in units if unit is not None)


def test_a_sum_beyond_64_bits_does_not_wrap() -> None:
    assert sum_minor_units(pl.Series([2**63 - 1] * 5, dtype=pl.Int64)) == 5 * (2**63 - 1)
    assert sum_minor_units(pl.Series([2**64 - 1] * 5, dtype=pl.UInt64)) == 5 * (2**64 - 1)
    assert sum_minor_units(pl.Series([-(2**7)] * 5, dtype=pl.Int8)) == -5 * 2**7


@pytest.mark.parametrize("dtype", [pl.Float64(), pl.String(), pl.Decimal(29, 2), pl.Int128(), pl.Boolean()])
def test_what_has_no_exact_sum_is_not_conserved(dtype: pl.DataType) -> None:
    assert not is_conservable(dtype)
    with pytest.raises(TypeError):
        sum_minor_units(pl.Series([], dtype=dtype))


@given(st.integers(-(10**40), 10**40), st.integers(0, 30))
def test_money_comes_back_as_it_was_written(units: int, scale: int) -> None:
    text = format_minor_units(units, scale)
    assert "E" not in text
    assert parse_money(text, scale) == units


def test_money_with_more_places_than_the_column_is_refused() -> None:
    assert parse_money("1.5", 2) == 150
    with pytest.raises(ValueError, match="more than 2 decimal places"):
        parse_money("1.005", 2)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=50), st.integers(1, 10_000))
@settings(deadline=None)
def test_integer_keys_go_where_knuths_multiplication_sends_them(keys: list[int], shards: int) -> None:
    frame = pl.DataFrame({"k": pl.Series(keys, dtype=pl.Int64)})
    expected = [((key * 0x9E3779B97F4A7C15) & MASK) // 2**32 % shards for key in keys]
    assert frame.select(shard_of({"k": pl.Int64()}, shards)).to_series().to_list() == expected


def test_the_same_number_goes_to_the_same_shard_in_every_integer_type() -> None:
    for dtype in (pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64()):
        frame = pl.DataFrame({"k": pl.Series([0, 1, 77, 127], dtype=dtype)})
        assert frame.select(hash_of("k", dtype)).to_series().to_list() == [
            (key * 0x9E3779B97F4A7C15 & MASK) >> 32 for key in (0, 1, 77, 127)
        ]
    decimal = pl.DataFrame({"k": pl.Series([Decimal(-5), Decimal(77)], dtype=pl.Decimal(18, 0))})
    assert decimal.select(hash_of("k", pl.Decimal(18, 0))).to_series().to_list() == [
        (key * 0x9E3779B97F4A7C15 & MASK) >> 32 for key in (-5, 77)
    ]


def test_text_and_bytes_hash_alike_and_as_published() -> None:
    check_known_answers()
    texts, blobs = ["", "abc", "Zoë", "🜁"], [b"", b"abc", "Zoë".encode(), "🜁".encode()]
    of_text = pl.DataFrame({"k": texts}).select(hash_of("k", pl.String())).to_series().to_list()
    of_bytes = pl.DataFrame({"k": blobs}).select(hash_of("k", pl.Binary())).to_series().to_list()
    assert of_text == of_bytes
    assert of_text[:2] == [0xEF46DB3751D8E999, 0x44BC2CF5AD770999]


def test_even_keys_spread_evenly() -> None:
    frame = pl.DataFrame({"k": pl.Series(range(0, 200_000, 2), dtype=pl.Int64)})
    counts = frame.select(shard_of({"k": pl.Int64()}, 32).alias("s")).group_by("s").len()["len"]
    assert len(counts) == 32
    assert max(counts) < 1.1 * min(counts)


def test_a_key_without_a_lasting_hash_is_refused() -> None:
    assert choose_function(pl.Int64()) == FIBONACCI
    assert choose_function(pl.String()) == XXH64
    for dtype in (pl.Float64(), pl.Decimal(12, 2), pl.Boolean(), pl.Date()):
        with pytest.raises(InputError, match="can't be sharded"):
            choose_function(dtype)
