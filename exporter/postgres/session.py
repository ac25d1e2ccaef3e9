"""Holds the connections of a source: one reads, one asks the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from databases.postgres.session import open_session, place_of
from databases.postgres.url import connect_parameters
from exporter.port.catalogue import Catalogue
from exporter.postgres.connection import APPLICATION, PostgresConnection
from exporter.postgres.errors import translate_error
from staging.errors import PenstockError


class PostgresSession:
    """Both connections, to one server.

    A URL may name several hosts, and a name may mean several addresses, in any order: what the catalogue says, and that
    its connection lives on, proves something only of the server that answers. Each connection may be another one after
    `reconnect`.
    """

    def __init__(self, url: URL) -> None:
        self.url = url
        self._place: dict[str, str] = {}
        self.catalogue = self._connect_catalogue()
        try:
            self.connection = PostgresConnection(url, self._place)
        except PenstockError:
            self.catalogue.close()
            raise

    def run(self, sql: str, doing: str) -> Sequence[tuple[Any, ...]]:
        """Run a statement on the reading connection."""
        return self.connection.run(sql, doing)

    def reconnect(self) -> bool:
        """Replace the connection that reads.

        And the catalogue's where it is lost; return whether that has lived on.
        """
        self.connection.close()
        self.connection = PostgresConnection(self.url, self._place)
        try:
            self.catalogue.rows("SELECT 1")
        except PenstockError:
            with suppress(SQLAlchemyError):
                self.catalogue.close()
            self.catalogue = self._connect_catalogue()
            return False
        return True

    def close(self) -> None:
        """Close both connections; the server ends what is open."""
        self.connection.close()
        with suppress(SQLAlchemyError):
            self.catalogue.close()

    def _connect_catalogue(self) -> Catalogue:
        return Catalogue(
            self.url.set(drivername="postgresql+psycopg"),
            lambda error, doing: translate_error(error, doing, self.url),
            connect=self._open,
        )

    def _open(self) -> object:
        connection = open_session(connect_parameters(self.url, APPLICATION), {})
        self._place = place_of(connection)
        return connection
