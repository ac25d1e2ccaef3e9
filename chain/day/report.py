"""The result of a day's run, in figures to check.

For a person or a program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from chain.cost.estimate import DayCost, DayFigures, estimate_day
from chain.day.probed import tell_probed
from staging.config.cloud import CloudConfig
from staging.control_sums import format_minor_units, parse_money
from staging.documents.manifest import Manifest, TableExport
from staging.documents.run import Loaded, Receipt
from staging.errors import IntegrityError
from staging.manifest_sums import sum_of_day

Status = Literal["done", "already done"]


@dataclass(frozen=True, slots=True)
class Conserved:
    """One sum on its way.

    `part + set_aside == shards`, and `target` is what the target table holds for the day.
    """

    source: str
    output: str
    exported: str
    shards: str
    parts: str
    set_aside: str
    target: str

    @property
    def agrees(self) -> bool:
        """Whether nothing was lost on any step."""
        if not (self.exported and self.shards and self.parts and self.target):
            return False
        exported, shards, parts, target = map(Decimal, (self.exported, self.shards, self.parts, self.target))
        return exported == shards == parts + Decimal(self.set_aside) and parts == target


@dataclass(frozen=True, slots=True)
class TableFigures:
    """A table beside the leading one: rows and exact sums.

    As exported, and as every task counted them.
    `keys_without_row` counts keys of the day's rows that have no row there; None of a table with a time.
    """

    name: str
    rows: int
    sums: dict[str, str]
    keys_without_row: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one run.

    Money is exact decimal text. `totals` has the control sums as exported and as loaded. `tasks` is how many the
    processor had; `rows_loaded` how many rows the target holds for the day; `inserted`, `updated` and `deleted` what
    this run changed there. `complete` says whether the day was over when it was read, `unfinished` that it was not and
    `why_unfinished` why, `waited_seconds` how long that read waited, by reason. `since_export_before` compares the
    export with the day's one before it, where this run has read the day again. `tables` are those that were read at the
    same instant. `probed` is what the shop's own statement took beside that read and without it, None where it was not
    asked for. `cost` is the run's cost on Google Cloud, None on this machine.
    """

    run_id: str
    export_id: str
    pipeline: str
    day: date
    status: Status
    rows_exported: int
    rows_processed: int
    rows_set_aside: int
    rows_loaded: int
    inserted: int
    updated: int
    deleted: int
    totals: dict[str, dict[str, str]]
    conserved: tuple[Conserved, ...]
    shards: int
    tasks: int
    seconds: float
    as_of: datetime
    complete: bool
    waited_seconds: dict[str, float]
    logs: str
    cost: DayCost | None = None
    unfinished: bool = False
    why_unfinished: str = ""
    since_export_before: dict[str, Any] | None = None
    tables: tuple[TableFigures, ...] = ()
    probed: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return asdict(self) | {"day": self.day.isoformat(), "as_of": self.as_of.isoformat(), "cost": self._cost()}

    def _cost(self) -> dict[str, str] | None:
        if self.cost is None:
            return None
        return {"dollars": str(round(self.cost.dollars, 6)), "of": self.cost.describe()}


def build_report(
    *,
    manifest: Manifest,
    receipts: Sequence[Receipt],
    loaded: Loaded,
    status: Status,
    tasks: int,
    seconds: float,
    logs: str,
    cloud: CloudConfig,
    before: Manifest | None = None,
) -> Report:
    """Put together what the documents of a run say."""
    changed = status == "done"
    return Report(
        run_id=loaded.run_id,
        export_id=manifest.export_id,
        pipeline=manifest.pipeline,
        day=manifest.day,
        status=status,
        rows_exported=manifest.rows,
        rows_processed=sum(receipt.rows_out for receipt in receipts),
        rows_set_aside=sum(receipt.rows_quarantined for receipt in receipts),
        rows_loaded=loaded.rows,
        inserted=loaded.inserted if changed else 0,
        updated=loaded.updated if changed else 0,
        deleted=loaded.deleted if changed else 0,
        totals={"exported": dict(manifest.sums), "loaded": dict(loaded.totals)},
        conserved=conserve(manifest, receipts, loaded),
        shards=len(manifest.shards),
        tasks=tasks,
        seconds=round(seconds, 3),
        as_of=manifest.as_of,
        complete=manifest.as_of >= manifest.window_end and not manifest.unfinished,
        unfinished=manifest.unfinished,
        why_unfinished=_why_unfinished(manifest),
        since_export_before=describe_since(before, manifest) if before is not None else None,
        waited_seconds=dict(manifest.reading.waited_seconds),
        logs=logs,
        tables=describe_tables(manifest),
        probed=_probed(manifest),
        cost=_cost(manifest, loaded, tasks, seconds, cloud) if changed and cloud.project is not None else None,
    )


