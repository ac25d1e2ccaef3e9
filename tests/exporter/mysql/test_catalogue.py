"""What the catalogue tells of a table of MariaDB or MySQL, whatever else it has and however the server is set up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from staging.errors import InputError
from tests.exporter.days import pipeline, run_export
from tests.exporter.sliced_reads import calm
from tests.servers.mysql import MysqlServer
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

READS = ["snapshot", "slices"]
ROWS, ROWS_OF_DAY = 3000, 240


@contextmanager
def globally(database: Database, variable: str, value: str) -> Iterator[None]:
    """New sessions begin with this value."""
    ((before,),) = database.execute(f"SELECT @@GLOBAL.{variable}")
    database.execute(f"SET GLOBAL {variable} = {value}")
    try:
        yield
    finally:
        database.execute(f"SET GLOBAL {variable} = {before!r}")


def make(url: str, *, table: str = "purchases", more: str = "", keys: str = "KEY by_time (purchased_at)") -> Database:
    """3,000 purchases, six minutes apart, of which the day has 240."""
    database = Database(url)
    database.execute(
        f"CREATE TABLE `{table}` (id bigint AUTO_INCREMENT PRIMARY KEY, user_id bigint NOT NULL, "
        f"purchased_at datetime(6) NOT NULL, amount decimal(12,2) NOT NULL{more}, {keys})"
    )
    database.execute(
        f"INSERT INTO `{table}` (user_id, purchased_at, amount) "
        f"SELECT seq MOD 7, '2026-11-10' + INTERVAL seq * 6 MINUTE, 1 FROM seq_0_to_{ROWS - 1}"
    )
    database.execute(f"ANALYZE TABLE `{table}`")
    return database


def export(url: str, folder: Path, read: str, **source: Any) -> dict[str, Any]:
    """The manifest of 2026-11-14 in UTC."""
    made = pipeline(url, folder / read, export={"read": read, "shards": 2}, timezone="UTC", **source)
    return run_export(calm(made)).manifest


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("type_", ["vector(3)", "vector", "point", "geometry"])
def test_a_column_of_a_type_that_is_not_known_is_refused_only_where_it_is_carried(
    mysql_database: str, tmp_path: Path, type_: str, read: str
) -> None:
    make(mysql_database, more=f", shape {type_}")
    assert export(mysql_database, tmp_path, read)["rows"] == ROWS_OF_DAY
    with pytest.raises(InputError, match="shape") as caught:
        export(mysql_database, tmp_path / "carried", read, columns=["shape"])
    assert type_.removesuffix("(3)") in caught.value.what


@pytest.mark.parametrize("read", READS)
def test_names_without_quotes_in_show_create_are_no_other_names(
    mysql_family_database: str, tmp_path: Path, read: str
) -> None:
    database = make(mysql_family_database)
    with globally(database, "sql_quote_show_create", "0"):
        assert export(mysql_family_database, tmp_path, read)["rows"] == ROWS_OF_DAY


@pytest.mark.parametrize("read", READS)
def test_a_single_precision_number_of_many_digits_is_carried_with_all_it_has(
    mysql_family_database: str, tmp_path: Path, read: str
) -> None:
    database = make(mysql_family_database, more=", rate float(30,4) NOT NULL DEFAULT 16777217.0625")
    ((stored,),) = database.execute("SELECT rate + 0e0 FROM purchases LIMIT 1")
    made = pipeline(
        mysql_family_database,
        tmp_path,
        export={"read": read},
        timezone="UTC",
        columns=["rate"],
        allow_float=True,
    )
    assert {row["rate"] for row in run_export(calm(made)).rows()} == {stored}


@pytest.mark.parametrize("read", READS)
def test_a_table_whose_name_differs_in_case_alone_is_another_table(
    mysql_family_database: str, tmp_path: Path, read: str
) -> None:
    make(mysql_family_database)
    make(mysql_family_database, table="Purchases", more=", extra int")
    assert export(mysql_family_database, tmp_path, read)["rows"] == ROWS_OF_DAY
    with pytest.raises(InputError, match="'extra'"):
        export(mysql_family_database, tmp_path / "extra", read, columns=["extra"])


HIDDEN = {"mysql": "INVISIBLE", "mariadb": "IGNORED"}


@pytest.mark.parametrize("read", READS)
def test_an_index_that_the_optimizer_may_not_use_is_not_asked_for(
    mysql_family_database: str, tmp_path: Path, read: str
) -> None:
    database = make(mysql_family_database)
    database.execute(f"CREATE INDEX a_time ON purchases (purchased_at) {HIDDEN[database.dialect]}")
    evidence = export(mysql_family_database, tmp_path, read)
    assert evidence["rows"] == ROWS_OF_DAY


@pytest.mark.parametrize("read", READS)
def test_an_index_that_nobody_may_use_is_as_none(mysql_family_database: str, tmp_path: Path, read: str) -> None:
    hidden = HIDDEN[Database(mysql_family_database).dialect]
    make(mysql_family_database, keys=f"KEY by_time (purchased_at) {hidden}")
    assert export(mysql_family_database, tmp_path, read)["rows"] == ROWS_OF_DAY


INDEXES = {
    "descending": "CREATE INDEX a_time ON purchases (purchased_at DESC)",
    "of more columns": "CREATE INDEX a_time ON purchases (purchased_at, amount, user_id)",
    "unique": "CREATE UNIQUE INDEX a_time ON purchases (purchased_at, id)",
    "with a prefix": "CREATE INDEX a_time ON purchases (purchased_at, note(3))",
    "of a prefix": "CREATE INDEX a_note ON purchases (note(3))",
    "full text": "CREATE FULLTEXT INDEX a_note ON purchases (note)",
    "of a generated column": "CREATE INDEX a_day ON purchases (bought_on)",
}
MYSQL_INDEXES = {
    "of an expression": "CREATE INDEX a_time ON purchases ((DATE(purchased_at)))",
    "of an expression, then time": "CREATE INDEX a_time ON purchases ((amount + 1), purchased_at)",
    "of a list": "CREATE INDEX a_list ON purchases ((CAST(tags->'$' AS UNSIGNED ARRAY)))",
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(
    ("server", "kind"),
    [(server, kind) for server in ("mariadb_database", "mysql_database") for kind in INDEXES]
    + [("mysql_database", kind) for kind in MYSQL_INDEXES],
)
def test_the_day_is_read_whole_beside_an_index_of_any_kind(
    server: str, kind: str, read: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = request.getfixturevalue(server)
    columns = ", note varchar(60) NOT NULL DEFAULT 'n', tags json, bought_on date AS (DATE(purchased_at)) STORED"
    database = make(url, more=columns)
    database.execute((INDEXES | MYSQL_INDEXES)[kind])
    assert export(url, tmp_path, read)["rows"] == ROWS_OF_DAY
    if kind != "of a prefix":
        database.execute("DROP INDEX by_time ON purchases")
        assert export(url, tmp_path / "alone", read)["rows"] == ROWS_OF_DAY


@pytest.mark.parametrize("read", READS)
def test_a_column_called_none_is_not_an_expression(mysql_database: str, tmp_path: Path, read: str) -> None:
    database = make(mysql_database, more=", `None` datetime(6)", keys="KEY a_time ((amount + 1)), KEY (purchased_at)")
    database.execute("UPDATE purchases SET `None` = purchased_at")
    assert export(mysql_database, tmp_path, read, time="None")["rows"] == ROWS_OF_DAY


def test_a_url_without_a_database_needs_the_table_s(mysql_family_database: str, tmp_path: Path) -> None:
    make(mysql_family_database)
    server, _, name = mysql_family_database.rpartition("/")
    with pytest.raises(InputError, match="no database") as told:
        export(server, tmp_path, "snapshot")
    assert "database.table" in told.value.fix
    assert export(server, tmp_path, "snapshot", table=f"{name}.purchases")["rows"] == ROWS_OF_DAY


def test_a_view_of_a_table_that_is_gone_is_not_proposed_for_itself(mysql_family_database: str, tmp_path: Path) -> None:
    database = make(mysql_family_database)
    database.execute("CREATE VIEW paid AS SELECT * FROM purchases")
    database.execute("DROP TABLE purchases")
    with pytest.raises(InputError, match="paid") as told:
        export(mysql_family_database, tmp_path, "snapshot", table="paid")
    assert "gone" in str(told.value)
    assert "Did you mean" not in str(told.value)


def test_a_view_is_read_where_all_of_its_tables_have_snapshots(mysql_family_database: str, tmp_path: Path) -> None:
    database = make(mysql_family_database)
    database.execute("CREATE TABLE `of ``users`` %` (id bigint PRIMARY KEY, name varchar(9))")
    database.execute("INSERT INTO `of ``users`` %` SELECT seq, 'x' FROM seq_0_to_6")
    database.execute(
        "CREATE VIEW inner_view AS SELECT p.*, u.name FROM purchases p JOIN `of ``users`` %` u ON u.id = p.user_id"
    )
    database.execute("CREATE VIEW outer_view AS SELECT * FROM (SELECT * FROM inner_view) AS more")
    assert export(mysql_family_database, tmp_path / "a", "snapshot", table="outer_view")["rows"] == ROWS_OF_DAY
    database.execute("ALTER TABLE `of ``users`` %` ENGINE = MyISAM")
    with pytest.raises(InputError, match="MyISAM, which has no snapshots") as told:
        export(mysql_family_database, tmp_path / "b", "snapshot", table="outer_view")
    assert "of `users` %" in told.value.what


def test_a_system_versioned_table_without_snapshots_is_refused(mariadb_database: str, tmp_path: Path) -> None:
    database = make(mariadb_database)
    database.execute("ALTER TABLE purchases ADD SYSTEM VERSIONING")
    assert export(mariadb_database, tmp_path / "a", "snapshot")["rows"] == ROWS_OF_DAY
    database.execute(
        "CREATE TABLE kept (user_id bigint, purchased_at datetime(6), amount decimal(12,2)) "
        "ENGINE = Aria WITH SYSTEM VERSIONING"
    )
    with pytest.raises(InputError, match="Aria, which has no snapshots"):
        export(mariadb_database, tmp_path / "b", "snapshot", table="kept")


def test_a_table_of_another_server_is_refused(mysql_server: MysqlServer, tmp_path: Path) -> None:
    del mysql_server  # so that a machine without MySQL skips
    server = MysqlServer(options=("--federated",))
    with closing(server):
        server.start()
        name = server.create_database()
        make(server.url(name))
        columns = "(id bigint, user_id bigint, purchased_at datetime(6), amount decimal(12,2))"
        place = server.url(name).replace("mysql+pymysql", "mysql")
        database = Database(server.url(name))
        database.execute(f"CREATE TABLE afar {columns} ENGINE = FEDERATED CONNECTION = '{place}/purchases'")
        database.execute("CREATE VIEW seen AS SELECT * FROM afar")
        for table in ("afar", "seen"):
            with pytest.raises(InputError, match="FEDERATED, which has no snapshots") as told:
                export(server.url(name), tmp_path / table, "snapshot", table=table)
            assert "is read from its own server" in told.value.fix
