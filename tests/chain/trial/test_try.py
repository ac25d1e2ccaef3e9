"""`penstock try`: a transform over a stored shard, proven as a task proves it, and nothing is left."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from chain.cli import cli
from staging.config.file import load_pipeline
from staging.errors import PenstockError
from tests.exporter.arrow.parquet_lake import pipeline_of
from tests.exporter.days import DAY, Export, run_export
from tests.shop.purchases import create_purchases

SHARDS = 3
CONFIG = """\
name = "daily_revenue"
[source]
url = "sqlite:///{folder}/shop.db"
table = "purchases"
key = "user_id"
time = "purchased_at"
columns = ["amount", "note"]
timezone = "Europe/Berlin"
[staging]
url = "file://{folder}/staging"
[export]
shards = 3
[process]
transform = "{transform}"
[target]
url = "env:NOWHERE"
table = "revenue"
"""
OWN = """\
import polars as pl
from penstock import Contract, Split, Transform

def contract(day):
    schema = pl.Schema({"user_id": pl.Int64(), "spent": pl.Decimal(28, 2), "note": pl.String()})
    return Contract(schema=schema, key="user_id", conserves={"spent": "amount"})

def apply(rows, day):
    print("a word of the author's")
    good = pl.col("amount") >= GOOD
    spent = pl.col("amount").sum().cast(pl.Decimal(28, 2)).alias("spent")
    kept = rows.filter(good).group_by("user_id").agg(spent, pl.col("note").max())
    reason = pl.when(pl.col("amount") < -5).then(pl.lit("far below")).otherwise(pl.lit("below"))
    return Split(kept, rows.filter(~good).with_columns(reason=reason))

own = Transform(contract, apply)
"""


class Stored:
    """A day of a SQLite shop, exported into a folder; whose database is gone by now."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "daily.toml"
        self.use("own:own", OWN.replace("GOOD", "0"))
        columns = {"id": None, "amount": "decimal(10,2) NOT NULL", "note": "varchar(40)"}
        create_purchases(f"sqlite:///{folder}/shop.db", self._rows(), columns=columns)
        self.export: Export = run_export(load_pipeline(self.config, environ={"NOWHERE": "sqlite:///x.db"}))
        (folder / "shop.db").unlink()

    def _rows(self) -> Any:
        for i in range(200):
            amount = f"{(i * 37 % 200 - 20) / 4:.2f}"
            yield i % 61, f"{DAY} 12:00:{i % 60:02d}", amount, f"n\N{ESCAPE}[31m{i}"

    def use(self, transform: str, source: str = "") -> None:
        self.config.write_text(CONFIG.format(folder=self.folder, transform=transform))
        (self.folder / "own.py").write_text(source)

    def run(self, *options: str, day: str = str(DAY)) -> Result:
        arguments = ["try", "--config", str(self.config), "--day", day, *options]
        return CliRunner().invoke(cli, arguments, obj={"NOWHERE": "sqlite:///x.db"})

    def shard(self, number: int) -> list[dict[str, Any]]:
        return list(self.export.table(number).to_pylist())

    def files(self) -> dict[str, int]:
        found = [path for path in (self.folder / "staging").rglob("*") if path.is_file()]
        return {str(path): path.stat().st_mtime_ns for path in found}


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    return Stored(tmp_path)


@pytest.mark.parametrize("number", range(SHARDS))
def test_rows_sums_and_quarantine_of_a_shard_are_what_plain_python_finds(stored: Stored, number: int) -> None:
    before = stored.files()
    ended = stored.run("--shard", str(number), "--json")
    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.stdout)

    spent: dict[int, Decimal] = defaultdict(Decimal)
    notes: dict[int, str] = {}
    reasons: Counter[str] = Counter()
    aside = Decimal(0)
    rows = stored.shard(number)
    for row in rows:
        if row["amount"] >= 0:
            spent[row["user_id"]] += row["amount"]
            notes[row["user_id"]] = max(notes.get(row["user_id"], ""), row["note"])
        else:
            aside += row["amount"]
            reasons["far below" if row["amount"] < -5 else "below"] += 1
    expected = [{"user_id": user, "spent": f"{spent[user]:.2f}", "note": notes[user]} for user in sorted(spent)]
    assert found["rows"] == expected[:10]
    assert (found["rows_in"], found["rows_out"]) == (len(rows), len(expected))
    assert (found["rows_quarantined"], found["quarantine_reasons"]) == (reasons.total(), dict(reasons))
    whole, part = sum((row["amount"] for row in rows), Decimal(0)), sum(spent.values(), Decimal(0))
    assert found["conserved"] == [
        {"output": "spent", "source": "amount", "shard": f"{whole}", "part": f"{part}", "quarantine": f"{aside:.2f}"}
    ]
    assert (found["shard"], found["shards"], found["export_id"]) == (
        number, SHARDS, stored.export.manifest["export_id"])  # fmt: skip
    assert found["output_columns"] == {"user_id": "Int64", "spent": "Decimal(28, 2)", "note": "String"}
    assert stored.files() == before


