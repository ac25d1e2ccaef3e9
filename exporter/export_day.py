"""The exporter's job: read one business day once.

Its shards exist together or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from exporter.arrow.need_pyarrow import needs_pyarrow
from exporter.port.database import Source
from exporter.port.question import MOST_READS, DayQuestion
from exporter.read.day import read_database
from exporter.read.files import Files
from exporter.refuse.not_over import check_over, check_read_when_over
from exporter.reuse import reuse_current_export, settle_run_export
from exporter.shards.combine_days import combine_days
from exporter.shards.commit import Written, build_manifest, commit_manifest
from staging.config.pipeline import Pipeline
from staging.documents.exports import find_run_export
from staging.documents.run import RunExport
from staging.documents.run_start import begin_run, set_current_export
from staging.names import DayNames, new_id
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.sharding import check_known_answers
from staging.store import Store
from staging.window import check_not_future, load_zone, plan_window

OpenSource = Callable[[str], AbstractContextManager[Source]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an export needs of the world.

    Where to put it, how to connect, the time, when to stop, whom to inform. A Python source's module is looked for in
    `folders`, too, besides what is installed.
    """

    store: Store
    open_source: OpenSource
    now: Callable[[], datetime]
    cancel: Cancel
    progress: Progress
    folders: Sequence[Path] = ()


def export_day(
    pipeline: Pipeline,
    day: date,
    run_id: str,
    around: Surroundings,
    *,
    fresh_export: bool,
    require_closed: bool = False,
    most_reads: int = MOST_READS,
) -> RunExport:
    """Bring the run to an export of the day.

    Returns which: its own earlier one, the day's current one, or a new one. Every attempt that reads has an export id
    of its own, so it never meets the debris of another. `most_reads`: how often a day that changes meanwhile is read.
    """
    zone = load_zone(pipeline.source.timezone)
    check_not_future(day, zone, around.now())
    window = plan_window(day, zone, pipeline.source.window)
    names = DayNames(pipeline.name, day)
    check_known_answers()
    record = begin_run(around.store, names, run_id, kind="run", fresh_export=fresh_export, now=around.now())
    settled = find_run_export(around.store, names, run_id) or reuse_current_export(
        around.store, names, record, pipeline, now=around.now()
    )
    if settled is None:
        question = DayQuestion(pipeline, names, window, new_id(around.now()), require_closed, most_reads)
        check_over(question, around.now())
        settled = settle_run_export(around.store, names, _export(question, run_id, around))
    set_current_export(around.store, names, record, settled.export_id, now=around.now())
    return settled


def _export(question: DayQuestion, run_id: str, around: Surroundings) -> RunExport:
    if question.pipeline.source.exports is not None:
        manifest = combine_days(question, around.store, now=around.now())
    else:
        manifest = build_manifest(_read(question, around), question, now=around.now())
    check_read_when_over(question, manifest)
    around.cancel.check()
    return commit_manifest(around.store, question.names, manifest, run_id)


def _read(question: DayQuestion, around: Surroundings) -> Written:
    source = question.pipeline.source
    if source.is_database:
        with _list_files(question, around) as files:
            return read_database(
                question, around.open_source, around.store, around.cancel, around.progress, files=files
            )
    with needs_pyarrow():
        from exporter.arrow.open import open_arrow  # noqa: PLC0415 - only here
        from exporter.arrow.read import read_arrow  # noqa: PLC0415 - goes with it
        from exporter.arrow.register_files import register_files  # noqa: PLC0415 - goes with it
    read = register_files if question.pipeline.export.shard == "file" else read_arrow
    with open_arrow(question, around.now, around.folders) as rows:
        return read(question, rows, around.store, around.cancel, around.progress)


def _list_files(question: DayQuestion, around: Surroundings) -> AbstractContextManager[Sequence[Files]]:
    if not question.pipeline.source.files_beside:
        return nullcontext(())
    with needs_pyarrow():
        from exporter.arrow.beside import list_files  # noqa: PLC0415 - only here
    return list_files(question, around.now, around.cancel)
