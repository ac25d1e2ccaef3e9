"""Days that are empty, shrunken or unfinished, by the real commands and jobs: doubted before anything is loaded."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.shop.purchases import create_purchases
from tests.warm import warm_python

pytestmark = pytest.mark.integration

FIRST = date(2026, 10, 1)
FILE = """\
name = "daily_revenue"
[source]
url = "sqlite:///{folder}/shop.db"
table = "purchases"
key = "user_id"
time = "purchased_at"
columns = ["amount"]
timezone = "UTC"
[staging]
url = "{staging}"
[export]
shards = 1
[target]
url = "sqlite:///{folder}/shop.db"
table = "revenue"
"""


class Days:
    """A table of a few rows a day, and commands as processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "daily.toml"
        (folder / "staging").mkdir()
        self.config.write_text(FILE.format(folder=folder, staging=(folder / "staging").as_uri()))
        columns = {
            "id": None,
            "user_id": "integer NOT NULL",
            "purchased_at": "text NOT NULL",
            "amount": "integer NOT NULL",
        }
        create_purchases(f"sqlite:///{folder}/shop.db", columns=columns, index=False)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "shop.db")) as connection, connection:
            return connection.execute(statement).fetchall()

    def sell(self, day: date, rows: int) -> None:
        values = ", ".join(f"({n}, '{day} 12:00:00', {n})" for n in range(1, rows + 1))
        self.sql(f"INSERT INTO purchases VALUES {values}")

    def penstock(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [warm_python(), "-m", "chain", arguments[0], "--config", str(self.config), *arguments[1:]]
        if arguments[0] in ("run", "reprocess", "resume", "backfill"):
            command += ["--logs", str(self.folder / "logs")]
        return subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), check=False)

    def report(self, *arguments: str) -> dict[str, Any]:
        ended = self.penstock(*arguments, "--json")
        assert ended.returncode == 0, ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout)
        return found

    def revenue(self, day: date) -> list[tuple[Any, ...]]:
        return self.sql(f"SELECT user_id, revenue FROM revenue WHERE day = '{day}' ORDER BY user_id")


@pytest.fixture
def days(tmp_path: Path) -> Days:
    made = Days(tmp_path)
    assert made.penstock("init").returncode == 0
    return made


def test_a_shrunken_day_ends_with_both_figures_before_the_load_until_it_is_accepted(days: Days) -> None:
    second = FIRST + timedelta(days=1)
    days.sell(FIRST, 40)
    days.sell(second, 3)
    ended = days.penstock("backfill", "--from", str(FIRST), "--to", str(second))
    assert ended.returncode == 40, ended.stderr
    assert "it has 3 rows, the median of the last 1 stored days is 40" in ended.stderr
    assert days.revenue(second) == []
    again = days.penstock("run", "--day", str(second))
    assert again.returncode == 40, again.stderr
    assert days.report("run", "--day", str(second), "--accept-change")["status"] == "done"
    assert [user for user, _ in days.revenue(second)] == [1, 2, 3]
    assert days.report("run", "--day", str(second))["status"] == "already done"  # what was accepted is not doubted


def test_a_day_that_was_read_before_it_was_over_is_read_again_when_it_is(days: Days) -> None:
    """The stored export is made old by its own manifest: nobody can wait for midnight."""
    days.sell(FIRST, 20)
    days.report("run", "--day", str(FIRST))
    make_unfinished(days, FIRST)
    status = json.loads(days.penstock("status", "--day", str(FIRST), "--json").stdout)
    assert status[0]["unfinished"] is True
    assert "unfinished" in days.penstock("verify", "--day", str(FIRST)).stdout
    assert days.penstock("reprocess", "--day", str(FIRST), "--require-closed").returncode == 20
    days.sell(FIRST, 25)
    found = days.report("run", "--day", str(FIRST))
    assert (found["status"], found["rows_exported"], found["unfinished"]) == ("done", 45, False)
    assert found["since_export_before"]["rows"] == {"before": 20, "after": 45}
    assert days.report("run", "--day", str(FIRST))["status"] == "already done"


