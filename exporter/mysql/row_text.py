r"""Fetches rows of MySQL and MariaDB as text.

A slice fetches these texts, we parse them, and the seal is computed from them. The server writes a row as a line of
CSV: text in quotes (a quote within is doubled), bytes in quotes in hex, everything else as it is, NULL as nothing at
all. So no two different rows have the same text, and the same text is the same row. A slice is one value, all its lines
in one GROUP_CONCAT: no driver takes rows apart, polars parses them all at once. Each line ends with a mark: it shows if
an answer was cut at a length limit, of which the server only warns.

The checksum of a row is CRC32(SHA-256(key, text)), of many rows the sum of theirs. The key is this read's own, so
nobody can choose a text that keeps the checksum of another: that takes luck, once in 2^32 times. (CRC32 alone is
linear: four bytes of a text make up for any change of an amount, whatever key is before it; and two rows that swap
values keep its sum. SHA-256 is available everywhere: MySQL has no MD5 and SHA1 any more since 9.6. CRC32 turns its
digits into a number at the lowest price.)
"""

from __future__ import annotations

import re
import secrets
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
import polars_hash as plh

from exporter.mysql.errors import refuse_text
from exporter.mysql.types import plan_carried
from exporter.port.catalogue import ReflectedColumn
from exporter.port.driver_rows import wire_types
from exporter.port.same_rows import Telling, Verdict
from exporter.port.source import Carried, SourceColumn, Statement, Wire
from exporter.port.where_clause import compares_columns_only
from staging.errors import IntegrityError

_MARK = b",."
_BETWEEN = _MARK + b"\n"
_UTF8 = ("utf8mb4", "utf8mb3", "utf8")
_LOSSLESS = frozenset({"utf16", "utf16le", "utf32", "latin1", "latin2"})
"""Each text in these has one in UTF-8 that no other has: all 256 single bytes were tried on both servers."""
_LONGEST_CHARACTER_BYTES = 4
_LEAST_PACKET_BYTES = 1024
_SECONDS_TEXT_BYTES = len("2026-11-14 00:00:00")
KEY_BYTES = 8
ANY_LITERAL = "character_set_connection = utf8mb4"
"""The setting under which every literal and expression keeps its meaning."""
CHECKSUM_KEY, CHECKSUM = "row_checksum_key", "row_checksum"


def carry_as_text(column: ReflectedColumn) -> tuple[Carried | None, str]:
    """Return how a column is carried as text.

    Or None and why not. The server writes the rows as text. It turns a value in CONCAT into text by itself; a CAST to
    CHAR would cost it as much again as all the rest.
    """
    carried, refusal = plan_carried(column)
    if carried is None:
        return None, refusal
    if carried.select == column.quoted and carried.dtype == pl.String():
        return replace(carried, select=_in_utf8(column.quoted, (column.collation or "").split("_")[0])), ""
    return carried, ""


def _in_utf8(quoted: str, charset: str) -> str:
    """Return the text in UTF-8; of a character set that may lose something, an error where it does.

    Bytes that represent no character become '?' or U+FFFD without a warning, and so do others. If neither is in the
    text nothing was lost; else something was if the text does not convert back. (JSON has no character set.)
    """
    if charset in _UTF8:
        return quoted
    text = f"CONVERT({quoted} USING utf8mb4)"
    if not charset or charset in _LOSSLESS:
        return text
    no_sign = " AND ".join(f"INSTR({text} COLLATE utf8mb4_bin, {sign}) = 0" for sign in ("'?'", "_utf8mb4 X'EFBFBD'"))
    comes_back = f"CAST(CONVERT({text} USING {charset}) AS BINARY) = CAST({quoted} AS BINARY)"
    return f"IF({no_sign} OR {comes_back}, {text}, {refuse_text(quoted)})"


def nullable_selects(columns: Mapping[str, SourceColumn]) -> dict[str, bool]:
    """Return whether each expression that may be selected can be NULL."""
    return {
        selected: column.nullable
        for column in columns.values()
        for selected in (column.quoted, column.carried.select if column.carried else column.quoted)
    }