def _probed(manifest: Manifest) -> dict[str, Any] | None:
    """Return what was measured, without its windows, and in one sentence."""
    probed = manifest.reading.probed
    if probed is None:
        return None
    return probed.model_dump(mode="json", exclude={"windows"}) | {"told": tell_probed(probed)}


def _why_unfinished(manifest: Manifest) -> str:
    """Return the database's reason, or what its clock says."""
    if not manifest.unfinished:
        return ""
    return manifest.reading.not_over or f"the day is over at {manifest.window_end:%Y-%m-%d %H:%M:%S} UTC"


def describe_tables(manifest: Manifest) -> tuple[TableFigures, ...]:
    """Return what is shown of each table beside the leading one."""
    return tuple(
        TableFigures(table.name, table.rows, dict(table.sums), table.keys_without_row) for table in manifest.tables
    )


def _cost(manifest: Manifest, loaded: Loaded, tasks: int, seconds: float, cloud: CloudConfig) -> DayCost:
    return estimate_day(DayFigures(manifest.rows, loaded.rows, len(manifest.shards), tasks, seconds), cloud)


def describe_since(before: Manifest, after: Manifest) -> dict[str, Any]:
    """Return how two exports of the day differ.

    `changed` is None where rows and sums are equal, and files are not.
    """
    rows = {"before": before.rows, "after": after.rows}
    sums = {name: {"before": before.sums.get(name), "after": total} for name, total in after.sums.items()}
    differs = _figures(before) != _figures(after)
    same = _digests(before) == _digests(after)
    changed = True if differs else False if same and before.schema_fingerprint == after.schema_fingerprint else None
    return {"export_id": before.export_id, "changed": changed, "rows": rows, "sums": sums}


def _figures(manifest: Manifest) -> list[object]:
    tables: list[Manifest | TableExport] = [manifest, *manifest.tables]
    return [(each.rows, each.sums) for each in tables]


def _digests(manifest: Manifest) -> list[str]:
    tables: list[Manifest | TableExport] = [manifest, *manifest.tables]
    return [file.sha256 for table in tables for shard in table.shards for file in shard.files]


def check_agreement(report: Report) -> None:
    """Raise IntegrityError where a run's documents don't add up.

    The loader would not have loaded them.
    """
    for sums in report.conserved:
        if not sums.agrees:
            raise IntegrityError(
                f"The sum of {sums.source} is not the same all the way.",
                why=f"exported {sums.exported}, shards {sums.shards}, parts {sums.parts}, "
                f"set aside {sums.set_aside}, target {sums.target}.",
                fix=f"Don't use {report.day} in the target before `penstock verify` agrees.",
            )


def conserve(manifest: Manifest, receipts: Sequence[Receipt], loaded: Loaded | None) -> tuple[Conserved, ...]:
    """Return each declared sum on its way.

    From the source to the target.
    """
    pairs = dict.fromkeys((sum_.source, sum_.output) for receipt in receipts for sum_ in receipt.conserved)
    return tuple(
        Conserved(
            source=source,
            output=output,
            exported=sum_of_day(manifest, source) or "",
            shards=_add(receipts, source, output, "shard"),
            parts=_add(receipts, source, output, "part"),
            set_aside=_add(receipts, source, output, "quarantine"),
            target=loaded.totals.get(output, "") if loaded else "",
        )
        for source, output in pairs
    )


def _add(receipts: Sequence[Receipt], source: str, output: str, field: str) -> str:
    texts = [
        str(getattr(each, field))
        for receipt in receipts
        for each in receipt.conserved
        if (each.source, each.output) == (source, output)
    ]
    scale = max((len(text.partition(".")[2]) for text in texts), default=0)
    return format_minor_units(sum(parse_money(text, scale) for text in texts), scale)