def test_keep_reads_an_unfinished_day_again_whatever_it_has(days: Days) -> None:
    days.sell(FIRST, 20)
    days.report("run", "--day", str(FIRST))
    make_unfinished(days, FIRST)
    (kept,) = days.report("keep", "--from", str(FIRST), "--to", str(FIRST))["days"]
    assert (kept["outcome"], kept["compared"], kept["why"]) == ("healed", None, "it was read before it was over")
    assert (kept["rows_before"], kept["rows_after"], kept["unfinished"]) == (20, 20, False)
    assert kept["sums_before"] == kept["sums_after"]
    (again,) = days.report("keep", "--from", str(FIRST), "--to", str(FIRST))["days"]
    assert (again["outcome"], again["compared"]) == ("left", "same sums")


def test_a_day_that_is_not_over_may_be_looked_at_and_is_refused_where_it_has_to_be_closed(days: Days) -> None:
    today = datetime.now(UTC).date()
    days.sell(today - timedelta(days=1), 40)
    days.sell(today, 2)
    days.report("run", "--day", str(today - timedelta(days=1)))
    ended = days.penstock("run", "--day", str(today), "--require-closed")
    assert ended.returncode == 20, ended.stderr
    assert "is not over" in ended.stderr
    early = days.penstock("run", "--day", str(today))  # of 2 rows, which is no reason to doubt it
    assert early.returncode == 0, early.stderr
    over = f"{today + timedelta(days=1)} 00:00:00 UTC"
    assert f"Unfinished: the day is over at {over}." in " ".join(early.stdout.split())
    assert days.report("run", "--day", str(today), "--fresh-export")["why_unfinished"] == f"the day is over at {over}"


def test_a_corrected_table_is_not_answered_by_the_old_ones_export(days: Days) -> None:
    days.sell(FIRST, 5)
    days.report("run", "--day", str(FIRST))
    days.sql("CREATE TABLE corrected AS SELECT * FROM purchases WHERE user_id < 4")
    other = ("--set", "source.table=corrected")
    for command in ("run", "reprocess", "resume", "verify"):
        ended = days.penstock(command, "--day", str(FIRST), *other)
        assert ended.returncode == 10, (command, ended.stderr)
        assert "source.table was purchases and is corrected" in ended.stderr
    backfill = days.penstock("backfill", "--from", str(FIRST), "--to", str(FIRST), *other)
    assert backfill.returncode == 10
    fresh = days.report("run", "--day", str(FIRST), "--fresh-export", *other)
    assert fresh["rows_exported"] == 3


def test_a_done_day_that_somebody_emptied_is_set_right_and_an_unchanged_one_says_so(days: Days) -> None:
    days.sell(FIRST, 5)
    days.report("run", "--day", str(FIRST))
    rows = days.revenue(FIRST)
    days.sql("DELETE FROM revenue")
    assert days.report("run", "--day", str(FIRST))["status"] == "done"
    assert days.revenue(FIRST) == rows
    days.sql("UPDATE revenue SET revenue = revenue + 1")
    days.report("backfill", "--from", str(FIRST), "--to", str(FIRST))
    assert days.revenue(FIRST) == rows
    unchanged = days.penstock("run", "--day", str(FIRST), "--fresh-export")
    assert "nothing has changed" in unchanged.stderr
    assert "nothing has changed" in unchanged.stdout
    assert days.report("run", "--day", str(FIRST), "--fresh-export")["since_export_before"]["changed"] is False


def make_unfinished(days: Days, day: date) -> None:
    """Let the stored export of a day be true of an instant before its end, in all documents and in the ledger."""
    import hashlib

    from staging.names import DayNames
    from staging.open_store import open_store

    early = f"{day}T18:00:00Z"
    names = DayNames("daily_revenue", day)
    with open_store((days.folder / "staging").as_uri()) as store:
        head = json.loads(store.read(names.head())[0])
        name, used = names.manifest(head["export_id"]), names.run_export(head["run_id"])
        data, info = store.read(name)
        changed = json.dumps(json.loads(data) | {"as_of": early}).encode()
        store.delete(name, generation=info.generation)
        made = store.create(name, changed)
        data, info = store.read(used)
        store.delete(used, generation=info.generation)
        export = json.loads(data) | {
            "manifest_generation": made.generation,
            "manifest_sha256": hashlib.sha256(changed).hexdigest(),
        }
        store.create(used, json.dumps(export).encode())
    days.sql(f"UPDATE penstock_ledger SET as_of = '{day}T18:00:00.000000+00:00'")
