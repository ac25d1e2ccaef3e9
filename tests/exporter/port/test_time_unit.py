"""A column of whole numbers is read as seconds since 1970: one of a smaller unit is found, and named."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from staging.errors import InputError
from tests.exporter.days import pipeline, run_export
from tests.shop.purchases import create_purchases

NOON = int(datetime(2026, 11, 14, 12, tzinfo=UTC).timestamp())
UNITS = {"milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}


def shop(folder: Path, *times: int) -> str:
    columns = {"id": None} | dict.fromkeys(("user_id", "purchased_at", "amount"), "integer NOT NULL")
    rows = [(user, at, 5) for user, at in enumerate(times, start=1)]
    return create_purchases(f"sqlite:///{folder}/shop.db", rows, columns=columns, index=False).url


@pytest.mark.parametrize("unit", UNITS)
def test_a_smaller_unit_is_named_and_nothing_is_exported(tmp_path: Path, unit: str) -> None:
    with pytest.raises(InputError, match=f"purchased_at holds {unit} since 1970") as caught:
        run_export(pipeline(shop(tmp_path, NOON * UNITS[unit]), tmp_path / "staging"))
    assert f"{UNITS[unit]:,}" in caught.value.fix
    assert not list((tmp_path / "staging").rglob("manifest.json"))


def test_one_row_of_a_smaller_unit_among_seconds_is_found(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="where user_id is 3"):
        run_export(pipeline(shop(tmp_path, NOON, NOON + 1, NOON * 1000), tmp_path / "staging"))


def test_rows_that_a_condition_leaves_out_are_not_looked_at(tmp_path: Path) -> None:
    settings = pipeline(shop(tmp_path, NOON, NOON * 1000), tmp_path / "staging", where="user_id < 2")
    assert run_export(settings).manifest["rows"] == 1


def test_seconds_are_seconds_and_a_far_future_is_no_other_unit(tmp_path: Path) -> None:
    settings = pipeline(shop(tmp_path, NOON, 253402300799, 2**63 - 1), tmp_path / "staging")
    assert run_export(settings, day=date(2026, 11, 14)).manifest["rows"] == 1
