"""What a column's declared type can't hold is refused by name, in whatever way it travels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
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
from staging.errors import InputError, IntegrityError
from staging.window import Window

START, END = datetime(2026, 11, 14, tzinfo=UTC), datetime(2026, 11, 15, tzinfo=UTC)


def _decode(text: str, dtype: pl.Decimal, wire: Wire, *times: datetime) -> Decimal:
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
    rows: dict[str, list[object]] = {"c0": [7], "c1": [START], "c2": [text]}
    for at in times:
        rows = {"c0": [*rows["c0"], 8], "c1": [*rows["c1"], at], "c2": [*rows["c2"], text]}
    raw = pl.DataFrame(rows, schema_overrides={"c1": INSTANT})
    (frame,) = Decoder(plan, Window(START, END), ZoneInfo("UTC")).decode([raw])
    found: Decimal = frame["amount"][0]
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


def test_rows_of_the_first_and_the_last_microsecond_are_the_days() -> None:
    assert _decode("1.00", pl.Decimal(12, 2), Wire.DECIMAL_TEXT, END - timedelta(microseconds=1)) == 1


@pytest.mark.parametrize("outside", [START - timedelta(microseconds=1), END])
def test_a_row_outside_the_day_is_no_row_of_the_answer_and_is_named(outside: datetime) -> None:
    with pytest.raises(IntegrityError, match="outside the day's window, where user_id is 8"):
        _decode("1.00", pl.Decimal(12, 2), Wire.DECIMAL_TEXT, outside)


@pytest.mark.parametrize("length", [58, 59])  # and two quotes
def test_a_value_is_shown_up_to_sixty_characters(length: int) -> None:
    text = "x" * length
    with pytest.raises(InputError) as refused:
        _decode(text, pl.Decimal(12, 2), Wire.DECIMAL_TEXT)
    assert (text in refused.value.what) == (length == 58)
