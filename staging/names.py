"""The only place that knows object names.

It builds them and parses them back.

Layout, relative to the staging prefix; of an hourly pipeline `{day}` is an hour, such as `2026-10-25T02+02:00`::

    heads/{pipeline}/day={day}.json
    heads/{pipeline}/pause.json                             whether people have paused the pipeline's reading
    heads/{pipeline}/told.json                              the days that a webhook was notified of as in trouble
    heads/{pipeline}/compared.json                          when days were compared with the source, and the results
    heads/{pipeline}/history/year={year}.json               the results of the runs of a year's days; can be rebuilt
    {pipeline}/day={day}/export={export_id}/shard={shard:05d}/{file}.parquet
    {pipeline}/day={day}/export={export_id}/table={table}/shard={shard:05d}/{file}.parquet
    {pipeline}/day={day}/export={export_id}/manifest.json
    {pipeline}/day={day}/run={run_id}/run.json              what the run was asked to do, and its fence
    {pipeline}/day={day}/run={run_id}/export.json           the export this run uses
    {pipeline}/day={day}/run={run_id}/part-{shard:05d}.parquet
    {pipeline}/day={day}/run={run_id}/quarantine-{shard:05d}.parquet
    {pipeline}/day={day}/run={run_id}/receipt-{shard:05d}.json
    {pipeline}/day={day}/run={run_id}/loaded.json
    {pipeline}/day={day}/run={run_id}/reloaded-{number:05d}.json
    {pipeline}/day={day}/run={run_id}/failure-{failure_id}.json
    {pipeline}/day={day}/run={run_id}/timeline-{timeline_id}.json
    {pipeline}/day={day}/run={run_id}/verdict-{verdict_id}.json
    {pipeline}/backfill={first}_{last}/begun-{id}.json      that a range of days is being reprocessed
    {pipeline}/backfill={first}_{last}/ended-{id}.json      that all of them were

Shards are numbered from 0. Parts carry their shard's number.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from staging.errors import InputError
from staging.hours.name import PATTERN as HOUR_PATTERN
from staging.hours.name import parse_hour

MAX_SHARDS = 10_000
_PIPELINE = re.compile(r"[a-z][a-z0-9_-]{0,62}")
TABLE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""What a pipeline may call a table beside the leading one."""
_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}|[a-z0-9][a-z0-9_-]{2,62}")


def new_id(now: datetime) -> str:
    """Return a unique id that sorts by time, to the microsecond."""
    return f"{now:%Y%m%dT%H%M%SZ}-{now.microsecond:05x}{secrets.randbits(28):07x}"


def check_pipeline(name: str) -> str:
    """Return `name` if it fits an object name, else raise InputError."""
    if not _PIPELINE.fullmatch(name):
        raise InputError(
            f"The pipeline's name {name!r} can't be used.",
            why="It becomes part of object names.",
            fix="Use a lower-case letter first, then lower-case letters, digits, `_` or `-`; 63 characters at most.",
        )
    return name


def check_id(text: str, *, of: str) -> str:
    """Return `text` if it is an id, else raise InputError.

    `of` names it in the message.
    """
    if not _ID.fullmatch(text):
        raise InputError(
            f"The {of} {text!r} can't be used.",
            why="It becomes part of object names.",
            fix="Use 3 to 63 lower-case letters, digits, `_` or `-`, a letter or digit first.",
        )
    return text


def pipeline_prefix(pipeline: str) -> str:
    """Return the prefix of a pipeline's objects, without its heads."""
    return f"{check_pipeline(pipeline)}/"


def pause_switch(pipeline: str) -> str:
    """Name of the pipeline's pause switch, among the heads."""
    return f"heads/{check_pipeline(pipeline)}/pause.json"


def heads_prefix(pipeline: str) -> str:
    """Return the prefix of the heads of all days alone."""
    return f"heads/{check_pipeline(pipeline)}/day="


def history_index(pipeline: str, year: int) -> str:
    """Name of the index of a year's runs, among the heads."""
    return f"heads/{check_pipeline(pipeline)}/history/year={year:04d}.json"


def comparisons(pipeline: str) -> str:
    """Name of when days were compared with the source, among the heads."""
    return f"heads/{check_pipeline(pipeline)}/compared.json"


def told_troubles(pipeline: str) -> str:
    """Name of what a webhook last heard, among the heads."""
    return f"heads/{check_pipeline(pipeline)}/told.json"


