"""The connection that reads rows from PostgreSQL, by ADBC.

Two ways to run a statement. By COPY rows stream as they come, at the lowest price a row: for a whole day. By the
extended protocol the result is fetched whole, at the lowest price a statement: for slices and for small questions.
Bounds are typed literals in both: with bound parameters ADBC takes more of the server's time and of ours (measured).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import adbc_driver_postgresql
import polars as pl
from sqlalchemy.engine import URL

from databases.postgres.errors import sqlstate_of
from databases.postgres.session import set_up_sql, without_time_limit
from databases.postgres.url import connect_parameters, conninfo
from exporter.port.adbc import DRIVER_ERRORS, AdbcSession
from exporter.port.sliced_source import SliceRows
from exporter.port.source_errors import CONNECT
from exporter.postgres.errors import translate_error
from staging.errors import PenstockError

_BATCH_BYTES = 4 * 1024 * 1024
APPLICATION = "penstock-exporter"
_PLAIN_NAMES = "-c quote_all_identifiers=off"
"""ADBC reads the catalogue of types before anything can be set. Where identifiers are quoted it knows no type by its
name, and gives bytes for numbers; a role's short time limit ends it. Only the startup packet is early enough; as pools
refuse settings there, they are sent only where they are needed."""
_ENDED = "57014"


class PostgresConnection:
    """One connection in autocommit.

    It is used by one thread at a time, but `interrupt`.
    """

    def __init__(self, url: URL, place: Mapping[str, str]) -> None:
        """Connect to `place`: libpq's host, port and address of one server."""
        self.url = url
        if not self._opens(place, early=False):
            self._opens(place, early=True)

    def _opens(self, place: Mapping[str, str], *, early: bool) -> bool:
        """Connect and set up the session; False where it can't be used, and settings that are sent `early` may help."""
        parameters = connect_parameters(self.url, APPLICATION) | dict(place)
        if early:
            parameters = without_time_limit(parameters)
            parameters["options"] += f" {_PLAIN_NAMES}"
        try:
            self._connect(parameters)
        except PenstockError as error:
            if early or not _was_ended(error):
                raise
            return False
        try:
            is_usable = early or self._knows_types()
            if is_usable:
                self.set_up({})
        except PenstockError as error:
            self.close()
            if early or not _was_ended(error):
                raise
            return False
        if not is_usable:
            self.close()
        return is_usable

    def _connect(self, parameters: Mapping[str, str]) -> None:
        try:
            self._session = AdbcSession(adbc_driver_postgresql.connect(conninfo(parameters)))
            self._copying = self._session.statement({"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)})
            # Without COPY: the answers of SHOW and SET can't be copied.
            self._plain = self._session.statement({"adbc.postgresql.use_copy": "false"})
        except DRIVER_ERRORS as exc:
            raise translate_error(exc, CONNECT, self.url) from exc

    def _knows_types(self) -> bool:
        """Whether ADBC took in the catalogue of types, which it asks for before anything can be set."""
        ((one,),) = self.run("SELECT 1::bigint", "answer")
        return isinstance(one, int)

    def set_up(self, settings: Mapping[str, str]) -> None:
        """Set what every session sets, and `settings` over it."""
        self.run("SET statement_timeout = 0", "set up the session")
        self.run(set_up_sql(settings), "set up the session")

    def run(self, sql: str, doing: str) -> Sequence[tuple[Any, ...]]:
        """Run a small statement."""
        try:
            return rows_of(self.fetch_whole(sql))
        except DRIVER_ERRORS as exc:
            raise translate_error(exc, doing, self.url) from exc

    def stream(self, sql: str) -> Iterator[pl.DataFrame]:
        """Run a statement and give its batches as they come."""
        try:
            yield from self._copying.stream(sql)
        except DRIVER_ERRORS as exc:
            raise translate_error(exc, "read the day", self.url) from exc

    def fetch_whole(self, sql: str) -> SliceRows:
        """Run a statement and fetch all of it.

        Raises the driver's own error (`DRIVER_ERRORS`).
        """
        began = time.perf_counter()
        frame = self._plain.fetch(sql)
        return SliceRows(frame.height, int(frame.estimated_size()), time.perf_counter() - began, frame)

    def interrupt(self) -> None:
        """Ask the server to cancel what it runs for us."""
        self._session.interrupt()

    def close(self) -> None:
        """Let go of the connection; the server ends what is open."""
        self._session.close()


def _was_ended(error: PenstockError) -> bool:
    """Whether a limit of time, or somebody, ended the statement."""
    return error.__cause__ is not None and sqlstate_of(error.__cause__) == _ENDED


def rows_of(whole: SliceRows) -> list[tuple[Any, ...]]:
    """Return the rows of one `fetch_whole`."""
    frame: pl.DataFrame = whole.data
    return frame.rows()


def gather(slices: Sequence[SliceRows]) -> pl.DataFrame:
    """Return the rows of several `fetch_whole` as one frame."""
    frames: list[pl.DataFrame] = [each.data for each in slices]
    return pl.concat(frames)
