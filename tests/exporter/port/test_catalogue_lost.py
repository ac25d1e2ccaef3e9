"""A connection lost while a table's keys are looked up is an error with its cause, and no table without keys."""

from __future__ import annotations

from contextlib import closing

import pytest
import sqlalchemy as sa

from databases.url import parse_url
from exporter.mysql.catalogue import MysqlCatalogue
from exporter.mysql.errors import translate_error as translate_mysql_error
from exporter.open_source import open_source
from exporter.port.catalogue import Catalogue
from exporter.port.source import TableName
from exporter.postgres.errors import translate_error as translate_postgres_error
from staging.errors import UnavailableError
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

TABLE = TableName(None, "purchases")


@pytest.mark.parametrize("database", ["postgres", "mariadb", "mysql"])
def test_keys_are_not_taken_for_missing_when_the_connection_is_lost(
    request: pytest.FixtureRequest, database: str
) -> None:
    url = request.getfixturevalue(f"{database}_database")
    columns = {"user_id": None, "purchased_at": "timestamp NOT NULL", "amount": None}
    other = create_purchases(url, columns=columns, index=False)
    other.execute("CREATE VIEW seen AS SELECT * FROM purchases")
    kind: type[Catalogue] = MysqlCatalogue
    translate, doing = translate_mysql_error, "ask the catalogue"
    if database == "postgres":
        kind, translate, doing = Catalogue, translate_postgres_error, "look up the keys of purchases"
    parsed = sa.make_url(url)
    for look in (kind.primary_key, kind.leading_columns):
        with closing(kind(parse_url(url), lambda error, doing: translate(error, doing, parsed))) as catalogue:
            assert not look(catalogue, TableName(None, "seen"))
            assert look(catalogue, TABLE) in (("id",), {"id"})
            _end_all(other)
            with pytest.raises(UnavailableError, match=doing) as caught:
                look(catalogue, TABLE)
            assert "rollback" not in caught.value.why


@pytest.mark.parametrize("database", ["postgres", "mariadb", "mysql"])
def test_a_source_that_was_lost_is_closed_without_a_traceback(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture, database: str
) -> None:
    url = request.getfixturevalue(f"{database}_database")
    with open_source(url):
        _end_all(Database(url))
    assert [record.getMessage() for record in caplog.records] == []


def _end_all(database: Database) -> None:
    if database.is_mysql_family:
        ours = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        for (number,) in database.execute(ours):
            database.execute(f"KILL CONNECTION {number}")
        return
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