@dataclass(frozen=True, slots=True)
class DayNames:
    """Names of everything that belongs to one pipeline and one business day.

    Or to one hour, which is a `date`, too: see `staging.hours`.
    """

    pipeline: str
    day: date

    def __post_init__(self) -> None:
        check_pipeline(self.pipeline)

    def head(self) -> str:
        """Name of the one object of a day that is ever replaced."""
        return f"heads/{self.pipeline}/day={self.day.isoformat()}.json"

    def day_prefix(self) -> str:
        """Return the prefix of all but the head, `/` at its end."""
        return f"{pipeline_prefix(self.pipeline)}day={self.day.isoformat()}/"

    def run_prefix(self, run_id: str) -> str:
        """Return the prefix of a run's objects, `/` at its end."""
        return self._run(run_id)

    def runs_prefix(self) -> str:
        """Return the prefix of all runs of the day alone."""
        return f"{self.day_prefix()}run="

    def shard_file(self, export_id: str, shard: int, file: int = 0, *, table: str | None = None) -> str:
        """Name of one Parquet file of a shard; both numbered from 0.

        `table` is one beside the leading table, by its name in the pipeline file.
        """
        _check_shard(shard)
        of_table = f"table={_check_table(table)}/" if table is not None else ""
        return f"{self._export(export_id)}{of_table}shard={shard:05d}/{file}.parquet"

    def manifest(self, export_id: str) -> str:
        """Name of the document that makes an export exist."""
        return f"{self._export(export_id)}manifest.json"

    def run(self, run_id: str) -> str:
        """Name of what a run was asked to do."""
        return f"{self._run(run_id)}run.json"

    def run_export(self, run_id: str) -> str:
        """Name of the document that says which export a run uses."""
        return f"{self._run(run_id)}export.json"

    def part(self, run_id: str, shard: int) -> str:
        """Name of the processed file of one shard."""
        _check_shard(shard)
        return f"{self._run(run_id)}part-{shard:05d}.parquet"

    def quarantine(self, run_id: str, shard: int) -> str:
        """Name of a shard's rows that a transform set aside."""
        _check_shard(shard)
        return f"{self._run(run_id)}quarantine-{shard:05d}.parquet"

    def receipt(self, run_id: str, shard: int) -> str:
        """Name of the document that makes a part count."""
        _check_shard(shard)
        return f"{self._run(run_id)}receipt-{shard:05d}.json"

    def loaded(self, run_id: str) -> str:
        """Name of the loader's convenience note; only the ledger decides."""
        return f"{self._run(run_id)}loaded.json"

    def reloaded(self, run_id: str, number: int) -> str:
        """Name of the loader's note of a further load, from 0."""
        _check_shard(number)
        return f"{self._run(run_id)}reloaded-{number:05d}.json"

    def failure(self, run_id: str, failure_id: str) -> str:
        """Name of the chain's note of why the run ended."""
        return f"{self._run(run_id)}failure-{check_id(failure_id, of='failure id')}.json"

    def failures_prefix(self, run_id: str) -> str:
        """Return the prefix of the chain's notes of why the run ended."""
        return f"{self._run(run_id)}failure-"

    def timeline(self, run_id: str, timeline_id: str) -> str:
        """Name of when the tasks of one execution ran."""
        return f"{self._run(run_id)}timeline-{check_id(timeline_id, of='timeline id')}.json"

    def verdict(self, run_id: str, verdict_id: str) -> str:
        """Name of an attempt's error that the next would meet."""
        return f"{self._run(run_id)}verdict-{check_id(verdict_id, of='verdict id')}.json"

    def _export(self, export_id: str) -> str:
        return f"{self.day_prefix()}export={check_id(export_id, of='export id')}/"

    def _run(self, run_id: str) -> str:
        return f"{self.day_prefix()}run={check_id(run_id, of='run id')}/"


@dataclass(frozen=True, slots=True)
class BackfillNames:
    """Names of notes on reprocessing a range, both ends inclusive."""

    pipeline: str
    first: date
    last: date

    def prefix(self) -> str:
        """Return the prefix of all of them, `/` at its end."""
        return f"{pipeline_prefix(self.pipeline)}backfill={self.first.isoformat()}_{self.last.isoformat()}/"

    def begun(self, backfill_id: str) -> str:
        """Name of the document that says what was begun."""
        return f"{self.prefix()}begun-{check_id(backfill_id, of='backfill id')}.json"

    def is_begun(self, name: str) -> bool:
        """Return whether `begun` has built the name."""
        return name.startswith(f"{self.prefix()}begun-")

    def ended(self, backfill_id: str) -> str:
        """Name of the document that says that all days were done."""
        return f"{self.prefix()}ended-{check_id(backfill_id, of='backfill id')}.json"


