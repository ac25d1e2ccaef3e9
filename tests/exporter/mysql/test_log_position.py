"""Who follows MySQL's log from the GTIDs in a manifest misses nothing: all of them are in what was read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporter.open_source import open_source
from exporter.port.database import Source
from tests.exporter.days import pipeline, run_export
from tests.exporter.sliced_reads import calm
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

pytestmark = pytest.mark.integration


class _WriteOnceBegun:
    """Opens the source of an export; as soon as its last snapshot has begun, a row of another day is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.late = ""

    @contextmanager
    def __call__(self, url: str) -> Iterator[Source]:
        with open_source(url) as source:
            made: Any = source
            made.connection.run = self._watch(made.connection.run)
            begin = made.begin_slices

            def begin_slices(table: Any) -> Any:
                slices = begin(table)
                seal = slices.seal

                def seal_all(rows: int, checksum: int) -> Any:
                    slices._session.run = self._watch(slices._session.run)
                    return seal(rows, checksum)

                slices.seal = seal_all
                return slices

            made.begin_slices = begin_slices
            yield source

    def _watch(self, run: Any) -> Any:
        def watched(sql: str, doing: str) -> Any:
            found = run(sql, doing)
            if sql.startswith("START TRANSACTION"):
                self.late = self._write()
            return found

        return watched

    def _write(self) -> str:
        executed = "SELECT @@GLOBAL.gtid_executed"
        ((before,),) = self._database.execute(executed)
        self._database.execute("INSERT INTO purchases VALUES (2, 1, '2026-11-20 05:00', 1)")
        ((after,),) = self._database.execute(executed)
        ((late,),) = self._database.execute(f"SELECT GTID_SUBTRACT('{after}', '{before}')")
        return str(late)


@pytest.mark.parametrize("read", ["snapshot", "slices"])
def test_what_is_committed_once_the_snapshot_has_begun_is_not_among_them(
    mysql_database: str, tmp_path: Path, read: str
) -> None:
    rows = [(1, 1, "2026-11-14 05:00", 1)]
    database = create_purchases(mysql_database, rows, columns={"purchased_at": "datetime(6) NOT NULL"})
    ((filled,),) = database.execute("SELECT @@GLOBAL.gtid_executed")
    opener = _WriteOnceBegun(database)
    made = pipeline(mysql_database, tmp_path, export={"read": read}, timezone="UTC")
    named = run_export(calm(made), opener=opener).manifest["source"]["evidence"]["gtid_executed"]
    assert opener.late
    assert database.execute(f"SELECT GTID_SUBSET('{filled}', '{named}')") == [(1,)]
    assert database.execute(f"SELECT GTID_SUBSET('{opener.late}', '{named}')") == [(0,)]
