"""`penstock diff`: exactly the keys that differ between two exports, however each of them was split."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from chain.cli import cli
from staging.errors import InputError
from tests.exporter.arrow.parquet_lake import pipeline_of
from tests.exporter.days import DAY, run_export

pytestmark = pytest.mark.integration

START = datetime(2026, 11, 13, 23, tzinfo=UTC)
Row = tuple[Any, datetime, Decimal, str]


def rows(count: int, *, first: int = 0) -> list[Row]:
    return [
        (i * 7 % 23, START + timedelta(minutes=i), Decimal(i * 31 % 977 - 300) / 100, f"note {i}")
        for i in range(first, first + count)
    ]


class Days:
    """Exports of one day, one after the other, each of the rows that lie there then."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "pipeline.toml"
        (folder / "lake").mkdir()
        self.made = 0

    def export(self, made: list[Row], *, shards: int = 3, columns: tuple[str, ...] = ("amount", "note")) -> str:
        key = pa.string() if made and isinstance(made[0][0], str) else pa.int64()
        table = {
            "user_id": pa.array([row[0] for row in made], key),
            "purchased_at": pa.array([row[1] for row in made], pa.timestamp("us", "UTC")),
            "amount": pa.array([row[2] for row in made], pa.decimal128(12, 2)),
            "note": pa.array([row[3] for row in made], pa.string()),
        }
        pq.write_table(pa.table(table), self.folder / "lake" / "0.parquet")
        self.config.write_text(pipeline_of(self.folder, shards=shards, columns=columns))
        self.made += 1
        from staging.config.file import load_pipeline

        settings = load_pipeline(self.config, environ={})
        done = run_export(settings, run_id=f"run-{self.made:04d}", fresh_export=True)
        return str(done.manifest["export_id"])

    def diff(self, *options: str) -> Result:
        return CliRunner().invoke(cli, ["diff", "--config", str(self.config), "--day", str(DAY), *options], obj={})

    def json(self, *options: str) -> dict[str, Any]:
        result = self.diff("--json", "--limit", "1000", *options)
        assert result.exit_code == 0, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found


@pytest.fixture
def days(tmp_path: Path) -> Days:
    return Days(tmp_path)


def oracle(before: list[Row], after: list[Row]) -> dict[Any, tuple[int, int, Decimal, Decimal]]:
    """Keys whose rows are not the same, by plain Python."""
    sides: list[dict[Any, list[Row]]] = []
    for side in (before, after):
        by_key: dict[Any, list[Row]] = defaultdict(list)
        for row in side:
            by_key[row[0]].append(row)
        sides.append(by_key)
    found = {}
    for key in sides[0].keys() | sides[1].keys():
        old, new = (sorted(side.get(key, [])) for side in sides)
        if old != new:
            before_sum, after_sum = (sum((row[2] for row in side), Decimal(0)) for side in (old, new))
            found[key] = (len(old), len(new), before_sum, after_sum)
    return found


def listed(found: dict[str, Any]) -> dict[Any, tuple[int, int, Decimal, Decimal]]:
    return {
        each["key"]: (
            each["rows"]["before"],
            each["rows"]["after"],
            Decimal(each["sums"]["amount"]["before"]),
            Decimal(each["sums"]["amount"]["after"]),
        )
        for each in found["differing"]
    }


def changed(made: list[Row]) -> list[Row]:
    """Late rows of keys new and old, one gone, one corrected, two that swap their money, one that says other words."""
    late = [(500, START + timedelta(hours=3), Decimal("9.99"), "late"), *rows(2, first=900)]
    kept = [*made[1:]]
    kept[10] = (*kept[10][:2], kept[10][2] + Decimal("0.01"), kept[10][3])
    kept[30], kept[53] = (*kept[30][:2], kept[53][2], kept[30][3]), (*kept[53][:2], kept[30][2], kept[53][3])
    kept[60] = (*kept[60][:3], "other words")
    return kept + late


@pytest.mark.parametrize("shards", [(3, 3), (3, 5), (1, 4), (7, 7)])
@pytest.mark.parametrize("text_key", [False, True])
def test_exactly_the_keys_that_differ_are_told(days: Days, shards: tuple[int, int], text_key: bool) -> None:
    before = rows(400)
    after = changed(before)
    if text_key:
        before, after = ([(f"käse {row[0]}", *row[1:]) for row in side] for side in (before, after))
    days.export(before, shards=shards[0])
    days.export(after, shards=shards[1])
    found = days.json()
    expected = oracle(before, after)
    assert len(expected) >= 5
    assert listed(found) == expected
    assert found["equal"] is False
    counts = found["keys"]
    assert counts["new"] == sum(not old for old, *_ in expected.values())
    assert counts["new"] + counts["gone"] + counts["changed"] == len(expected)
    assert sum(counts.values()) == len({row[0] for row in before + after})
    others = {each["key"] for each in found["differing"] if each["other_values"]}
    assert others == {key for key, (old, new, was, now) in expected.items() if (old, was) == (new, now)}


@pytest.mark.parametrize("shards", [3, 4])
def test_equal_exports_say_so(days: Days, shards: int) -> None:
    days.export(rows(100))
    days.export(list(reversed(rows(100))), shards=shards)
    result = days.diff()
    assert result.exit_code == 0
    assert result.stdout.startswith(f"daily_revenue {DAY}: equal\n")
    assert days.json()["equal"] is True


def test_an_empty_day_is_compared_like_any_other(days: Days) -> None:
    days.export([])
    days.export(rows(50))
    found = days.json()
    assert listed(found) == oracle([], rows(50))
    assert found["keys"]["new"] == 23


def test_the_biggest_differences_come_first_and_all_are_counted(days: Days) -> None:
    days.export(rows(100))
    days.export([*rows(100), *((key, START, Decimal(key), "late") for key in (900, 1, 901, 3))])
    result = days.diff("--limit", "2")
    lines = result.stdout.splitlines()
    assert lines[0] == f"daily_revenue {DAY}: 4 keys differ"
    assert "rows 100 > 104 (+4)" in result.stdout
    assert [line.split()[0] for line in lines if line.startswith("  90")] == ["901", "900"]
    assert lines[-1] == "  … and 2 more; --limit lists them."
    assert "differing" not in days.diff("--limit", "0").stdout


def test_any_two_exports_can_be_named(days: Days) -> None:
    made = [days.export(rows(count)) for count in (10, 20, 30)]
    assert [days.json()[side]["export_id"] for side in ("before", "after")] == made[1:]
    found = days.json("--exports", made[2], made[0])
    assert (found["before"]["rows"], found["after"]["rows"]) == (30, 10)
    assert listed(found) == oracle(rows(30), rows(10))


def test_columns_that_only_one_has_are_named(days: Days) -> None:
    days.export(rows(10))
    days.export(rows(10), columns=("amount",))
    found = days.json()
    assert (found["equal"], found["not_compared"]) == (True, ["note"])


def test_what_can_not_be_compared_is_refused(days: Days) -> None:
    one = days.export(rows(10))
    assert isinstance(days.diff().exception, InputError)
    assert "is older than the current one" in str(days.diff().exception)
    missing = days.diff("--exports", one, "no-such-export").exception
    assert f"The day has {one}" in str(missing) or one in str(missing)


def test_a_damaged_shard_is_found_before_it_is_compared(days: Days) -> None:
    days.export(rows(100))
    export = days.export(rows(101))
    shard = next((days.folder / "staging").rglob(f"export={export}/shard=*/0.parquet"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"X")
    assert days.diff().exit_code != 0
