"""Checks all that reading a day from a database needs.

It reads no day, and does not stop at the first fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import polars as pl

from databases.url import parse_url
from exporter.inspect.files import describe_files, plan_files_beside
from exporter.inspect.latency import examine_probe
from exporter.open_source import open_source
from exporter.pacing.signal_connection import SignalConnection
from exporter.port.columns import plan_columns
from exporter.port.database import Source
from exporter.port.explained import Fetch
from exporter.port.question import DayQuestion, PlannedRead, plan_read
from exporter.port.source import OpenTable, Snapshot, TimeKind
from exporter.read.beside import plan_beside
from exporter.read.choose import find_why_no_slices
from exporter.refuse.explain import explain
from exporter.refuse.full_scan import SMALL_TABLE_ROWS, find_full_scan, plan_index, refuse_full_scan
from staging.config.pipeline import Pipeline
from staging.errors import PenstockError
from staging.names import DayNames
from staging.process.finding import Finding, fault, warn, well
from staging.window import load_zone, plan_window, window_around, windows_before

_SKEW_SECONDS = 5.0
_OPEN_ALREADY = 2
"""Connections of an open source: the one that reads, and the catalogue's."""


@dataclass
class SourceLook:
    """What the look at a source found.

    `schema` is the shards' where all columns can be carried, else None; `tables` are those beside the leading one.
    """

    schema: pl.Schema | None = None
    tables: dict[str, pl.Schema] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)


def examine_source(pipeline: Pipeline, day: date, look: SourceLook, now: Callable[[], datetime]) -> Iterator[Finding]:
    """Yield the findings as they come; `look` is filled in meanwhile.

    `day` is one that is over.
    """
    part = "source"
    try:
        with open_source(pipeline.source.url.reveal(), say=look.said.append) as source:
            part = "source table"
            yield well("source", f"{source.dialect} {source.server_version} answers")
            yield from _examine_connections(pipeline, source)
            yield from examine_probe(pipeline, source)
            yield _driver(source, look)
            yield from _examine_table(pipeline, day, source, look, now)
    except PenstockError as error:
        yield fault(part, error)


def _examine_connections(pipeline: Pipeline, source: Source) -> Iterator[Finding]:
    """Open as many connections as a run holds at the same time."""
    yield well("source connection", source.describe_connection())
    probes = pipeline.pacing.latency_probe is not None
    needed = source.connections + (1 if source.connections and probes else 0)
    try:
        with ExitStack() as stack:
            for _ in range(needed - _OPEN_ALREADY):
                another = SignalConnection(parse_url(pipeline.source.url.reveal()), source.dialect)
                stack.enter_context(closing(another))
                another.ask("SELECT 1")
    except PenstockError as error:
        error.what = f"A run needs {needed} connections at the same time. {error.what}"
        yield fault("source connections", error)
    else:
        if needed:
            yield well("source connections", f"{needed} at the same time, as a run needs, were had")


def _driver(source: Source, look: SourceLook) -> Finding:
    if look.said:
        return warn("source driver", look.said[0], "Only that it takes longer; install what is missing.")
    return well("source driver", f"rows are read by {source.reader}")


def _examine_table(
    pipeline: Pipeline, day: date, source: Source, look: SourceLook, now: Callable[[], datetime]
) -> Iterator[Finding]:
    question = DayQuestion(
        pipeline,
        DayNames(pipeline.name, day),
        plan_window(day, load_zone(pipeline.source.timezone), pipeline.source.window),
        "doctor",
    )
    before = now()
    also = question.tables_beside()
    with closing(source.begin_snapshot(question.table(), max_seconds=20, also=also)) as snapshot:
        yield _clock(before, snapshot.as_of, now())
        try:
            read = plan_read(question, snapshot, source.dialect)
        except PenstockError as error:
            yield fault("source columns", error)
            return
        look.schema = plan_columns(pipeline.source, snapshot.describe()).schema()
        yield well("source columns", f"all {len(read.columns)} of {question.table()} are carried exactly")
        yield from _examine_index(question, read, snapshot, source)
        yield from _examine_zone(pipeline, read, snapshot, source)
        yield from _examine_beside(question, read, snapshot, source, look)
    yield from _examine_slices(question, source)


def _examine_beside(
    question: DayQuestion, read: PlannedRead, snapshot: Snapshot, source: Source, look: SourceLook
) -> Iterator[Finding]:
    """The tables that are read at the same instant, as an export would plan them; no row of them is looked at."""
    if not question.pipeline.source.with_:
        return
    try:
        found = plan_beside(question, None, snapshot, read, source.dialect, looks=False)
        files = plan_files_beside(question, describe_files(question.pipeline), read)
    except PenstockError as error:
        look.schema = None
        yield fault("source tables", error)
        return
    look.tables = {each.name: each.read.plan.schema() for each in found} | {
        name: read.plan.schema() for name, read in files.items()
    }
    if found:
        shown = ", ".join(each.shown for each in found)
        yield well("source tables", f"{shown}: read at the same instant, by the same key")
    if files:
        shown = ", ".join(f"{read.statement.table} (source.with.{name})" for name, read in files.items())
        yield well("source files", f"{shown}: read as they are listed, by the same key")


def _clock(before: datetime, database: datetime, after: datetime) -> Finding:
    """Compare the database's clock with ours, read before and after."""
    skew = max(before - database, database - after, timedelta()).total_seconds()
    if skew > _SKEW_SECONDS:
        return warn(
            "source clock",
            f"It differs from this machine's by {skew:.0f} s; the database's decides when a day is over.",
            "Let both follow NTP.",
        )
    return well("source clock", "agrees with this machine's")


