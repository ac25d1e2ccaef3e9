"""One attempt at reading a day, whichever way.

What comes before the rows, and what comes after them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from exporter.port.database import Source
from exporter.port.pace import ReadPace
from exporter.port.question import DayQuestion, PlannedRead, plan_read
from exporter.port.sliced_source import Closed
from exporter.port.source import Estimate, OpenTable
from exporter.read.choose import ReadChoice, choose_read
from exporter.read.files import Files, why_not_over
from exporter.refuse.drift import check_drift
from exporter.refuse.full_scan import check_full_scan
from exporter.shards.commit import Written, WrittenTable
from exporter.shards.count import plan_shards
from exporter.shards.decode import Decoder
from exporter.shards.sink import abort_all, commit_all
from exporter.shards.tally import ShardTally, Tally
from exporter.shards.writing import ShardWriting
from staging.documents import manifest
from staging.documents.manifest import Manifest, ShardFile
from staging.documents.same_question import describe_asked
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.store import Store
from staging.window import load_zone

Note = Callable[[Iterator[pl.DataFrame]], Iterator[pl.DataFrame]]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt at reading a day needs.

    The question and its source, where the rows go, what may hold it up, and the columns of the last export.
    `failed_seals`: how often the day was read in slices in vain before. `closed`: whether the day is over, as the
    database said before the read; None where it can't tell. `files` are those beside the tables.
    """

    question: DayQuestion
    source: Source
    store: Store
    cancel: Cancel
    progress: Progress
    pace: ReadPace
    contract: Manifest | None
    failed_seals: int
    closed: Closed | None
    files: Sequence[Files] = ()

    def of(self, question: DayQuestion) -> Attempt:
        """Return the same attempt at the question of another table."""
        return replace(self, question=question)

    def why_not_over(self) -> str:
        """Return why the day may still get rows, or ""."""
        of_files = why_not_over(self.files, self.question.window.end)
        return (self.closed.why_not if self.closed is not None else "") or of_files

    def choose(self, estimate: Estimate, why_no_slices: str, closed: Closed | None) -> ReadChoice:
        """Return how to read; InputError and UnavailableError as `choose_read` has them."""
        pipeline = self.question.pipeline
        return choose_read(
            pipeline.export,
            gentle=pipeline.pacing.gentle,
            promises=pipeline.pacing.max_p99_increase is not None,
            dialect=self.source.dialect,
            estimate=estimate,
            why_no_slices=why_no_slices,
            closed=closed,
            failed_seals=self.failed_seals,
        )

    def plan(self, table: OpenTable, planned: PlannedRead | None = None) -> PlannedRead:
        """Return the statement.

        InputError for one that may not be run. Reads the catalogue, and no row. `planned` is an earlier plan of a
        moment ago: if the columns are still the same, so is the rest.
        """
        read = plan_read(self.question, table, self.source.dialect)
        if planned is None or (read.columns, read.table_columns) != (planned.columns, planned.table_columns):
            check_drift(self.contract, self.question, read, self.source.dialect)
            check_full_scan(self.question, read, table, self.source.dialect)
        return read


@dataclass(frozen=True, slots=True)
class HowRead:
    """How the rows were read, for the manifest."""

    mode: str
    why: str
    as_of: datetime
    evidence: Mapping[str, str]
    seconds: float


class ShardedRead:
    """The shards of an attempt.

    Written as frames come, committed when all of them were counted.
    """

    def __init__(self, attempt: Attempt, read: PlannedRead, estimate: Estimate, of_all: Estimate | None = None) -> None:
        """Plan the shards by the estimate, or by that of all tables."""
        self._attempt = attempt
        self._read = read
        self._shards, self._why_shards = plan_shards(attempt.question.pipeline.export.shards, of_all or estimate)
        tally = Tally(read.plan, self._shards)
        self._writing = ShardWriting(attempt.question, attempt.store, attempt.progress, tally, self._shards, estimate)

    def write(self, batches: Iterator[pl.DataFrame], note: Note | None = None) -> None:
        """Decode, count and write all rows.

        The objects are finished then, and uncommitted. An error aborts them. `note` sees the decoded rows before they
        are counted.
        """
        zone = load_zone(self._attempt.question.pipeline.source.column_timezone)
        frames = Decoder(self._read.plan, self._attempt.question.window, zone).decode(batches)
        self._writing.write(note(frames) if note is not None else frames)

    def continue_from(self, before: ShardedRead) -> None:
        """Count rows and bytes on from where another table ended."""
        self._writing.rows_before = before._writing.rows()
        self._writing.bytes_before = before._writing.size_bytes()

    def abort(self) -> None:
        """Leave nothing."""
        abort_all(self._writing.objects)

    def commit_files(self) -> tuple[dict[int, ShardFile], dict[int, ShardTally]]:
        """Make the shards' files exist.

        Returns them and what was counted, by shard.
        """
        self._attempt.progress.begin("commit")
        counted = self._writing.tally.by_shard()
        rows = {shard: tally.rows for shard, tally in counted.items()}
        return commit_all(self._writing.objects, rows, check=self._attempt.cancel.check), counted

    def commit(self, how: HowRead, tables: Sequence[WrittenTable] = ()) -> Written:
        """Make the shards exist, beside those of other tables."""
        files, counted = self.commit_files()
        return Written(
            shards=self._shards,
            files=files,
            counted=counted,
            plan=self._read.plan,
            source=self._describe_source(how),
            reading=manifest.Reading(
                mode=how.mode,
                why=f"{how.why}; {self._shards} shards, {self._why_shards}",
                reader=self._attempt.source.reader,
                seconds=round(how.seconds, 3),
                waited_seconds=dict(self._attempt.pace.waited_seconds),
                waits=dict(self._attempt.pace.waits.by_reason()),
                waits_bin_seconds=self._attempt.pace.waits.bin_seconds,
                not_over=self._attempt.why_not_over(),
                probed=self._attempt.pace.describe_probed(),
            ),
            as_of=how.as_of,
            tables=tuple(tables),
        )

    def _describe_source(self, how: HowRead) -> manifest.Source:
        config, source = self._attempt.question.pipeline.source, self._attempt.source
        return manifest.Source(
            dialect=source.dialect,
            server_version=source.server_version,
            server_identity=source.server_identity,
            table=str(self._attempt.question.table()),
            key=config.key,
            time=config.time,
            where=config.where,
            statement=self._read.statement.text(),
            evidence={**how.evidence, **describe_asked(config)},
            table_columns=self._read.table_columns,
        )