def test_people_see_ten_rows_and_the_figures_and_no_sign_that_steers_a_terminal(stored: Stored) -> None:
    before = stored.files()
    ended = stored.run()
    assert ended.exit_code == 0, ended.output
    assert "\N{ESCAPE}" not in ended.stdout
    assert "a word of the author's" not in ended.stdout  # data alone goes there
    lines = ended.stdout.splitlines()
    users = sorted({row["user_id"] for row in stored.shard(0) if row["amount"] >= 0})
    assert [int(line.split()[0]) for line in lines if "n\N{REPLACEMENT CHARACTER}[31m" in line] == users[:10]
    assert f"  … and {len(users) - 10} more" in lines
    assert any(line.startswith(f"  rows        {len(stored.shard(0))} in, {len(users)} out") for line in lines)
    assert any("sum         amount " in line and "= spent" in line for line in lines)
    assert any("quarantine " in line and "below (" in line for line in lines)
    assert lines[-1] == "  Nothing was written."
    assert stored.files() == before


def test_every_shard_can_be_tried_and_one_too_many_is_refused(stored: Stored) -> None:
    users = set()
    for number in range(SHARDS):
        users |= {row["user_id"] for row in stored.shard(number)}
        assert stored.run("--shard", str(number)).exit_code == 0
    assert len(users) == 61
    refused = stored.run("--shard", "3")
    assert "numbered from 0 to 2" in str(getattr(refused.exception, "why", ""))
    assert "has no shard 3" in str(refused.exception)
    assert _code(refused) == 2


@pytest.mark.parametrize(
    ("bad", "code", "says"),
    [
        (OWN.replace("GOOD", "0").replace('pl.col("note").max()', 'pl.col("notes").max()'), 10, "notes"),
        (OWN.replace("GOOD", "0").replace("pl.Decimal(28, 2)).alias", "pl.Float64).alias"), 10, "spent Float64"),
        (OWN.replace("GOOD", "0").replace("rows.filter(~good)", "rows.filter(~good).head(1)"), 40, "does not conserve"),
        (OWN.replace("GOOD", "0").replace('pl.lit("below")', "pl.lit(None)"), 10, "without a reason"),
    ],
)
def test_a_broken_transform_is_told_as_a_task_would_tell_it_and_leaves_nothing(
    stored: Stored, bad: str, code: int, says: str
) -> None:
    stored.use("own:own", bad)
    before = stored.files()
    refused = stored.run()
    assert _code(refused) == code
    assert says in str(refused.exception)
    assert stored.files() == before


def test_a_day_without_an_export_is_named_and_no_folder_is_made(stored: Stored) -> None:
    refused = stored.run(day="2026-11-13")
    assert "no export of 2026-11-13" in str(refused.exception)
    assert _code(refused) == 10
    missing = stored.folder / "elsewhere"
    refused = stored.run("--set", f"staging.url={missing.as_uri()}")
    assert str(missing) in str(refused.exception)
    assert not missing.exists()


def test_an_export_of_another_question_is_not_tried(stored: Stored) -> None:
    refused = stored.run("--set", "source.where=amount > 1")
    assert _code(refused) == 10
    assert "where" in str(refused.exception)


PARTIAL = """\
import polars as pl
from penstock import Contract, Transform

def contract(day):
    schema = {"user_id": pl.Int64(), "spent": pl.Decimal(28, 2), "first_at": day.schema[day.time]}
    return Contract(pl.Schema(schema), "user_id", {}, {"spent": "sum", "first_at": "min"})

def apply(rows, day):
    spent = pl.col("amount").sum().cast(pl.Decimal(28, 2))
    return rows.group_by("user_id").agg(spent=spent, first_at=pl.col(day.time).min())

partial = Transform(contract, apply)
"""


def test_a_file_that_is_a_shard_is_tried_where_it_lies_and_so_is_one_without_rows(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    noon = datetime(2026, 11, 14, 12, tzinfo=UTC)
    for number, amounts in enumerate(([Decimal("1.50"), Decimal("2.25")], [])):
        columns = {
            "user_id": pa.array([7] * len(amounts), pa.int64()),
            "purchased_at": pa.array([noon] * len(amounts), pa.timestamp("us", "UTC")),
            "amount": pa.array(amounts, pa.decimal128(12, 2)),
        }
        pq.write_table(pa.table(columns), tmp_path / "lake" / f"{number}.parquet")
    (tmp_path / "own.py").write_text(PARTIAL)
    config = tmp_path / "daily.toml"
    text = pipeline_of(tmp_path, more='[process]\ntransform = "own:partial"\n')
    config.write_text(text.replace("shards = 3", 'shard = "file"'))
    run_export(load_pipeline(config, environ={}))
    tried = [
        CliRunner().invoke(cli, ["try", "--config", str(config), "--day", str(DAY), *options], obj={})
        for options in (["--json"], ["--shard", "1", "--json"], ["--shard", "1"])
    ]
    assert [each.exit_code for each in tried] == [0, 0, 0], tried
    full, empty = (json.loads(each.stdout) for each in tried[:2])
    assert full["rows"] == [{"user_id": 7, "spent": "3.75", "first_at": "2026-11-14T12:00:00+00:00"}]
    assert (empty["rows"], empty["rows_in"], empty["conserved"], empty["quarantine_reasons"]) == ([], 0, [], {})
    assert "none is proven" in tried[2].stdout
    assert "quarantine  none" in tried[2].stdout


def _code(refused: Result) -> int:
    assert isinstance(refused.exception, PenstockError)
    return int(refused.exception.exit_code)
