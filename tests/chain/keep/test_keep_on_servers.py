"""`penstock keep` on PostgreSQL and MySQL: of days that changed in every way exactly these are read again."""

from __future__ import annotations

import json
import os
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.shop.purchases import create_purchases, insert_purchases
from tests.warm import warm_python

pytestmark = pytest.mark.integration

FIRST = date(2026, 11, 10)
ROWS = 150
UNTOUCHED, LATE, SWAPPED, REPLACED, MISSING = range(5)
FILE = """\
name = "daily_revenue"
[source]
url = "{url}"
table = "purchases"
key = "user_id"
time = "purchased_at"
columns = ["amount"]
timezone = "UTC"
{where}
[staging]
url = "{staging}"
[export]
shards = 1
read = "{read}"
[pacing]
gentle = "replica"
[target]
url = "{url}"
table = "revenue"
"""


class KeptShop:
    """A table of 150 rows a day in one database, its target beside it, and commands as processes."""

    def __init__(self, url: str, folder: Path, *, read: str = "auto", where: str = "") -> None:
        self.folder = folder
        self.config = folder / "daily_revenue.toml"
        self.staging = folder / "staging"
        self.staging.mkdir()
        where = f"where = {json.dumps(where)}" if where else ""
        self.config.write_text(FILE.format(url=url, staging=self.staging.as_uri(), read=read, where=where))
        columns = {
            "id": "integer PRIMARY KEY",
            "purchased_at": "timestamp NOT NULL",
            "amount": "decimal(10,2) NOT NULL",
        }
        self.database = create_purchases(url, columns=columns)

    def fill(self, days: int) -> None:
        self.insert([self.row(day, number) for day in range(days) for number in range(ROWS)])

    def row(self, day: int, number: int, *, id_: int | None = None) -> tuple[Any, ...]:
        """Row `number` of a day: of user n % 20, over n / 4 and a cent."""
        at = f"{FIRST + timedelta(day)} {number // 20 + 6:02}:{number % 60:02}:00"
        return id_ or day * 1000 + number + 1, number % 20, at, str(Decimal(number) / 4 + Decimal("0.01"))

    def insert(self, rows: Sequence[tuple[Any, ...]]) -> None:
        insert_purchases(self.database, rows)

    def change(self) -> None:
        """Change three days: a late row; an edit that keeps count and sum; a row that takes another's place."""
        run = self.database.execute
        self.insert([self.row(LATE, 50, id_=90_001)])
        run(f"UPDATE purchases SET amount = 0.51 WHERE id = {SWAPPED * 1000 + 1}")
        run(f"UPDATE purchases SET amount = 0.01 WHERE id = {SWAPPED * 1000 + 3}")
        run(f"DELETE FROM purchases WHERE id = {REPLACED * 1000 + 8}")
        self.insert([(90_002, 19, *self.row(REPLACED, 7)[2:])])  # another user's, all else the same

    def penstock(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [warm_python(), "-m", "chain", name, "--config", str(self.config), *arguments]
        environment = dict(os.environ) | {"PENSTOCK_LOGS": str(self.folder / "logs")}
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    def done(self, name: str, *arguments: str) -> None:
        ended = self.penstock(name, *arguments)
        assert ended.returncode == 0, ended.stderr

    def keep(self, days: int, *, code: int = 0) -> list[dict[str, Any]]:
        ended = self.penstock("keep", *between(0, days - 1), "--json")
        assert ended.returncode == code, ended.stderr
        found: list[dict[str, Any]] = json.loads(ended.stdout)["days"]
        return found

    def exports(self) -> dict[int, set[str]]:
        """The exports of each day: how often it was read."""
        found: dict[int, set[str]] = defaultdict(set)
        for path in self.staging.rglob("manifest.json"):
            day = date.fromisoformat(path.parent.parent.name.removeprefix("day="))
            found[(day - FIRST).days].add(path.parent.name)
        return dict(found)

    def assert_right(self, days: int) -> None:
        """Compare the target with plain Python over the source's rows."""
        expected: dict[tuple[str, int], Decimal] = defaultdict(Decimal)
        for user, at, amount in self.database.execute("SELECT user_id, purchased_at, amount FROM purchases"):
            if (at.date() - FIRST).days < days:
                expected[str(at.date()), int(user)] += Decimal(amount)
        rows = self.database.execute("SELECT day, user_id, revenue FROM revenue")
        assert {(str(day), int(user)): Decimal(total) for day, user, total in rows} == dict(expected)


def between(first: int, last: int) -> tuple[str, ...]:
    return "--from", str(FIRST + timedelta(first)), "--to", str(FIRST + timedelta(last))


@pytest.mark.parametrize("server", ["postgres_database", "mysql_database"])
def test_exactly_the_days_that_changed_and_the_missing_one_are_read(
    server: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    shop = KeptShop(request.getfixturevalue(server), tmp_path)
    shop.fill(5)
    shop.done("init")
    shop.done("backfill", *between(UNTOUCHED, REPLACED))
    shop.change()

    found = shop.keep(5)
    assert [day["outcome"] for day in found] == ["equal", "healed", "healed", "healed", "new"]
    assert [len(exports) for _, exports in sorted(shop.exports().items())] == [1, 2, 2, 2, 1]
    shop.assert_right(5)
    assert (found[LATE]["rows_before"], found[LATE]["rows_after"]) == (ROWS, ROWS + 1)
    assert found[SWAPPED]["sums_before"] == found[SWAPPED]["sums_after"]
    assert (found[REPLACED]["rows_before"], found[REPLACED]["rows_after"]) == (ROWS, ROWS)

    before = shop.exports()
    assert [day["outcome"] for day in shop.keep(5)] == ["equal"] * 5
    assert shop.exports() == before


def test_a_day_that_is_being_rewritten_is_read_once_and_left_for_the_next_night(
    postgres_database: str, tmp_path: Path
) -> None:
    """Which of its rows there are changes with each statement, as if somebody wrote all the time."""
    shop = KeptShop(postgres_database, tmp_path, read="slices", where="is_there(id)")
    run = shop.database.execute
    run("CREATE FUNCTION is_there(integer) RETURNS boolean LANGUAGE sql VOLATILE AS 'SELECT true'")
    shop.fill(2)
    shop.done("init")
    shop.done("backfill", *between(0, 1))
    run(
        "CREATE OR REPLACE FUNCTION is_there(integer) RETURNS boolean LANGUAGE sql VOLATILE AS "
        "'SELECT $1 > 1000 OR random() < 0.5'"
    )
    before = shop.exports()
    ended = shop.penstock("keep", *between(0, 1), "--json")
    assert ended.returncode == 20, ended.stderr
    assert [day["outcome"] for day in json.loads(ended.stdout)["days"]] == ["left", "left"]
    assert f"warning: {FIRST} is left for the next night: exporter: The table changed while it was read" in ended.stderr
    assert shop.exports() == before
    logs = [path.read_text() for path in sorted(shop.folder.rglob("task0-attempt*.log")) if "/exporter-" in str(path)]
    assert any("No more than one read was asked for." in log for log in logs)
    assert not any("Reading it again." in log for log in logs)
    assert len(list(shop.staging.rglob("verdict-*.json"))) == 1  # with which its further attempts ended at once

    run("CREATE OR REPLACE FUNCTION is_there(integer) RETURNS boolean LANGUAGE sql VOLATILE AS 'SELECT $1 <> 2'")
    found = shop.keep(2)
    assert [day["outcome"] for day in found] == ["healed", "left"]
    assert found[0]["rows_after"] == ROWS - 1