def longest_text_bytes(packet_bytes: int) -> int:
    """Return the longest text that may be sent, in bytes.

    What is cut at this length is noticed.
    """
    return max(packet_bytes - _LEAST_PACKET_BYTES, _LEAST_PACKET_BYTES)


def plan_checksum(statement: Statement, nullable: Mapping[str, bool], key: str) -> str:
    """Return the SQL of one row's checksum.

    `nullable` is of each selected expression, `key` a few plain letters.
    """
    return f"CRC32(SHA2(CONCAT('{key}', {_row(statement, nullable)}), 256))"


def plan_slice_select(statement: Statement, nullable: Mapping[str, bool]) -> str:
    """Return what a slice selects: how many rows, and their lines."""
    # A line break inside quotes, not as an escape: sql_mode may have NO_BACKSLASH_ESCAPES.
    return f"COUNT(*), GROUP_CONCAT({plan_line(statement, nullable)} SEPARATOR '\n')"


def plan_charset(statement: Statement, *, all_stored: bool) -> str:
    """Return the setting of literals, and of what is made a text.

    Numbers and times become texts in the character set of literals. latin1 saves a conversion of each, a seventh of the
    server's work, and digits are the same in it. But a user's functions give it, too: the text of a number compares by
    another collation, `COLLATE utf8mb4_bin` is refused, a month's name becomes `??????`. So it is used only where
    nothing is computed: the columns are `all_stored`, and the condition compares them with literals, by their own
    collations (MySQL manual, "Collation Coercibility in Expressions").
    """
    is_plain = statement.where is None or compares_columns_only(statement.where)
    return "character_set_connection = latin1" if is_plain and all_stored else ANY_LITERAL


def plan_line(statement: Statement, nullable: Mapping[str, bool]) -> str:
    """Return the SQL of one row's line.

    NULL where it is longer than a packet may be.
    """
    return f"CONCAT({_row(statement, nullable)}, '{_MARK.decode()}')"


def _row(statement: Statement, nullable: Mapping[str, bool]) -> str:
    parts = []
    for carried in statement.select:
        value, may_be_null = carried.select, nullable.get(carried.select, True)
        if carried.dtype == pl.String() and carried.wire is Wire.NATIVE:
            parts.append(_quoted(value, f"REPLACE({value}, '\"', '\"\"')", may_be_null=may_be_null))
        elif carried.dtype == pl.Binary():
            parts.append(_quoted(value, f"HEX({value})", may_be_null=may_be_null))
        else:
            parts.append(f"IFNULL({value}, '')" if may_be_null else value)
    return ", ',', ".join(parts)


def _quoted(value: str, text: str, *, may_be_null: bool) -> str:
    quoted = f"'\"', {text}, '\"'"
    # Not IFNULL: a text longer than a packet becomes NULL, too, and must make the whole row NULL, which is noticed.
    return f"IF({value} IS NULL, '', CONCAT({quoted}))" if may_be_null else quoted


def is_whole(lines: bytes, rows: int, *, longest_bytes: int) -> bool:
    """Return whether the lines are whole.

    They end with a mark, are as many as the server counted, and too short to have been cut. GROUP_CONCAT cuts at
    `longest_bytes`, or before the character that would go beyond it.
    """
    if len(lines) > longest_bytes - _LONGEST_CHARACTER_BYTES:
        return False
    if not lines.endswith(_MARK):
        return not rows and not lines
    return lines.count(_BETWEEN) == rows - 1 or len(split_rows(lines, rows)) == rows


def split_rows(lines: bytes, rows: int) -> list[bytes]:
    """Return the rows' texts, without marks. `lines` ends with a mark."""
    texts = lines[: -len(_MARK)].split(_BETWEEN)
    if len(texts) == rows:
        return texts
    # A text may hold what looks like the end of a line: a line ends where as many quotes were closed as opened.
    merged: list[bytes] = []
    open_text = b""
    for piece in texts:
        text = open_text + piece
        open_text = text + _BETWEEN if text.count(b'"') % 2 else b""
        if not open_text:
            merged.append(text)
    return merged