@dataclass(frozen=True, slots=True)
class ParsedName:
    """What an object name says.

    `kind` is `head`, `shard`, `manifest`, `run`, `export`, `part`, `quarantine`, `receipt`, `loaded`, `reloaded`,
    `failure`, `timeline` or `verdict`.
    """

    kind: str
    pipeline: str
    day: date
    export_id: str | None = None
    run_id: str | None = None
    shard: int | None = None
    file: int | None = None
    failure_id: str | None = None
    number: int | None = None
    timeline_id: str | None = None
    verdict_id: str | None = None
    table: str | None = None


_WINDOW = rf"(?P<day>{HOUR_PATTERN}|\d{{4}}-\d\d-\d\d)"
_HEAD = re.compile(rf"heads/(?P<pipeline>[^/]+)/day={_WINDOW}\.json")
_DATA = re.compile(
    rf"(?P<pipeline>[^/]+)/day={_WINDOW}/(?:"
    r"export=(?P<export_id>[^/]+)/(?:(?:table=(?P<table>[^/]+)/)?shard=(?P<export_shard>\d{5})/(?P<file>0|[1-9]\d*)\.parquet|(?P<manifest>manifest)\.json)"
    r"|run=(?P<run_id>[^/]+)/(?:(?P<document>run|export|loaded)\.json"
    r"|(?P<reloaded>reloaded)-(?P<number>\d{5})\.json"
    r"|(?P<note>failure|timeline|verdict)-(?P<note_id>[^/]+)\.json"
    r"|(?P<piece>part|quarantine|receipt)-(?P<shard>\d{5})\.(?P<suffix>parquet|json)))"
)


def parse_name(name: str) -> ParsedName | None:
    """Parse a name built here; None for anything else."""
    if match := _HEAD.fullmatch(name):
        return _parsed(name, ParsedName("head", match["pipeline"], _day(match["day"])))
    if not (match := _DATA.fullmatch(name)):
        return None
    shard, note = match["export_shard"] or match["shard"], match["note"]
    kind = match["document"] or match["piece"] or match["manifest"] or match["reloaded"] or note or "shard"
    place = match["pipeline"], _day(match["day"]), match["export_id"], match["run_id"], int(shard) if shard else None
    number = int(match["number"]) if match["number"] else None
    noted: dict[str, Any] = {f"{note}_id": match["note_id"]} if note else {}
    file = int(match["file"]) if match["file"] else None
    return _parsed(name, ParsedName(kind, *place, file, number=number, table=match["table"], **noted))


def _parsed(name: str, parsed: ParsedName) -> ParsedName | None:
    """Only a name that builds back to itself was built here."""
    try:
        names = DayNames(parsed.pipeline, parsed.day)
        return parsed if _build(names, parsed) == name else None
    except InputError:
        return None


def _build(names: DayNames, parsed: ParsedName) -> str:
    run_id, export_id, shard = parsed.run_id or "", parsed.export_id or "", parsed.shard or 0
    builders: dict[str, Callable[[], str]] = {
        "head": names.head,
        "shard": lambda: names.shard_file(export_id, shard, parsed.file or 0, table=parsed.table),
        "manifest": lambda: names.manifest(export_id),
        "run": lambda: names.run(run_id),
        "export": lambda: names.run_export(run_id),
        "loaded": lambda: names.loaded(run_id),
        "reloaded": lambda: names.reloaded(run_id, parsed.number or 0),
        "failure": lambda: names.failure(run_id, parsed.failure_id or ""),
        "timeline": lambda: names.timeline(run_id, parsed.timeline_id or ""),
        "verdict": lambda: names.verdict(run_id, parsed.verdict_id or ""),
        "part": lambda: names.part(run_id, shard),
        "quarantine": lambda: names.quarantine(run_id, shard),
        "receipt": lambda: names.receipt(run_id, shard),
    }
    return builders[parsed.kind]()


def _day(text: str) -> date:
    try:
        return parse_hour(text) if "T" in text else date.fromisoformat(text)
    except (ValueError, InputError):
        return date.min


def _check_table(name: str) -> str:
    if not TABLE_NAME.fullmatch(name):
        raise InputError(f"The table's name {name!r} can't be used.", why="It becomes part of object names.")
    return name


def _check_shard(shard: int) -> None:
    if not 0 <= shard < MAX_SHARDS:
        raise InputError(f"Shard {shard} is out of range.", why=f"Shards are numbered from 0 to {MAX_SHARDS - 1}.")
