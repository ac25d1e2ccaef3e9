"""Looks for rows that a statement would miss, or change.

Any value can lie in any column. One pass over the window, in the same snapshot, looks for values that are not stored as
declared, and names them.

Times that are texts are compared as texts, so a text that is no ISO time lies in no window, or in a wrong one:
`2026/11/14` behind all of 2026, ` 2026-11-14` before all years, `1794614400` in 1794. It looks for them only by ranges,
which an index serves: near the window, and where no year of our time lies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta

from exporter.port.probes import plan_probe
from exporter.port.source import Probe, SourceColumn, Statement, TimeKind
from exporter.port.time_column import UTC_OFFSETS
from exporter.sqlite.types import Declared
from staging.key import show_row

_OFFSET = "Column {0} holds a time with a zone of its own, which `source.column_timezone` contradicts"
_TIMED = (
    "Column {0} ({1}) holds a date with a time of day, which may be of another day in `source.timezone`; declared "
    "DATETIME or TEXT it would be read as that time"
)
_DATE_LENGTH = 10
_ISO = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*"
_FIRST, _BEHIND_LAST = "1900-", "2100-"
_BEHIND_DIGITS = ":"
_BEHIND_ALL = "\U0010ffff"


def plan_probes(
    statement: Statement, columns: Sequence[SourceColumn], declared: Mapping[str, Declared]
) -> Sequence[Probe]:
    """Look for times and values that a statement would miss."""
    found = [_misplaced(statement, columns, declared)]
    if not statement.has_time:
        return found
    time = columns[statement.time_index]
    if time.time in (TimeKind.ISO_TEXT, TimeKind.DATE):
        # Every number sorts before every text, every blob behind.
        other = f"({time.quoted} < '' OR {time.quoted} >= x'')"
        found.append(plan_probe(statement, columns, other, f"Column {time.name} holds something else than text"))
        found.append(plan_probe(statement, columns, _with_zone(time.quoted, statement), _OFFSET.format(time.name)))
        first, last = (date.fromisoformat(str(bound)[:10]) for bound in (statement.low, statement.high))
        spelled = _not_iso(time.quoted, first, last, _edges(time.quoted, statement))
        found.append(plan_probe(statement, columns, spelled, f"Column {time.name} holds a text that is no ISO time"))
    elif time.time is TimeKind.UNIX_SECONDS:
        other = f"{time.quoted} >= ''"
        found.append(plan_probe(statement, columns, other, f"Column {time.name} holds something else than a number"))
    if time.time is TimeKind.DATE and not statement.is_whole_days:
        timed = _with_time(time.quoted, statement)
        found.append(plan_probe(statement, columns, timed, _TIMED.format(time.name, time.source_type)))
    return found


def _misplaced(statement: Statement, columns: Sequence[SourceColumn], declared: Mapping[str, Declared]) -> Probe:
    storage = {column.name: declared[column.name].storage for column in columns}
    wrong = " OR ".join(
        f"typeof({column.quoted}) NOT IN ({', '.join(repr(kind) for kind in (*storage[column.name], 'null'))})"
        for column in columns
    )
    shown = ", ".join(f"typeof({column.quoted}), substr(quote({column.quoted}), 1, 60)" for column in columns)
    key = columns[: statement.time_index]
    sql = (
        f"SELECT {', '.join(column.quoted for column in key)}, {shown} "  # noqa: S608 - quoted by the dialect
        f"FROM {statement.table} "
        f"WHERE {statement.condition()} AND ({wrong}) LIMIT 1"
    )

    def tell(row: tuple[object, ...]) -> str:
        of_key, others = row[: len(key)], row[len(key) :]
        kinds = zip(columns, others[::2], others[1::2], strict=True)
        column, kind, value = next(each for each in kinds if each[1] not in (*storage[each[0].name], "null"))
        return (
            f"Column {column.name} ({column.source_type}) holds {kind} {value}, "
            f"where {show_row([column.name for column in key], of_key)}."
        )

    return Probe(sql, tell)


def _not_iso(time: str, first: date, last: date, edges: Iterable[str]) -> str:
    """Return the condition of texts that are no ISO times.

    `time` is the quoted column; the window lies on the dates from `first` to `last`. At its `edges` texts have to be
    spelled as the statement compares them.
    """
    far = (f"{time} < '{_FIRST}'", f"{time} >= '{_BEHIND_LAST}' AND {time} < x''")
    found = [f"({each} AND {time} NOT GLOB '{_ISO}')" for each in far]
    found += [f"({time} >= '{low}' AND {time} < '{high}')" for low, high in _near_texts(first, last)]
    found += [f"({edge} AND NOT {_is_clock(time)})" for edge in edges]
    return f"({' OR '.join(found)})"


def _near_texts(first: date, last: date) -> Iterator[tuple[str, str]]:
    """Yield ranges of texts that begin with a year of the window's, or a date of it, and are no ISO dates.

    No bound looks like a number: a column whose type is a numeric one, as TIMESTAMP is, would be compared with that.
    """
    for year in range(first.year, last.year + 1):
        yield f"{year - 1:04}{_BEHIND_ALL}", f"{year:04}-"  # 2026 11 14
        yield f"{year:04}-{_BEHIND_ALL}", f"{year:04}{_BEHIND_ALL}"  # 2026/11/14, 2026.11.14, 20261114
    for day in (first + timedelta(days=number) for number in range((last - first).days + 1)):
        months = {f"{day.year:04}-{day.month}-"} - {f"{day:%Y-%m-}"}
        for month in months:
            yield month, month + _BEHIND_ALL
        if day.day < 10:  # noqa: PLR2004 - written with one digit
            short = f"{day:%Y-%m-}{day.day}"
            yield short, short + "0"
            yield short + _BEHIND_DIGITS, short + _BEHIND_ALL


def _edges(time: str, statement: Statement) -> Iterator[str]:
    """Yield conditions of texts outside the window, on an edge's date.

    `2026-11-14T9:30` sorts behind T23:00 and is before it; `2026-11-13 11:30 PM` the other way round.
    """
    low, high = str(statement.low), str(statement.high)
    if len(low) > _DATE_LENGTH:
        yield f"{time} >= '{low[:_DATE_LENGTH]}' AND {time} < '{low}'"
    if len(high) > _DATE_LENGTH:
        yield f"{time} >= '{high}' AND {time} < '{high[:_DATE_LENGTH]}{_BEHIND_ALL}'"


def _is_clock(time: str) -> str:
    """Return the condition of a text that sorts as its time.

    A date alone, or one with HH:MM[:SS[.f]].
    """
    tail = f"substr({time}, 17)"
    for zone in ("Z", *UTC_OFFSETS):  # any other one is looked for by itself
        tail = f"replace({tail}, '{zone}', '')"
    fraction = f"({tail} GLOB ':[0-5][0-9].[0-9]*' AND rtrim(substr({tail}, 5), '0123456789') = '')"
    return (
        f"(length({time}) = {_DATE_LENGTH} OR ({time} GLOB '????-??-??[ T][0-2][0-9]:[0-5][0-9]*'"
        f" AND ({tail} = '' OR {tail} GLOB ':[0-5][0-9]' OR {fraction})))"
    )


def _near(time: str, statement: Statement) -> str:
    """Return the condition of texts of the window's dates, or next to it."""
    low = date.fromisoformat(str(statement.low)[:_DATE_LENGTH]) - timedelta(days=1)
    high = date.fromisoformat(str(statement.high)[:_DATE_LENGTH]) + timedelta(days=2)
    return f"{time} >= '{low}' AND {time} < '{high}'"


def _with_zone(time: str, statement: Statement) -> str:
    """Return the condition of times near the window that name a zone.

    As text they sort by another clock.
    """
    clock = f"substr({time}, 11)"
    if not statement.is_utc:
        named = f"({clock} LIKE '%+%' OR {clock} LIKE '%-%' OR {clock} LIKE '%Z')"
        return f"{_near(time, statement)} AND {named}"
    other = " AND ".join(f"{clock} NOT LIKE '%{offset}'" for offset in UTC_OFFSETS)
    return f"{_near(time, statement)} AND ({clock} LIKE '%+%' OR {clock} LIKE '%-%') AND {other}"


def _with_time(time: str, statement: Statement) -> str:
    """Return the condition of dates near the window with a time of day."""
    return f"{_near(time, statement)} AND trim(substr({time}, 12), '0:.Z+') <> ''"
