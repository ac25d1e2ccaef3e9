"""Who follows MySQL's log from the GTIDs in a manifest misses nothing: all of them are in what was read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exporter.days import pipeline, run_export
from tests.exporter.mysql.once_begun import OnceBegun
from tests.exporter.sliced_reads import calm
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

pytestmark = pytest.mark.integration


def _write(database: Database) -> str:
    """Commit a row of another day; return its transaction."""
    executed = "SELECT @@GLOBAL.gtid_executed"
    ((before,),) = database.execute(executed)
    database.execute("INSERT INTO purchases VALUES (2, 1, '2026-11-20 05:00', 1)")
    ((after,),) = database.execute(executed)
    ((late,),) = database.execute(f"SELECT GTID_SUBTRACT('{after}', '{before}')")
    return str(late)


@pytest.mark.parametrize("read", ["snapshot", "slices"])
def test_what_is_committed_once_the_snapshot_has_begun_is_not_among_them(
    mysql_database: str, tmp_path: Path, read: str
) -> None:
    rows = [(1, 1, "2026-11-14 05:00", 1)]
    database = create_purchases(mysql_database, rows, columns={"purchased_at": "datetime(6) NOT NULL"})
    ((filled,),) = database.execute("SELECT @@GLOBAL.gtid_executed")
    late: list[str] = []
    opener = OnceBegun(lambda: late.append(_write(database)))
    made = pipeline(mysql_database, tmp_path, export={"read": read}, timezone="UTC")
    named = run_export(calm(made), opener=opener).manifest["source"]["evidence"]["gtid_executed"]
    assert late
    assert late[0]
    assert database.execute(f"SELECT GTID_SUBSET('{filled}', '{named}')") == [(1,)]
    assert database.execute(f"SELECT GTID_SUBSET('{late[0]}', '{named}')") == [(0,)]