def checksum_of(lines: bytes, rows: int, key: str) -> int:
    """Return the sum of the rows' checksums."""
    if not rows:
        return 0
    texts = pl.DataFrame({"text": pl.Series(split_rows(lines, rows), dtype=pl.Binary)})
    keyed: Any = pl.lit(key.encode()) + plh.col("text")
    digits: pl.Series = texts.select(keyed.chash.sha2_256().cast(pl.Binary)).to_series()
    return sum(map(zlib.crc32, digits.to_list()))


@dataclass(slots=True)
class RowChecksum:
    """The checksum of all rows of a read.

    It has a key of its own. Both stay in the manifest. The key keeps anybody from choosing texts of one checksum while
    a day is read, and need not be secret afterwards: a later comparison is misled by chance alone, once in 2^32 times,
    unless somebody who may write rows computes such texts on purpose.
    """

    key: str
    checksum: int = 0

    @classmethod
    def begin(cls) -> RowChecksum:
        """Begin with a key that nobody knows."""
        return cls(secrets.token_urlsafe(KEY_BYTES))

    def evidence(self) -> dict[str, str]:
        """Return what the manifest keeps of it."""
        return {CHECKSUM_KEY: self.key, CHECKSUM: str(self.checksum)}


def plan_telling(
    statement: Statement, columns: Mapping[str, SourceColumn], evidence: Mapping[str, str]
) -> Telling | str:
    """Return how a window compares with an export's checksum."""
    if CHECKSUM_KEY not in evidence or CHECKSUM not in evidence:
        return "the export is of an older version, which noted no checksum of its rows"
    expected = int(evidence[CHECKSUM])

    def judge(found: Sequence[int]) -> Verdict:
        return Verdict("equal") if found[0] == expected else Verdict("changed", "its rows hold other values")

    checksum = plan_checksum(statement, nullable_selects(columns), _check_key(evidence[CHECKSUM_KEY]))
    return Telling("row checksums, count", (f"SUM({checksum})",), judge)


def _check_key(key: str) -> str:
    """Return the key if it can be put between quotes as it is."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", key):
        raise IntegrityError("The manifest has no such key of a checksum as Penstock makes.", why="It was altered.")
    return key


def parse_rows(lines: Sequence[bytes], statement: Statement) -> pl.DataFrame:
    """Return the rows as a frame of c0, c1 ….

    In the types in which they travel.
    """
    names = [f"c{i}" for i, _ in enumerate(statement.select)]
    types = wire_types(statement)
    frame = pl.read_csv(
        b"\n".join(lines),
        has_header=False,
        columns=list(range(len(names))),
        schema={**{n: _csv_type(t) for n, t in zip(names, types, strict=True)}, "mark": pl.String},
        raise_if_empty=False,
    )
    return frame.with_columns(_from_csv(frame[name], type_) for name, type_ in zip(names, types, strict=True))


def _csv_type(travels_as: pl.DataType) -> pl.DataType:
    if travels_as.is_unsigned_integer():
        return pl.UInt64()
    if travels_as.is_integer():
        return pl.Int64()
    return pl.Float64() if travels_as.is_float() else pl.String()


def _from_csv(value: pl.Series, travels_as: pl.DataType) -> pl.Series:
    if travels_as == pl.Binary():
        return value.str.decode("hex")
    if isinstance(travels_as, pl.Datetime):
        # A cache of parsed times costs more than it saves where hardly two are the same.
        wall = value.str.to_datetime(_time_format(value), time_unit="us", cache=False)
        return wall.dt.replace_time_zone("UTC") if travels_as.time_zone else wall
    return value.str.to_date("%Y-%m-%d") if travels_as == pl.Date() else value


def _time_format(value: pl.Series) -> str:
    """Return the format in which the server writes times, if it is known: polars then parses 4 times faster."""
    lengths = value.str.len_bytes()
    if (length := lengths.max()) is None or length != lengths.min():
        return "%Y-%m-%d %H:%M:%S%.f"
    digits = int(str(length)) - _SECONDS_TEXT_BYTES - 1
    return "%Y-%m-%d %H:%M:%S" + {-1: "", 3: ".%3f", 6: ".%6f"}.get(digits, "%.f")
