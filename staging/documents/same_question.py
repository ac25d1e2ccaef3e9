"""Checks that a stored export answers today's question.

It may be used again only if it answers what the pipeline asks now. Every setting of `[source]` has a verdict here:
compared, or an exception with its reason. A test goes over all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

from staging.config.database import PARTS
from staging.config.source import SourceConfig
from staging.config.with_table import WithTable
from staging.documents.manifest import Manifest, TableExport
from staging.errors import InputError
from staging.hours.name import Hour, day_of
from staging.key import show_key
from staging.window import Span, load_zone, windows_of

_UNSET = "not set"
_NO_DATABASE = ("parquet", "python", "exports")
_DAYS_OF_A_WEEK = 7
_PLACE_OPTIONS = ("host", "port", "unix_socket", "service")
PLACE = "read_from"
"""Where the database was reached, in the manifest's evidence: scheme, host, port and database, no user, no password."""

ALLOWED_NULL = "allow_null"
"""Which columns might hold NULL, in the manifest's evidence."""

Pair = tuple[str, str]
"""What the export was made with, and what the file says now, as texts for people."""


def _where(manifest: Manifest, source: SourceConfig) -> Pair:
    """A longer window has the condition of its days, and none of its own."""
    was = manifest.source.where or _UNSET
    return was, source.where or (_UNSET if source.exports is None else was)


def _of_dialect(dialect: str) -> Callable[[Manifest, SourceConfig], Pair]:
    def pair(manifest: Manifest, source: SourceConfig) -> Pair:
        was = manifest.source.table if manifest.source.dialect == dialect else _UNSET
        return was, getattr(source, dialect) or _UNSET

    return pair


def _table(manifest: Manifest, source: SourceConfig) -> Pair:
    """With its schema; for a source that is no table the two settings above say it."""
    was = _UNSET if manifest.source.dialect in _NO_DATABASE else manifest.source.table
    if not source.is_database:
        return was, _UNSET
    return was, _qualified(*source.table_parts())


def _column_timezone(manifest: Manifest, source: SourceConfig) -> Pair:
    """The manifest of an old version does not say."""
    return manifest.source.evidence.get("column_timezone", source.column_timezone), source.column_timezone


def _allow_null(manifest: Manifest, source: SourceConfig) -> Pair:
    """A permission that was taken back counts; a new one changes nothing that was read without it."""
    allowed = manifest.source.evidence.get(ALLOWED_NULL, "").split(", ")
    withdrawn = {name for name in allowed if name} - set(source.allow_null)
    return ", ".join(sorted({*source.allow_null, *withdrawn})) or "none", ", ".join(sorted(source.allow_null)) or "none"


def _window(manifest: Manifest, source: SourceConfig) -> Pair:
    """A manifest has its window as two instants: a day has 25 hours at most, a month 28 days at least."""
    if isinstance(manifest.day, Hour):
        return "hour", source.window
    days = (manifest.window_end - manifest.window_start) / timedelta(days=1)
    was: Span = "day" if days < _DAYS_OF_A_WEEK - 1 else "week" if days < _DAYS_OF_A_WEEK + 1 else "month"
    return was, source.window


def _with(manifest: Manifest, source: SourceConfig) -> Pair:
    """Each table with all that was asked of it; `allow_null` as the leading table's."""
    was = "; ".join(sorted(_describe_stored_table(table, source.with_.get(table.name)) for table in manifest.tables))
    now = "; ".join(sorted(_describe_table(name, table) for name, table in source.with_.items()))
    return was or _UNSET, now or _UNSET


def _describe_table(name: str, table: WithTable) -> str:
    place = _qualified(*table.table_parts()) if table.parquet is None else table.parquet
    return _spell_table(name, table, place, table.columns, table.allow_null)


def _describe_stored_table(table: TableExport, now: WithTable | None) -> str:
    withdrawn = set(table.allow_null) - set(now.allow_null if now else ())
    allowed = {*(now.allow_null if now else table.allow_null), *withdrawn}
    return _spell_table(table.name, table, table.table, [column.name for column in table.carried], allowed)


def _spell_table(
    name: str, asked: WithTable | TableExport, table: str, columns: Iterable[str], allow_null: Iterable[str]
) -> str:
    is_files = asked.parquet is not None if isinstance(asked, WithTable) else bool(asked.objects)
    told = {
        "parquet" if is_files else "table": table,
        "key": show_key(asked.key_columns),
        "time": asked.time,
        "columns": ", ".join(columns),
        "where": asked.where,
        "allow_null": ", ".join(sorted(allow_null)),
        "only_keys": None if asked.time is not None else str(asked.only_keys).lower(),
    }
    return f"{name} ({', '.join(f'{key} {value}' for key, value in told.items() if value)})"


def _qualified(schema: str | None, table: str) -> str:
    return f"{schema}.{table}" if schema else table


def _allow_missing(manifest: Manifest, source: SourceConfig) -> Pair:
    """A permission, too: it was used if the longer window lacks a day."""
    parts = [export.day for export in manifest.source.exports]
    days = round((manifest.window_end - manifest.window_start) / timedelta(days=1))
    zone = load_zone(manifest.timezone)
    of_hours = {day_of(part) for part in parts if isinstance(part, Hour)}
    hours = sum(len(windows_of(day, "hour", zone)) for day in of_hours)
    was = source.allow_missing or 0 < len(parts) < days - len(of_hours) + hours
    return ("true" if was else "false"), ("true" if source.allow_missing else "false")


