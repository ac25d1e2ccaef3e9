"""A type by its spelling is what polars' type of that spelling is: places, exact sums, shard function."""

from __future__ import annotations

import pytest

from staging.columns.shard_function import choose_function
from staging.columns.types import INTEGERS, OTHERS, read_type
from staging.control_sums import AnyType, is_conservable, scale_of
from staging.dtypes import parse_dtype
from staging.errors import InputError, IntegrityError

DECIMALS = ("Decimal(12, 2)", "Decimal(18, 0)", "Decimal(19, 0)", "Decimal(28, 28)", "Decimal(29, 2)", "Decimal(38, 0)")


@pytest.mark.parametrize("spelling", [*INTEGERS, *OTHERS, *DECIMALS])
def test_a_spelled_type_says_what_polars_type_says(spelling: str) -> None:
    spelled, of_polars = read_type(spelling), parse_dtype(spelling)
    assert str(spelled) == spelling
    assert scale_of(spelled) == scale_of(of_polars)
    assert is_conservable(spelled) == is_conservable(of_polars)
    assert function_of(spelled) == function_of(of_polars)


def function_of(dtype: AnyType) -> str:
    """The name of the function, or that there is none."""
    try:
        return choose_function(dtype)
    except InputError:
        return "none"


@pytest.mark.parametrize(
    ("spelling", "scale", "conservable", "function"),
    [
        ("Int64", 0, True, "fibonacci-u64"),
        ("Decimal(12, 2)", 2, True, "none"),
        ("Decimal(18, 0)", 0, True, "fibonacci-u64"),
        ("Decimal(19, 0)", 0, True, "none"),
        ("Decimal(29, 2)", 2, False, "none"),
        ("String", 0, False, "xxh64"),
        ("Binary", 0, False, "xxh64"),
        ("Float64", 0, False, "none"),
        ("Datetime(us, UTC)", 0, False, "none"),
    ],
)
def test_places_sums_and_function_of_a_type(spelling: str, scale: int, conservable: bool, function: str) -> None:
    spelled = read_type(spelling)
    assert (scale_of(spelled), is_conservable(spelled), function_of(spelled)) == (scale, conservable, function)


@pytest.mark.parametrize(
    "spelling", ["", "Int128", "int64", "Decimal(2, 3)", "Decimal(39, 0)", "Decimal(12,2)", "List"]
)
def test_a_spelling_that_no_version_wrote_is_refused(spelling: str) -> None:
    with pytest.raises(IntegrityError, match="no column type"):
        read_type(spelling)
