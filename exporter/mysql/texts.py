"""Reads the rows of one statement as text.

In a snapshot of MySQL or MariaDB; parsed while the next ones are fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import polars as pl

from exporter.mysql.connection import MysqlConnection
from exporter.mysql.pieces import Lines, read_pieces, stretch, too_long
from exporter.mysql.row_text import (
    ANY_LITERAL,
    RowChecksum,
    checksum_of,
    is_whole,
    parse_rows,
    plan_line,
    plan_slice_select,
)
from exporter.port.axis import Axis
from exporter.port.source import Statement

_DOING = "read the day"


@dataclass(frozen=True, slots=True)
class _Parsing:
    """Rows on their way out of a text."""

    frame: Future[pl.DataFrame]
    checksum: Future[int]


@dataclass(frozen=True, slots=True)
class TextRows:
    """A statement's rows.

    `nullable` is of each selected expression, `longest_bytes` the session's limit of a text, `checksum` gets
    all rows, `charset` is the setting of a statement that is cut.
    """

    connection: MysqlConnection
    statement: Statement
    nullable: Mapping[str, bool]
    longest_bytes: int
    checksum: RowChecksum
    charset: str

    def along(self, axis: Axis) -> Iterator[pl.DataFrame]:
        """Yield the rows stretch by stretch, each in one text."""
        select = plan_slice_select(self.statement, self.nullable)
        self.connection.run(f"SET SESSION {self.charset}", _DOING)

        def read(low: int, high: int) -> Lines | None:
            question = f"SELECT {select} {stretch(axis, self.statement, low, high)}"
            ((rows, text),) = self.connection.run(question, _DOING)
            lines = (text or "").encode()
            return (rows, lines) if is_whole(lines, rows, longest_bytes=self.longest_bytes) else None

        return self._parsed(read_pieces(axis, read))

    def whole(self) -> Iterator[pl.DataFrame]:
        """Yield the rows of one statement that can't be cut.

        A text each, which is ten times our work.
        """
        # A read of another table in this snapshot may have set it for its own literals.
        self.connection.run(f"SET SESSION {ANY_LITERAL}", _DOING)
        line = plan_line(self.statement, self.nullable)
        question = f"SELECT {line} FROM {self.statement.table} WHERE {self.statement.condition()}"  # noqa: S608 - quoted
        return self._parsed(map(_joined, self.connection.stream(question, _DOING)))

    def _parsed(self, texts: Iterable[Lines]) -> Iterator[pl.DataFrame]:
        # A row's checksum costs as much as all other work on it here, and neither waits for the other.
        with ThreadPoolExecutor(1, "parser") as parser, ThreadPoolExecutor(1, "checksum") as checker:
            before: _Parsing | None = None
            for rows, lines in texts:
                parsing = _Parsing(
                    parser.submit(parse_rows, [lines], self.statement),
                    checker.submit(checksum_of, lines, rows, self.checksum.key),
                )
                if before is not None:
                    yield self._counted(before)
                before = parsing
            if before is not None:
                yield self._counted(before)

    def _counted(self, parsing: _Parsing) -> pl.DataFrame:
        self.checksum.checksum += parsing.checksum.result()
        return parsing.frame.result()


def _joined(rows: Sequence[tuple[str | None, ...]]) -> Lines:
    lines = [line for (line,) in rows if line is not None]
    if len(lines) < len(rows):
        raise too_long("A row has more bytes")
    return len(rows), "\n".join(lines).encode()
