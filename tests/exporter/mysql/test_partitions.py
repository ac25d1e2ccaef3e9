"""Housekeeping of partitions while a day is read in slices: the day is read again, and is right."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from exporter.mysql.connection import MysqlConnection
from exporter.mysql.definition import begin_snapshot
from staging.errors import IntegrityError, PenstockError, UnavailableError
from tests.exporter.days import committed, pipeline, run_export
from tests.exporter.mysql.once_begun import OnceBegun
from tests.exporter.sliced_reads import Between, calm
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

RANGES = (
    "PARTITION BY RANGE (TO_DAYS(purchased_at)) (PARTITION old VALUES LESS THAN (TO_DAYS('2026-11-01')), "
    "PARTITION p1 VALUES LESS THAN (TO_DAYS('2026-12-01')), PARTITION pmax VALUES LESS THAN MAXVALUE)"
)
COLUMNS = RANGES.replace("RANGE (TO_DAYS(purchased_at))", "RANGE COLUMNS (purchased_at)").replace("TO_DAYS", "")
SUBPARTITIONED = RANGES.replace("(PARTITION old", "SUBPARTITION BY HASH (id) SUBPARTITIONS 2 (PARTITION old", 1)
KINDS = {
    "range": RANGES,
    "range columns": COLUMNS,
    "subpartitions": SUBPARTITIONED,
    # A business day of another zone lies in two partitions.
    "daily": "PARTITION BY RANGE COLUMNS (purchased_at) (PARTITION p1 VALUES LESS THAN ('2026-11-14 08:00:00'), "
    "PARTITION p2 VALUES LESS THAN (MAXVALUE))",
    "hash": "PARTITION BY HASH (id) PARTITIONS 4",
    "key": "PARTITION BY KEY (id) PARTITIONS 3",
}
SPLIT = (
    "ALTER TABLE purchases REORGANIZE PARTITION pmax INTO "
    "(PARTITION p2 VALUES LESS THAN (TO_DAYS('2027-01-01')), PARTITION pmax VALUES LESS THAN MAXVALUE)"
)
ROWS_OF_DAY = 240


def make(url: str, partitions: str, *, key: str = "PRIMARY KEY (id, purchased_at)") -> Database:
    """2,000 purchases of half a year, of which the day has 240."""
    database = Database(url)
    keys = "PRIMARY KEY (id)" if "(id) PARTITIONS" in partitions else key
    database.execute(
        "CREATE TABLE purchases (id bigint AUTO_INCREMENT, user_id bigint NOT NULL, purchased_at datetime NOT NULL, "
        f"amount decimal(12,2) NOT NULL, {keys}, KEY (purchased_at)) {partitions}"
    )
    for first, step, count in (("2026-10-01", 60, 400), ("2026-11-14", 6, ROWS_OF_DAY)):
        database.execute(
            "INSERT INTO purchases (user_id, purchased_at, amount) "
            f"SELECT 1, '{first}' + INTERVAL seq * {step} MINUTE, 1 FROM seq_0_to_{count - 1}"
        )
    database.execute("ANALYZE TABLE purchases")
    return database


def export_with(database: Database, folder: Path, statement: str, at: int) -> tuple[int, int]:
    """Rows of the manifest, and how many times the day was read."""
    between = Between(at, lambda: database.execute(statement))
    made = pipeline(database.url, folder, export={"read": "slices", "shards": 2}, timezone="UTC")
    return run_export(calm(made), opener=between).manifest["rows"], between.begun


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("read", ["snapshot", "slices"])
def test_a_table_with_partitions_of_any_kind_is_read_whole(
    mysql_family_database: str, tmp_path: Path, kind: str, read: str
) -> None:
    database = make(mysql_family_database, KINDS[kind])
    made = pipeline(database.url, tmp_path, export={"read": read, "shards": 2}, timezone="UTC")
    assert run_export(calm(made)).manifest["rows"] == ROWS_OF_DAY


@pytest.mark.parametrize("at", [0, -1])
@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("range", "ALTER TABLE purchases DROP PARTITION old"),
        ("range columns", "ALTER TABLE purchases DROP PARTITION old"),
        ("subpartitions", "ALTER TABLE purchases DROP PARTITION old"),
        ("range", "ALTER TABLE purchases TRUNCATE PARTITION old"),
        (
            "range",
            SPLIT,
        ),
    ],
)
def test_a_partition_of_other_days_that_goes_or_is_split_makes_it_start_over(
    mysql_family_database: str, tmp_path: Path, kind: str, statement: str, at: int
) -> None:
    database = make(mysql_family_database, KINDS[kind])
    assert export_with(database, tmp_path, statement, at) == (ROWS_OF_DAY, 2)


def test_a_partition_that_is_added_is_no_alarm(mysql_family_database: str, tmp_path: Path) -> None:
    database = make(mysql_family_database, RANGES.replace(", PARTITION pmax VALUES LESS THAN MAXVALUE", ""))
    add = "ALTER TABLE purchases ADD PARTITION (PARTITION p2 VALUES LESS THAN (TO_DAYS('2027-01-01')))"
    assert export_with(database, tmp_path, add, -1) == (ROWS_OF_DAY, 1)


@pytest.mark.parametrize("statement", ["ALTER TABLE purchases FORCE", "ALTER TABLE purchases REMOVE PARTITIONING"])
def test_a_table_of_which_no_partition_is_left_is_another_one(
    mysql_family_database: str, tmp_path: Path, statement: str
) -> None:
    database = make(mysql_family_database, RANGES)
    with pytest.raises(IntegrityError, match="was changed while it was read"):
        export_with(database, tmp_path, statement, -1)
    assert committed(tmp_path) == []


@pytest.mark.parametrize("at", [0, -1])
def test_the_days_own_partition_that_is_emptied_is_never_a_mixture(
    mysql_family_database: str, tmp_path: Path, at: int
) -> None:
    database = make(mysql_family_database, RANGES)
    try:
        rows, _ = export_with(database, tmp_path, "ALTER TABLE purchases TRUNCATE PARTITION p1", at)
    except PenstockError:
        assert committed(tmp_path) == []
    else:
        assert rows == 0


REWRITES = {
    "split": "ALTER TABLE purchases REORGANIZE PARTITION p1 INTO (PARTITION p0 VALUES LESS THAN "
    "(TO_DAYS('2026-11-10')), PARTITION p1 VALUES LESS THAN (TO_DAYS('2026-12-01')))",
    "first": "ALTER TABLE purchases REBUILD PARTITION p1",
    "last": "ALTER TABLE purchases REBUILD PARTITION p2",
    "view": "ALTER TABLE purchases REBUILD PARTITION p2",
}


@pytest.mark.parametrize(
    ("read", "kind", "rewrite"),
    [
        ("snapshot", "range", "split"),
        ("snapshot", "hash", "first"),
        ("snapshot", "daily", "last"),
        ("snapshot", "daily", "view"),
        ("slices", "hash", "first"),
        ("slices", "daily", "last"),
    ],
)
def test_partitions_that_are_rewritten_as_a_snapshot_begins_leave_no_row_out(
    mysql_family_database: str, tmp_path: Path, kind: str, rewrite: str, read: str
) -> None:
    database = make(mysql_family_database, KINDS[kind])
    if rewrite == "view":
        database.execute("CREATE VIEW bought AS SELECT user_id, purchased_at, amount FROM purchases")
    opener = OnceBegun(lambda: database.execute(REWRITES[rewrite]))
    made = pipeline(
        database.url,
        tmp_path,
        export={"read": read, "shards": 2},
        table="bought" if rewrite == "view" else "purchases",
        timezone="UTC",
    )
    try:
        rows = run_export(calm(made), opener=opener).manifest["rows"]
    except UnavailableError as error:
        said = error.why
        assert committed(tmp_path) == []
    else:
        said = ""
        assert rows == ROWS_OF_DAY
    assert opener.is_done
    assert not said or (database.dialect == "mariadb" and "1412" in said)  # which says so whatever is asked


@pytest.mark.parametrize("question", ["COUNT(*)", "SUM(amount)", "COUNT(*), MIN(id)"])
def test_a_snapshot_counts_what_a_rewritten_partition_holds(mysql_database: str, question: str) -> None:
    """Begun WITH CONSISTENT SNAPSHOT, MySQL 9.7 answers with the rows of the first partition alone."""
    database = make(mysql_database, KINDS["daily"])
    day = "WHERE purchased_at >= '2026-11-14' AND purchased_at < '2026-11-15'"
    asked = f"SELECT {question} FROM purchases FORCE INDEX (PRIMARY) {day}"
    found = database.execute(asked)
    connection = MysqlConnection(make_url(mysql_database))
    try:
        connection.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "test")
        rebuild = REWRITES["last"]
        begin_snapshot(connection.run, "purchases", dialect="mysql", between=lambda: database.execute(rebuild))
        database.execute("INSERT INTO purchases (user_id, purchased_at, amount) VALUES (1, '2026-11-20', 1)")
        assert connection.run(asked, "test") == found
        before = connection.run("SELECT COUNT(*), SUM(id) FROM purchases", "test")
        database.execute("INSERT INTO purchases (user_id, purchased_at, amount) VALUES (1, '2026-11-20', 1)")
        assert connection.run("SELECT COUNT(*), SUM(id) FROM purchases", "test") == before
    finally:
        connection.close()
