"""Plans the export of a day, and what would be refused.

From the catalogue and EXPLAIN; no row is read. (SQLite knows no estimates: there rows are counted by the index.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from pathlib import Path

from exporter.arrow.need_pyarrow import needs_pyarrow
from exporter.inspect.files import describe_files, plan_files_beside
from exporter.inspect.latency import describe_promise
from exporter.inspect.planned_columns import PlannedColumn, describe_planned, estimate_row_bytes
from exporter.pacing.promise.hold import READING_TO_REST
from exporter.pacing.rules import PacingRules, plan_rules
from exporter.port.database import Source
from exporter.port.question import DayQuestion, PlannedRead, plan_read
from exporter.port.sliced_source import Closed, Slices
from exporter.port.source import Estimate, OpenTable
from exporter.read.beside import PlannedTable, plan_beside
from exporter.read.choose import ReadChoice, choose_read, estimate_seconds, find_why_no_slices
from exporter.read.slices import begin_slices, find_way
from exporter.refuse.drift import check_drift
from exporter.refuse.explain import explain
from exporter.refuse.full_scan import find_full_scan, refuse_full_scan
from exporter.shards.count import plan_shards
from staging.documents.manifest import Manifest
from staging.errors import InputError, PenstockError, UnavailableError

OpenSource = Callable[[str], AbstractContextManager[Source]]


@dataclass(frozen=True, slots=True)
class PlannedBeside:
    """Another table that is read at the same instant, planned.

    `rows` is an estimate; None for files, which nobody counts before they are read.
    """

    name: str
    table: str
    columns: tuple[PlannedColumn, ...]
    statement: str
    rows: int | None


@dataclass
class ExportPlan:
    """One export, planned.

    What could not be found out, because something is refused, is None or empty. `read` is `snapshot` or `slices`.
    `rows` and `size_bytes` (before compression) and `seconds` (with the rests between slices, without waits for calm)
    are estimates.
    """

    database: str
    reader: str
    table: str
    columns: tuple[PlannedColumn, ...] = ()
    statement: str | None = None
    explain: tuple[str, ...] = ()
    partitions: tuple[int, int] | None = None
    read: str | None = None
    why_read: str | None = None
    rows: int | None = None
    rows_are: str | None = None
    size_bytes: int | None = None
    seconds: float | None = None
    shards: int | None = None
    why_shards: str | None = None
    refused: list[PenstockError] = field(default_factory=list)
    latency: str | None = None
    """What is measured of the shop's latency, and promised; None where nothing is."""
    tables: tuple[PlannedBeside, ...] = ()


def plan_export(question: DayQuestion, contract: Manifest | None, open_source: OpenSource) -> ExportPlan:
    """Return the plan.

    Raises InputError or UnavailableError where nothing at all can be said: no server, no table.
    """
    with open_source(question.pipeline.source.url.reveal()) as source:
        plan = ExportPlan(f"{source.dialect} {source.server_version}", source.reader, str(question.table()))
        why_no_slices = _why_no_slices(question, source)
        with closing(_open_table(question, source, why_no_slices)) as table:
            try:
                read = _plan_statement(question, contract, source, table, plan)
                beside = _plan_beside(question, contract, table, read, plan, dialect=source.dialect)
                if plan.rows is not None:
                    _plan_reading(question, source, table, read, beside, why_no_slices=why_no_slices, plan=plan)
            except (InputError, UnavailableError) as error:
                plan.refused.append(error)
    return plan


def _plan_beside(
    question: DayQuestion,
    contract: Manifest | None,
    table: OpenTable,
    read: PlannedRead,
    plan: ExportPlan,
    *,
    dialect: str,
) -> list[PlannedTable[OpenTable]]:
    """Fill in the tables beside the leading one, and add their rows; InputError for one that would be refused."""
    found = plan_beside(question, contract, table, read, dialect, looks=False)
    plan.tables = tuple(
        PlannedBeside(
            each.name,
            str(each.question.table()),
            describe_planned(each.question.pipeline.source, each.table.describe(), has_time=each.has_time),
            each.read.statement.text(),
            each.estimate.rows,
        )
        for each in found
    ) + _plan_files(question, read)
    if plan.rows is not None:
        plan.rows += sum(each.estimate.rows for each in found)
        plan.size_bytes = (plan.size_bytes or 0) + sum(
            each.estimate.rows * estimate_row_bytes(each.read.plan) for each in found
        )
    return found


def _plan_files(question: DayQuestion, leads: PlannedRead) -> tuple[PlannedBeside, ...]:
    described = describe_files(question.pipeline)
    return tuple(
        PlannedBeside(
            name,
            read.statement.table,
            describe_planned(
                question.of_table(name).pipeline.source, described[name], has_time=read.plan.kind is not None
            ),
            read.statement.text(),
            None,
        )
        for name, read in plan_files_beside(question, described, leads).items()
    )


