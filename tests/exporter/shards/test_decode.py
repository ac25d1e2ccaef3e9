"""What a column's declared type can't hold is refused by name, in whatever way it travels."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.port.columns import ColumnPlan, ReadPlan
from exporter.port.source import Carried, TimeKind, Wire
from exporter.port.time_column import INSTANT
from exporter.shards.decode import Decoder
from staging.errors import InputError
from staging.window import Window

START, END = datetime(2026, 11, 14, tzinfo=UTC), datetime(2026, 11, 15, tzinfo=UTC)


def _decode(text: str, dtype: pl.Decimal, wire: Wire) -> Decimal:
    columns = tuple(
        ColumnPlan(name, "numeric", type_, how, may_be_null=False, conserved=name == "amount", null_meaning="is NULL")
        for name, type_, how in (
            ("user_id", pl.Int64(), Wire.NATIVE),
            ("at", INSTANT, Wire.NATIVE),
            ("amount", dtype, wire),
        )
    )
    select = tuple(Carried(column.dtype, column.wire, column.name) for column in columns)
    plan = ReadPlan(columns, select, TimeKind.INSTANT, "fibonacci", 1)
    raw = pl.DataFrame({"c0": [7], "c1": [START], "c2": [text]}, schema_overrides={"c1": INSTANT})
    (frame,) = Decoder(plan, Window(START, END), ZoneInfo("UTC")).decode([raw])
    found: Decimal = frame["amount"].item()
    return found


@pytest.mark.parametrize("wire", [Wire.DECIMAL_TEXT, Wire.TYPED_DECIMAL_TEXT])
@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("1.005", 2),
        ("1.0049", 2),
        ("1.5", 0),
        ("0.0000000000000000000001", 2),
        ("12345678901.00", 2),
        ("NaN", 2),
        ("", 2),
    ],
)
def test_decimal_text_with_other_digits_than_declared_is_refused_and_never_rounded(
    text: str, scale: int, wire: Wire
) -> None:
    with pytest.raises(InputError, match="Column amount") as caught:
        _decode(text, pl.Decimal(12, scale), wire)
    assert "user_id is 7" in caught.value.what


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**10) + 1, max_value=10**10 - 1))
def test_what_a_server_writes_with_the_declared_digits_is_carried_exactly(value: Decimal) -> None:
    assert _decode(f"{value:f}", pl.Decimal(12, 2), Wire.TYPED_DECIMAL_TEXT) == value


@pytest.mark.parametrize("text", ["0", "-12000", "999999999999"])
def test_whole_numbers_have_no_point(text: str) -> None:
    assert _decode(text, pl.Decimal(12, 0), Wire.TYPED_DECIMAL_TEXT) == Decimal(text)
