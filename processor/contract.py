"""Checks that the output keeps what the transform promised.

Nothing is written before it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from processor.assignment import Assignment
from processor.planned import REASON, check_schema, quarantine_schema
from processor.run_plan import Result
from processor.shard_checks import ShardCounts
from staging.control_sums import format_minor_units, scale_of, sum_minor_units
from staging.documents.manifest import Shard
from staging.documents.run import Conservation
from staging.errors import InputError, IntegrityError
from staging.key import show_key
from staging.sharding import shard_of

_SHOWN_KEYS = 3
_MAX_REASONS = 1000


@dataclass(frozen=True, slots=True)
class Output:
    """What a part will hold.

    Rows sorted by key, quarantined rows sorted by all they hold, and the proof.
    """

    rows: pl.DataFrame
    quarantine: pl.DataFrame
    reasons: Mapping[str, int]
    conserved: tuple[Conservation, ...]
    counts: ShardCounts


def check_output(
    result: Result, work: Assignment, shard: Shard, sorted_rows: Callable[[pl.DataFrame], None] = lambda _: None
) -> Output:
    """Return what may be written.

    InputError or IntegrityError names the promise that was broken. `sorted_rows` gets the output's rows as soon as they
    are in order, before they are proven.
    """
    name, expected = work.transform_name, quarantine_schema(work.day)
    check_schema("output", result.rows.schema, work.contract.schema, name=name)
    check_schema("quarantine", result.quarantine.schema, expected, name=name)
    rows = result.rows.sort(work.contract.key_columns)
    sorted_rows(rows)
    _check_key(rows, work, shard)
    reasons = count_reasons(result.quarantine, result.counts.rows, name)
    conserved = tuple(_check_sum(result, work, shard, *pair) for pair in work.contract.conserves.items())
    # Whole rows decide the order, so that two attempts write the same bytes whatever order the engine gave them.
    aside = result.quarantine.sort(list(expected))
    return Output(rows, aside, reasons, conserved, result.counts)


def _check_key(rows: pl.DataFrame, work: Assignment, shard: Shard) -> None:
    """Prove that the key of sorted rows is there, unique and, unless they are partial, of this shard."""
    key, name, shards = work.contract.key_columns, work.transform_name, len(work.manifest.shards)
    for column in key:
        if missing := rows.get_column(column).null_count():
            raise _broken_key(name, f"{missing} of {rows.height} rows have no {column}", shard)
    keys, shown = rows.select(key), key[0] if len(key) == 1 else f"({show_key(key)})"
    is_twice = pl.all_horizontal(pl.col(column) == pl.col(column).shift() for column in key)
    is_stray = pl.lit(value=False) if work.contract.merge else shard_of(keys.schema, shards) != shard.shard
    # One pass shows both faults; only if there is one is it looked for.
    has_twice, has_strays = keys.select(twice=is_twice.any(), stray=is_stray.any()).row(0)
    if has_twice:
        twice = keys.filter(is_twice).unique(maintain_order=True)
        raise _broken_key(name, f"{shown} is not unique: {_examples(twice)}", shard)
    if has_strays:
        strays = keys.filter(is_stray)
        raise _broken_key(name, f"{shown} of {strays.height} rows belongs to another shard: {_examples(strays)}", shard)


def _broken_key(name: str, what: str, shard: Shard) -> InputError:
    return InputError(
        f"The transform {name} breaks its contract: {what}.",
        why=f"In shard {shard.shard}. A part has one row a key, of keys of its own shard; else keys would count twice.",
        fix="Group by the shard's key, and let what has none go to quarantine; or declare how rows of one key merge.",
    )


def _examples(keys: pl.DataFrame) -> str:
    shown = ", ".join(repr(key[0] if keys.width == 1 else key) for key in keys.head(_SHOWN_KEYS).iter_rows())
    return shown + (f" and {keys.height - _SHOWN_KEYS} more" if keys.height > _SHOWN_KEYS else "")


def count_reasons(quarantine: pl.DataFrame, rows: int, name: str) -> dict[str, int]:
    """Return how many rows were set aside by reason.

    Of `rows` in the shard. InputError where there are more of them, some have no reason, or the reasons are too many.
    """
    if quarantine.height > rows:
        raise InputError(
            f"The transform {name} sets {quarantine.height} rows aside of a shard that has {rows}.",
            fix="Quarantine takes rows of the shard, each once.",
        )
    reasons = quarantine.get_column(REASON)
    if nameless := reasons.null_count() + (reasons == "").sum():
        raise InputError(
            f"The transform {name} sets {nameless} rows aside without a reason.",
            fix=f"Give each quarantined row a text in its column {REASON!r}.",
        )
    if (kinds := reasons.n_unique()) > _MAX_REASONS:
        raise InputError(
            f"The transform {name} gives {kinds} different reasons.",
            why=f"Reasons are counted and reported; {_MAX_REASONS} are the most.",
            fix="Name the rule that a row breaks, without the row's values.",
        )
    counted = quarantine.group_by(REASON).len().sort(REASON)
    return dict(counted.iter_rows())


def _counted(result: Result, table: str | None) -> ShardCounts:
    return result.counts if table is None else result.tables[table]


def _check_sum(result: Result, work: Assignment, shard: Shard, output: str, source: str) -> Conservation:
    """Prove shard = part + quarantine for one declared sum, in units of the finest column's last place."""
    declared = work.day.conserved_sum(source)
    part_scale, shard_scale = scale_of(work.contract.schema[output]), declared.scale
    whole = declared.add_up(lambda term: _counted(result, term.table).sums[term.column])
    part = sum_minor_units(result.rows.get_column(output))
    aside = declared.of_leading().add_up(lambda term: sum_minor_units(result.quarantine.get_column(term.column)))
    kept = Conservation(
        output=output,
        source=source,
        shard=format_minor_units(whole, shard_scale),
        part=format_minor_units(part, part_scale),
        quarantine=format_minor_units(aside, shard_scale),
    )
    scale = max(part_scale, shard_scale)
    lost = (whole - aside) * 10 ** (scale - shard_scale) - part * 10 ** (scale - part_scale)
    if lost:
        raise IntegrityError(
            f"The transform {work.transform_name} does not conserve {source}: "
            f"{format_minor_units(lost, scale)} of it is not in {output}.",
            why=f"In shard {shard.shard} {source} sums to {kept.shard}; {output} of the part to {kept.part}, "
            f"{source} of the quarantine to {kept.quarantine}.",
            fix="Let every row count in the output or go to quarantine, once. Nothing was written.",
        )
    return kept