def _examine_index(question: DayQuestion, read: PlannedRead, table: OpenTable, source: Source) -> Iterator[Finding]:
    """An EXPLAIN needs the same right as the read."""
    try:
        explained = explain(table, question.table(), read.time, read.statement, dialect=source.dialect)
        if explained is None:
            table.fetch(f"SELECT 1 FROM {read.statement.table} WHERE 1 = 0")  # noqa: S608 - quoted by the dialect
    except PenstockError as error:
        yield fault("source right", error)
        return
    yield well("source right", f"{question.table()} may be read")
    if explained is None:
        yield warn("source index", f"Plans of {source.dialect} are not looked at.", "See to it that the time has one.")
        return
    scan = find_full_scan(explained)
    needed = [each for each in explained.whole if not each.by_choice and not explained.is_pruned]
    if scan is not None and not question.pipeline.export.allow_full_scan:
        yield fault("source index", refuse_full_scan(scan, question.table(), read, source.dialect))
    elif needed:
        bound = "export.allow_full_scan is set" if scan is not None else f"it is below {SMALL_TABLE_ROWS:,} rows"
        yield warn(
            "source index",
            f"No index begins with {read.time.name}: each day reads all of {needed[0].table}; {bound}.",
            plan_index(needed[0], question.table(), read.time, read.statement.table, source.dialect),
        )
    else:
        yield well("source index", "; ".join(explained.steps[:2]) or "none is needed")


def _examine_zone(pipeline: Pipeline, read: PlannedRead, table: OpenTable, source: Source) -> Iterator[Finding]:
    config, time = pipeline.source, read.time
    days = f"days of {config.timezone}"
    if time.time is not TimeKind.NAIVE:
        yield well("source time", f"{time.name} is {_MEANING[read.plan.time_kind]}; {days}")
        return
    server = find_server_zone(table.fetch, source.dialect)
    wall = f"{time.name} has no zone and is taken for {config.column_timezone}; {days}"
    if server is not None and not _is_same_zone(server, config.column_timezone):
        yield warn(
            "source time",
            f"{wall}. The server's own zone is {server}: NOW() and DEFAULT write that.",
            "If the shop writes its times so, set source.column_timezone to that zone's name.",
        )
        return
    yield well("source time", wall)


_MEANING = {
    TimeKind.INSTANT: "an instant",
    TimeKind.DATE: "the business day itself",
    TimeKind.UNIX_SECONDS: "a number of seconds since 1970",
    TimeKind.ISO_TEXT: "a wall clock as text",
    TimeKind.NAIVE: "a wall clock",
}
_UTC = ("utc", "etc/utc", "gmt", "+00:00", "etc/gmt")


def _is_same_zone(one: str, other: str) -> bool:
    names = {"utc" if name.lower() in _UTC else name.lower() for name in (one, other)}
    return len(names) == 1


def _examine_slices(question: DayQuestion, source: Source) -> Iterator[Finding]:
    """Whether a day too long for a snapshot could be read, and whether we would know that it is over."""
    config = question.pipeline.export
    if config.read != "snapshot" and (why := find_why_no_slices(question, source)):
        fix = f"A day that takes longer than {config.max_snapshot_seconds} s needs a replica or a higher cap."
        yield warn("source slices", f"{question.table()} can't be read in slices: {why}.", fix)
    closed = source.find_closed(question.window.end, config.grace_seconds, tables=question.tables())
    if closed is None:
        return
    if not closed.is_closed:
        fix = "A day that is read before it is over is unfinished, and read again by the next `penstock run`."
        yield warn("source day end", f"{closed.why_not[:1].upper()}{closed.why_not[1:]}.", fix)
    elif closed.is_weak:
        fix = closed.grant or "Nothing to be done here; the grace is four times as long."
        yield warn("source day end", f"{closed.how[:1].upper()}{closed.how[1:]}.", fix)
    else:
        yield well("source day end", closed.how)


def last_day(now: datetime, pipeline: Pipeline) -> date:
    """Return yesterday in the pipeline's zone.

    The day before, if yesterday did not exist there. For an hourly pipeline it is the last hour.
    """
    zone = load_zone(pipeline.source.timezone)
    if pipeline.source.window == "hour":
        return next(windows_before(window_around(now, "hour", zone), "hour", zone))
    yesterday = now.astimezone(zone).date() - timedelta(days=1)
    with suppress(PenstockError):
        plan_window(yesterday, zone)
        return yesterday
    return yesterday - timedelta(days=1)


def utc_now() -> datetime:
    """Return this machine's clock."""
    return datetime.now(UTC)


def find_server_zone(fetch: Fetch, dialect: str) -> str | None:
    """Return the server's own time zone, or None.

    It is the zone in which it writes times of its own; None where it does not say.
    """
    match dialect:
        case "postgresql":
            # The value that sessions begin with: ours has set UTC.
            rows = fetch("SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'")
        case "mysql" | "mariadb":
            rows = fetch("SELECT IF(@@GLOBAL.time_zone = 'SYSTEM', @@system_time_zone, @@GLOBAL.time_zone)")
        case "sqlite":
            return "UTC"
        case _:
            return None
    return str(rows[0][0]) if rows and rows[0][0] else None
