"""Checks that a day has about as many rows as others.

An empty or shrunken day is doubted before it is loaded. A filter, a right or a unit that changed gives a day that
agrees with itself in every sum, and is wrong. It compares the rows that were exported, and those that the same
transform gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from statistics import median

from loader.run_inputs import RunInputs
from loader.target.ledger import LedgerRow
from staging.config.day_checks import ChecksConfig
from staging.config.pipeline import Pipeline
from staging.documents.manifest import Manifest
from staging.documents.recent_days import RecentDay, median_of_shrunken, read_recent_days
from staging.errors import IntegrityError
from staging.store import Store
from staging.window import load_zone

_TOLD_RISE = 10
_FEW_ROWS = 10
"""For a table beside the leading one: if its days have fewer, a day without any is nothing unusual."""


class DoubtedDayError(IntegrityError):
    """A day of another size than the last ones.

    Nothing is damaged, and a person must say whether it is right.
    """


def check_doubt(
    pipeline: Pipeline, inputs: RunInputs, store: Store, found: LedgerRow | None, say: Callable[[str], None]
) -> None:
    """Raise DoubtedDayError where a day's number of rows is unusual.

    It has both figures. `found` is the ledger's row. A run that has loaded before is not doubted, nor is an export that
    the target has. A day that was read before its end may be small. The first day of all is compared with
    `checks.min_rows` alone.
    """
    run_id, manifest = inputs.record.run_id, inputs.manifest
    if (found is not None and found.run_id == run_id) or store.find(inputs.names.loaded(run_id)) is not None:
        return
    checks, source = pipeline.checks, pipeline.source
    recent = read_recent_days(store, inputs.names, source.window, load_zone(source.timezone))
    faults: list[str] = []
    if found is None or found.export_id != manifest.export_id:
        exported = [each.rows_exported for each in recent]
        faults += _faults(manifest.rows, exported, checks, "rows", say, is_early=manifest.read_early)
        faults += _table_faults(manifest, recent, checks)
    faults += _output_faults(inputs, recent, checks, say)
    if faults:
        raise DoubtedDayError(
            f"{manifest.day} is doubted: {faults[0]}.",
            why="; ".join([*faults[1:], "a filter, a right, a unit or a failed import upstream may have changed"])
            + ".",
            fix="Look at the source. If the day is right, give --accept-change once, or set [checks]; if not, read it "
            "again with --fresh-export. Nothing was loaded.",
        )


def _output_faults(
    inputs: RunInputs, recent: Sequence[RecentDay], checks: ChecksConfig, say: Callable[[str], None]
) -> list[str]:
    """A partial output counts more rows than will be loaded, so only too few of them mean something."""
    alike = [each.rows_loaded for each in recent if each.transform == inputs.receipts[0].transform]
    only_drop = checks.model_copy(update={"min_rows": None, **({"max_rise": None} if inputs.merge else {})})
    quiet: Callable[[str], None] = (lambda _: None) if inputs.merge else say
    return list(_faults(inputs.rows, alike, only_drop, "rows of output", quiet, is_early=inputs.manifest.read_early))


def _table_faults(manifest: Manifest, recent: Sequence[RecentDay], checks: ChecksConfig) -> Iterator[str]:
    """For tables beside the leading one only a drop is doubted."""
    for table in manifest.tables if not manifest.read_early else ():
        counts = [each.rows_of_tables[table.name] for each in recent if table.name in each.rows_of_tables]
        middle = median_of_shrunken(table.rows, counts, checks.max_drop)
        if middle is not None and middle >= _FEW_ROWS:
            yield (
                f"{table.name} has {table.rows:,} rows, the median of the last {len(counts)} stored days is {middle:,} "
                f"(checks.max_drop is {checks.max_drop:g})"
            )


def _faults(
    rows: int, recent: Sequence[int], checks: ChecksConfig, noun: str, say: Callable[[str], None], *, is_early: bool
) -> Iterator[str]:
    if not is_early and checks.min_rows is not None and rows < checks.min_rows:
        yield f"it has {rows:,} {noun}, checks.min_rows is {checks.min_rows:,}"
    if not recent:
        return
    middle = median(map(Decimal, recent))
    told = f"it has {rows:,} {noun}, the median of the last {len(recent)} stored days is {middle:,}"
    if not is_early and median_of_shrunken(rows, recent, checks.max_drop) is not None:
        yield f"{told} (checks.max_drop is {checks.max_drop:g})"
    elif checks.max_rise is not None and rows > middle * (1 + Decimal(str(checks.max_rise))):
        yield f"{told} (checks.max_rise is {checks.max_rise:g})"
    elif rows > middle * _TOLD_RISE:
        say(f"warning: {told}; checks.max_rise would stop such a day.")