def _why_no_slices(question: DayQuestion, source: Source) -> str:
    is_snapshot = question.pipeline.export.read == "snapshot"
    return "read is set to snapshot" if is_snapshot else find_why_no_slices(question, source)


def _open_table(question: DayQuestion, source: Source, why_no_slices: str) -> OpenTable:
    if not why_no_slices:
        return begin_slices(question, source)
    cap = question.pipeline.export.max_snapshot_seconds
    return source.begin_snapshot(question.table(), max_seconds=cap, also=question.tables_beside())


def _plan_statement(
    question: DayQuestion, contract: Manifest | None, source: Source, table: OpenTable, plan: ExportPlan
) -> PlannedRead:
    """Fill in columns, statement and EXPLAIN, and rows where no scan is refused; return the read."""
    config = question.pipeline
    plan.columns = describe_planned(config.source, table.describe())
    read = plan_read(question, table, source.dialect)
    plan.statement = read.statement.text()
    try:
        check_drift(contract, question, read, source.dialect)
    except InputError as error:
        plan.refused.append(error)
    explained = explain(table, question.table(), read.time, read.statement, dialect=source.dialect)
    if explained is not None:
        plan.explain, plan.partitions = explained.steps, explained.partitions
    scan = find_full_scan(explained)
    if scan is not None and not config.export.allow_full_scan:
        plan.refused.append(refuse_full_scan(scan, question.table(), read, source.dialect))
        return read
    estimate = table.estimate(read.statement)
    row_bytes = (explained and explained.row_bytes) or estimate_row_bytes(read.plan)
    plan.rows, plan.rows_are, plan.size_bytes = estimate.rows, estimate.how, estimate.rows * row_bytes
    return read


def _plan_reading(
    question: DayQuestion,
    source: Source,
    table: OpenTable,
    read: PlannedRead,
    beside: Sequence[PlannedTable[OpenTable]],
    *,
    why_no_slices: str,
    plan: ExportPlan,
) -> None:
    """Fill in how the rows are read and into how many shards they go."""
    config, estimate = question.pipeline.export, Estimate(plan.rows or 0, str(plan.rows_are))
    rules = plan_rules(question.pipeline.pacing, source.dialect)
    plan.shards, plan.why_shards = plan_shards(config.shards, estimate)
    plan.seconds = estimate_seconds(estimate, source.dialect)

    def choose(why_not: str, closed: Closed | None) -> ReadChoice:
        pacing = question.pipeline.pacing
        return choose_read(
            config,
            gentle=pacing.gentle,
            promises=pacing.max_p99_increase is not None,
            dialect=source.dialect,
            estimate=estimate,
            why_no_slices=why_not,
            closed=closed,
        )

    if why_no_slices:
        choice = choose(why_no_slices, None)
    else:
        leading = PlannedTable("", None, question, table, read, estimate)
        tables: list[PlannedTable[Slices]] = [leading, *beside]  # type: ignore[list-item] # `_open_table` opened them so
        cap = config.max_snapshot_seconds
        end, grace = question.window.end, config.grace_seconds
        choice, _ = find_way(tables, cap, choose, lambda: source.find_closed(end, grace, tables=question.tables()))
    if choice.mode == "slices":
        plan.seconds = _with_rests(plan.seconds, estimate.rows, rules)
        if question.pipeline.pacing.latency_probe is not None:
            plan.seconds *= 1 + 1 / READING_TO_REST
    plan.read, plan.why_read = choice.mode, choice.why
    plan.latency = describe_promise(question.pipeline.pacing, rules.nice, choice.mode)


def _with_rests(seconds: float, rows: int, rules: PacingRules) -> float:
    """Return how long slices take when only the configured rests and the ceiling of rows hold them up."""
    ceiling = rows / rules.max_rows_per_second if rules.max_rows_per_second else 0.0
    return max(seconds * (1 + rules.nice), ceiling)


def plan_other(question: DayQuestion, folders: Sequence[Path]) -> ExportPlan:
    """Return the plan of a source that is no database.

    Only its columns are known before its rows are read.
    """
    with needs_pyarrow():
        from exporter.arrow.open import describe_arrow  # noqa: PLC0415 - only here

    source = question.pipeline.source
    shards = question.pipeline.export.shards
    plan = ExportPlan(
        database="",
        reader="pyarrow",
        table=source.place,
        shards=None if shards == "auto" else shards,
        why_read="rows are taken as they come; how many there are shows when they are read",
    )
    try:
        plan.columns = describe_planned(source, describe_arrow(source, folders))
    except InputError as error:
        plan.refused.append(error)
    return plan
