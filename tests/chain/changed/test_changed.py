"""`penstock changed` on a small shop in SQLite: what it prints, notes and ends with."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chain.changed.look import compare_days
from staging.open_store import open_store
from staging.process.cancel import Cancel
from tests.chain.range.small_range import SmallRange
from tests.exporter.compare.changing_days import FIRST, ChangingDays
from tests.shop.tables import Database

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


def test_a_day_whose_manifest_was_deleted_is_not_called_never_stored(shop: SmallRange) -> None:
    assert shop.backfill(DAYS[0], DAYS[1]).returncode == 0
    (deleted,) = (shop.staging / f"daily_revenue/day={DAYS[0]}").rglob("manifest.json")
    deleted.unlink()
    found = changed(shop, code=40)
    assert [found[day]["outcome"] for day in DAYS] == ["can't be told", "same sums", "never stored"]
    assert "is gone" in found[DAYS[0]]["why"]


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


def test_a_day_that_uses_up_the_budget_alone_comes_after_the_others_the_next_time(
    sqlite_database: str, tmp_path: Path
) -> None:
    beside: Any = {"with": {"refunds": {"table": "refunds", "key": "user_id", "time": "refunded_at"}}}
    beside["with"]["refunds"]["columns"] = ["amount"]
    days = ChangingDays(Database(sqlite_database), tmp_path / "staging", **beside)
    days.create(3)
    days.database.execute("CREATE TABLE refunds (user_id bigint NOT NULL, refunded_at timestamp, amount decimal(10,2))")
    days.export(0, 1, 2)
    days.insert([days.row(2, 50, id_=90_001)])

    def look(budget_seconds: float | None) -> list[str]:
        with open_store(days.settings.staging.url) as store:
            asked = [FIRST + timedelta(day) for day in range(3)]
            found = compare_days(days.settings, store, asked, Cancel(), budget_seconds=budget_seconds, say=print)
        return [each.compared.outcome for each in found]

    # The second table is too much for such a budget: only a day whose first one has changed can be told.
    untold = "can't be told"
    assert [look(1e-9) for _ in range(4)] == [[untold] * 3, [untold] * 3, [untold, untold, "changed"], [untold] * 3]
    assert look(None) == ["same sums", "same sums", "changed"]
