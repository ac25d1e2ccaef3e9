"""A read that would go through the whole table is refused with the index to create; partitions are left out."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from exporter.open_source import open_source
from exporter.port.explained import Explained
from exporter.port.question import DayQuestion, plan_read
from exporter.refuse import full_scan
from exporter.refuse.full_scan import check_full_scan
from staging.errors import InputError
from staging.names import DayNames
from staging.window import load_zone, plan_window
from tests.exporter.days import DAY, committed, pipeline, run_export
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

ROWS = 6000
FIRST = datetime(2026, 11, 10, tzinfo=UTC)
STEP = timedelta(minutes=3)
COLUMNS = "user_id bigint NOT NULL, purchased_at {time} NOT NULL, amount decimal(10,2) NOT NULL"
TIMES = {"postgresql": "timestamptz", "mariadb": "datetime", "mysql": "datetime", "sqlite": "datetime"}
INSIDE = sorted(n for n in range(ROWS) if (FIRST + n * STEP).date() == DAY)


@pytest.fixture(autouse=True)
def _tables_of_a_hundred_rows_are_big(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_scan, "SMALL_TABLE_ROWS", 100)


@pytest.fixture(params=["postgres_database", "mariadb_database", "mysql_database", "sqlite_database"])
def database(request: pytest.FixtureRequest) -> Database:
    return Database(request.getfixturevalue(request.param))


def _fill(database: Database, *, start: datetime = FIRST, step: timedelta = STEP) -> None:
    """Create a table of 6,000 rows, one every three minutes."""
    time = f"{TIMES[database.dialect]} NOT NULL"
    columns = {"id": None, "purchased_at": time, "amount": "decimal(10,2) NOT NULL"}
    create_purchases(database, columns=columns, index=False)
    _insert(database, start=start, step=step)


def _insert(database: Database, *, start: datetime = FIRST, step: timedelta = STEP) -> None:
    at = [start + n * step for n in range(ROWS)]
    texts = [f"{each:%Y-%m-%d %H:%M:%S}" + ("+00" if database.dialect == "postgresql" else "") for each in at]
    rows = ", ".join(f"({n}, '{text}', {n}.50)" for n, text in enumerate(texts))
    database.execute(f"INSERT INTO purchases VALUES {rows}")
    if database.dialect != "sqlite":
        database.execute("ANALYZE purchases" if database.dialect == "postgresql" else "ANALYZE TABLE purchases")


def _explain(database: Database, folder: Path, *, day: date = DAY, **source: Any) -> Explained:
    settings = pipeline(database.url, folder, **{"timezone": "UTC"} | source)
    question = DayQuestion(settings, DayNames("p", day), plan_window(day, load_zone("UTC")), "export-1")
    with (
        open_source(database.url) as opened,
        closing(opened.begin_snapshot(question.table(), max_seconds=20)) as snapshot,
    ):
        read = plan_read(question, snapshot, opened.dialect)
        explained = check_full_scan(question, read, snapshot, opened.dialect)
        if database.dialect == "postgresql":
            assert snapshot.fetch("SHOW enable_seqscan") == [("on",)]
    assert explained is not None
    return explained


def _statement(error: InputError) -> str:
    return error.fix.partition(";")[0] + ";"


def test_a_table_without_an_index_on_its_time_is_refused_with_the_statement_that_mends_it(
    database: Database, tmp_path: Path
) -> None:
    _fill(database)
    settings = pipeline(database.url, tmp_path, timezone="UTC")
    with pytest.raises(InputError) as caught:
        run_export(settings)
    assert "whole table purchases" in caught.value.what
    assert "purchased_at" in caught.value.why
    assert "export.allow_full_scan = true" in caught.value.fix
    assert committed(tmp_path) == []
    statement = _statement(caught.value)
    online = {
        "postgresql": "CONCURRENTLY",
        "mariadb": "ALGORITHM=INPLACE LOCK=NONE",
        "mysql": "ALGORITHM=INPLACE LOCK=NONE",
        "sqlite": "CREATE INDEX",
    }
    assert online.get(database.dialect, "ALGORITHM=INPLACE LOCK=NONE") in statement
    _run_online(database, statement)
    export = run_export(settings)
    assert sorted(row["user_id"] for row in export.rows()) == INSIDE


def _run_online(database: Database, statement: str) -> None:
    if database.dialect != "postgresql":
        database.execute(statement)
        return
    import psycopg

    with psycopg.connect(database.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(statement)


def test_it_is_read_where_that_is_allowed(database: Database, tmp_path: Path) -> None:
    _fill(database)
    settings = pipeline(database.url, tmp_path, timezone="UTC", export={"allow_full_scan": True})
    assert sorted(row["user_id"] for row in run_export(settings).rows()) == INSIDE


def test_a_small_table_needs_no_index(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_scan, "SMALL_TABLE_ROWS", ROWS)
    _fill(database)
    assert _explain(database, tmp_path).whole


def test_a_day_that_is_most_of_the_table_may_be_found_by_reading_all_of_it(database: Database, tmp_path: Path) -> None:
    _fill(database, start=datetime(2026, 11, 14, tzinfo=UTC), step=timedelta(seconds=13))
    database.execute("CREATE INDEX by_time ON purchases (purchased_at)")
    found = _explain(database, tmp_path)
    assert all(scan.by_choice for scan in found.whole)
    if database.dialect == "postgresql":
        assert found.whole


def test_an_index_in_which_the_time_comes_second_is_none(database: Database, tmp_path: Path) -> None:
    _fill(database)
    database.execute("CREATE INDEX by_user ON purchases (user_id, purchased_at)")
    with pytest.raises(InputError, match="whole table"):
        _explain(database, tmp_path)


@pytest.mark.parametrize("server", ["postgres_database", "sqlite_database"])
def test_an_index_of_some_rows_is_none_for_the_others(
    server: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    database = Database(request.getfixturevalue(server))
    _fill(database)
    database.execute("CREATE INDEX few ON purchases (purchased_at) WHERE amount < 0")
    with pytest.raises(InputError, match="whole table"):
        _explain(database, tmp_path)


def test_what_lies_behind_a_view_counts(database: Database, tmp_path: Path) -> None:
    _fill(database)
    database.execute("CREATE VIEW bought AS SELECT user_id, purchased_at AS happened, amount FROM purchases")
    with pytest.raises(InputError, match="whole table purchases, which bought is read from") as caught:
        _explain(database, tmp_path, table="bought", time="happened")
    assert "an index on the column of purchases that happened is" in caught.value.fix
    database.execute("CREATE INDEX by_time ON purchases (purchased_at)")
    assert all(scan.by_choice for scan in _explain(database, tmp_path, table="bought", time="happened").whole)


def _days(template: str) -> str:
    """One partition for each day from 2026-11-09 to 2026-11-30."""
    days = [date(2026, 11, 9) + timedelta(days=n) for n in range(22)]
    return ", ".join(template.format(name=f"p{day:%d}", high=day + timedelta(days=1)) for day in days)


MARIADB_PARTITIONS = {
    "by its columns": ("datetime", "RANGE COLUMNS (purchased_at)", "PARTITION {name} VALUES LESS THAN ('{high}')"),
    "by days": ("datetime", "RANGE (TO_DAYS(purchased_at))", "PARTITION {name} VALUES LESS THAN (TO_DAYS('{high}'))"),
    "by seconds": (
        "timestamp",
        "RANGE (UNIX_TIMESTAMP(purchased_at))",
        "PARTITION {name} VALUES LESS THAN (UNIX_TIMESTAMP('{high} 00:00:00'))",
    ),
}


@pytest.mark.parametrize("how", MARIADB_PARTITIONS)
def test_of_a_mariadb_table_with_a_partition_a_day_only_that_of_the_day_is_read(
    how: str, mysql_family_database: str, tmp_path: Path
) -> None:
    database = Database(mysql_family_database)
    time, by, template = MARIADB_PARTITIONS[how]
    columns = COLUMNS.format(time=time)
    database.execute(f"CREATE TABLE purchases ({columns}) PARTITION BY {by} ({_days(template)})")
    _insert(database)
    found = _explain(database, tmp_path)
    assert found.partitions == (1, 22)
    assert "partitions p14," in found.steps[0]
    export = run_export(pipeline(mysql_family_database, tmp_path, timezone="UTC"))
    assert sorted(row["user_id"] for row in export.rows()) == INSIDE


def test_of_a_postgresql_table_with_a_partition_a_day_only_that_of_the_day_is_read(
    postgres_database: str, tmp_path: Path
) -> None:
    database = Database(postgres_database)
    columns = COLUMNS.format(time="timestamptz")
    database.execute(f"CREATE TABLE purchases ({columns}) PARTITION BY RANGE (purchased_at)")
    for day in (date(2026, 11, 9) + timedelta(days=n) for n in range(22)):
        database.execute(
            f"CREATE TABLE p{day:%d} PARTITION OF purchases "
            f"FOR VALUES FROM ('{day} 00:00+00') TO ('{day + timedelta(days=1)} 00:00+00')"
        )
    _insert(database)
    found = _explain(database, tmp_path)
    assert found.partitions == (1, 22)
    assert [step.partition(",")[0] for step in found.steps] == ["Seq Scan on p14"]
    export = run_export(pipeline(postgres_database, tmp_path, timezone="UTC"))
    assert sorted(row["user_id"] for row in export.rows()) == INSIDE


def test_partitions_that_say_nothing_about_time_help_nothing(postgres_database: str, tmp_path: Path) -> None:
    database = Database(postgres_database)
    database.execute(f"CREATE TABLE purchases ({COLUMNS.format(time='timestamptz')}) PARTITION BY HASH (user_id)")
    for n in range(8):
        database.execute(f"CREATE TABLE p{n} PARTITION OF purchases FOR VALUES WITH (MODULUS 8, REMAINDER {n})")
    _insert(database)
    with pytest.raises(InputError) as caught:
        _explain(database, tmp_path)  # together they have 6,000 rows
    assert caught.value.what.endswith("whole table purchases: some 6,000 rows.")
    assert "ON each partition" in caught.value.fix
    for n in range(8):
        _run_online(database, f'CREATE INDEX CONCURRENTLY ON p{n} ("purchased_at")')
    database.execute('CREATE INDEX ON "purchases" ("purchased_at")')
    assert not _explain(database, tmp_path).whole


def test_a_table_of_hundreds_of_partitions_is_explained_whole(mysql_family_database: str, tmp_path: Path) -> None:
    database = Database(mysql_family_database)
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(600)]
    listed = ", ".join(f"PARTITION purchases_of_{day:%Y%m%d} VALUES LESS THAN ({n})" for n, day in enumerate(days, 1))
    columns = COLUMNS.format(time="datetime")
    listed += ", PARTITION rest VALUES LESS THAN MAXVALUE"
    database.execute(f"CREATE TABLE purchases ({columns}) PARTITION BY RANGE (user_id) ({listed})")
    _insert(database)
    with pytest.raises(InputError, match="whole table"):
        _explain(database, tmp_path)


def test_a_view_whose_tables_may_not_be_read_is_told_with_the_right_that_its_plan_needs(
    mysql_family_database: str, tmp_path: Path
) -> None:
    database = Database(mysql_family_database)
    _fill(database)
    database.execute("CREATE INDEX by_time ON purchases (purchased_at)")
    database.execute("CREATE VIEW bought AS SELECT * FROM purchases")
    role = f"reader_{tmp_path.name[-8:].replace('-', '')}"
    database.execute(f"CREATE USER {role} IDENTIFIED BY 'word'")
    try:
        database.execute(f"GRANT SELECT, SHOW VIEW ON bought TO {role}")
        url = sa.make_url(mysql_family_database).set(username=role, password="word").render_as_string(False)
        with pytest.raises(InputError) as caught:
            _explain(Database(url), tmp_path, table="bought")
        assert "GRANT SELECT ON the tables of the view" in caught.value.fix
        database.execute(f"GRANT SELECT ON purchases TO {role}")
        assert _explain(Database(url), tmp_path, table="bought").steps
    finally:
        database.execute(f"DROP USER {role}")
