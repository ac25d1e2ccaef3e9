"""`penstock changed` on a small shop in SQLite: what it prints, notes and ends with."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.chain.range.small_range import SmallRange

pytestmark = pytest.mark.integration

DAYS = ["2026-10-25", "2026-10-26", "2026-10-27"]
RANGE = ("--from", DAYS[0], "--to", DAYS[2])


def changed(shop: SmallRange, *arguments: str, code: int) -> dict[str, Any]:
    ended = shop.penstock("changed", *RANGE, "--json", *arguments)
    assert ended.returncode == code, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    assert found["exit_code"] == code
    return {day["day"]: day for day in found["days"]}


def test_a_changed_day_is_named_with_its_figures_and_status_says_when_it_was_compared(shop: SmallRange) -> None:
    assert shop.backfill(DAYS[0], DAYS[1]).returncode == 0
    found = changed(shop, code=0)
    assert [found[day]["outcome"] for day in DAYS] == ["same sums", "same sums", "never stored"]
    assert [found[day]["sure"] for day in DAYS] == [False, False, True]  # SQLite: never called equal
    assert "equal" not in shop.penstock("changed", *RANGE).stdout

    shop.sql(f"UPDATE purchases SET amount = amount + 1 WHERE rowid = {first_of(shop, DAYS[1])}")
    found = changed(shop, code=3)
    assert [found[day]["outcome"] for day in DAYS] == ["same sums", "changed", "never stored"]
    day = found[DAYS[1]]
    assert day["rows_before"] == day["rows_after"]
    assert round(float(day["sums_after"]["amount"]) - float(day["sums_before"]["amount"]), 2) == 1

    ended = shop.penstock("changed", *RANGE)
    assert ended.returncode == 3
    assert ended.stderr == ""
    lines = ended.stdout.splitlines()
    assert lines[2].split()[:2] == [DAYS[1], "changed"]
    assert lines[2].endswith("another sum of amount")
    assert lines[4] == "daily_revenue: 1 day same sums, 1 changed, 1 never stored"

    status = shop.status("--from", DAYS[0], "--to", DAYS[2])
    assert [status[day]["compared"] for day in DAYS] == ["same sums", "changed", None]
    assert status[DAYS[0]]["compared_at"] is not None
    assert "compared 20" in shop.penstock("status", "--day", DAYS[1]).stdout
    assert shop.penstock("gc", "--older-than", "1", "--delete").returncode == 0
    assert (shop.staging / "heads/daily_revenue/compared.json").is_file()


def test_a_range_or_a_number_of_days_is_needed_and_a_source_that_is_a_table(shop: SmallRange) -> None:
    for arguments in ((), ("--last", "2", "--from", DAYS[0]), ("--to", DAYS[0]), ("--last", "0"), ("--last", "4000")):
        assert shop.penstock("changed", *arguments).returncode == 2
    assert shop.penstock("changed", "--from", DAYS[1], "--to", DAYS[0]).returncode == 10
    ended = shop.penstock("changed", "--last", "2", "--set", "source.python=own_transform:chosen")
    assert ended.returncode == 10


def first_of(shop: SmallRange, day: str) -> int:
    ((found,),) = shop.sql(
        f"SELECT min(rowid) FROM purchases WHERE purchased_at >= '{day} 12:00' AND purchased_at < '{day} 18:00' "
        "AND status = 'paid'"
    )
    return int(found)