COMPARED: Mapping[str, Callable[[Manifest, SourceConfig], Pair]] = {
    "parquet": _of_dialect("parquet"),
    "python": _of_dialect("python"),
    "exports": _of_dialect("exports"),
    "table": _table,
    "schema": _table,
    "key": lambda manifest, source: (show_key(manifest.source.key_columns), show_key(source.key_columns)),
    "time": lambda manifest, source: (manifest.source.time, source.time),
    "columns": lambda manifest, source: (
        ", ".join(column.name for column in manifest.carried),
        ", ".join(source.columns),
    ),
    "where": _where,
    "timezone": lambda manifest, source: (manifest.timezone, source.timezone),
    "column_timezone": _column_timezone,
    "allow_null": _allow_null,
    "window": _window,
    "allow_missing": _allow_missing,
    "with": _with,
}
NOT_COMPARED: Mapping[str, str] = {
    **dict.fromkeys(
        ("url", "login", *PARTS), "a server may move and stay the same one: it is told, and a person decides"
    ),
    "allow_float": "whether a column may be read at all: it changes no row of one that was",
}


def check_same_question(manifest: Manifest, source: SourceConfig) -> None:
    """Raise InputError that names the settings that changed.

    Settings of `[source]` that differ from those of the export. How many shards it has, and where the database lies,
    don't change what was asked; another function or other files do. `describe_other_place` tells of the database.
    """
    differences: dict[Pair, str] = {}
    for key, compare in COMPARED.items():
        was, now = compare(manifest, source)
        if was != now:
            differences.setdefault((was, now), f"source.{key} was {was} and is {now}")
    if differences:
        raise InputError(
            f"The stored export of {manifest.day} was made with other settings.",
            why="; ".join(differences.values()) + ".",
            fix="Read the day again with `penstock run --fresh-export`, or put the settings back.",
        )


def describe_other_question(day: Manifest, first: Manifest) -> list[str]:
    """Return the settings in which another day's question differed.

    Both days are of one pipeline. It looks at what decides which rows a day holds; what either manifest does not say is
    left out. The caller compares columns, key and zone.
    """
    asked = {"table": _describe_rows_of, "where": _describe_where, "column_timezone": _describe_column_timezone}
    told = [(name, ask(day), ask(first)) for name, ask in asked.items()]
    return [
        f"source.{name} was {here} for {day.day} and {there} for {first.day}"
        for name, here, there in told
        if here and there and here != there
    ]


def _describe_rows_of(manifest: Manifest) -> str:
    source = manifest.source
    return f"{source.dialect} {source.table}" if source.dialect in _NO_DATABASE else source.table


def _describe_where(manifest: Manifest) -> str:
    return manifest.source.where or _UNSET


def _describe_column_timezone(manifest: Manifest) -> str:
    return manifest.source.evidence.get("column_timezone", "")


def describe_asked(source: SourceConfig) -> dict[str, str]:
    """Return the settings that only a manifest's evidence keeps.

    The manifest has no field for them.
    """
    place = describe_place(source.url.reveal()) if source.is_database else ""
    return {
        "column_timezone": source.column_timezone,
        **({ALLOWED_NULL: ", ".join(source.allow_null)} if source.allow_null else {}),
        **({PLACE: place} if place else {}),
    }


def describe_place(url: str) -> str:
    """Return where a database URL points to, without user, password and options.

    Nothing where that is not known.
    """
    parts = urlsplit(url)
    if "@" in parts.path:  # a password that was not escaped: the text before it is no host
        return ""
    places = [value for name, value in parse_qsl(parts.query) if name in _PLACE_OPTIONS]
    host = ",".join(filter(None, [parts.netloc.rpartition("@")[2].lower(), *places]))
    return f"{parts.scheme.partition('+')[0]}://{host}{parts.path}"


def describe_other_place(manifest: Manifest, source: SourceConfig) -> str:
    """Return a sentence where the export was read elsewhere.

    Elsewhere than `source.url` points now; else nothing. A URL that can't be looked up here says nothing: it is the
    exporter's alone. Nor does an old manifest.
    """
    was = manifest.source.evidence.get(PLACE)
    if was is None or not source.is_database:
        return ""
    try:
        now = describe_place(source.url.reveal())
    except (InputError, ValueError):
        return ""
    if not now or was == now:
        return ""
    return (
        f"warning: the export of {manifest.day} was read from {was}, and source.url is {now} now; "
        "--fresh-export reads the day there."
    )


def describe_other_server(before: Manifest, after: Manifest) -> str:
    """Return a sentence where two exports' servers differ.

    The exports themselves say so; else nothing.
    """
    was, now = before.source, after.source
    if was.dialect != now.dialect or was.server_identity == now.server_identity:
        return ""
    return (
        f"warning: {after.day} was read from another server than the export of {before.day}: "
        f"{now.server_identity}, before {was.server_identity}"
    )
