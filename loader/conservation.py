"""Proves that nothing was lost or added on the way.

The exporter's count = shards = receipts = parts, to the last unit. The exporter's own totals and those of its shards
are compared when the manifest is read (`staging.documents.manifest_check`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from loader.run_inputs import RunInputs
from loader.target.table import Kind, kind_of
from staging.control_sums import format_minor_units, is_conservable, parse_money, scale_of, sum_minor_units
from staging.documents.manifest import Manifest, Shard
from staging.documents.run import Receipt
from staging.errors import IntegrityError
from staging.manifest_sums import read_manifest_sum, sum_of_shard

_SHOWN = 5
_HALF = 10**18  # Int128 sums of decimals of more than 28 digits could wrap; of either half of them they can't


def check_declared_sums(inputs: RunInputs) -> None:
    """Prove shards = receipts from the documents alone.

    IntegrityError names the shard and both sums.
    """
    faults = [
        fault
        for shard, receipt in zip(inputs.manifest.shards, inputs.receipts, strict=True)
        for fault in _declared_faults(inputs.manifest, shard, receipt, inputs.schema)
    ]
    raise_if_any(faults, "What the exporter read and what the tasks processed do not agree.")


def sum_columns(schema: pl.Schema, key: Sequence[str]) -> list[str]:
    """Return the columns that can be added up exactly.

    All numbers but floats, and not the key's.
    """
    numbers = (Kind.INTEGER, Kind.DECIMAL)
    return [name for name, dtype in schema.items() if name not in key and kind_of(dtype) in numbers]


def add_up(column: pl.Series) -> int:
    """Return the exact sum of a column in minor units.

    The unit is that of its last decimal place; decimals may have up to 38 digits.
    """
    if is_conservable(column.dtype):
        return sum_minor_units(column)
    physical = pl.DataFrame({"units": column.to_physical()}).select(
        (pl.col("units") // pl.lit(_HALF, pl.Int128)).sum().alias("high"),
        (pl.col("units") % pl.lit(_HALF, pl.Int128)).sum().alias("low"),
    )
    high, low = physical.row(0)
    return int(high or 0) * _HALF + int(low or 0)


def part_faults(receipt: Receipt, rows: int, sums: dict[str, int], schema: pl.Schema) -> Iterator[str]:
    """Yield what differs between a receipt and the part that was read.

    `sums` in minor units by column.
    """
    if rows != receipt.rows_out:
        yield f"part {receipt.shard} has {rows} rows, its receipt says {receipt.rows_out}"
    for declared in receipt.conserved:
        scale = scale_of(schema[declared.output])
        if (units := sums.get(declared.output)) is None or units != _units(declared.part, scale):
            shown = "no exact sum" if units is None else format_minor_units(units, scale)
            yield f"part {receipt.shard}: {declared.output} adds up to {shown}, its receipt says {declared.part}"


def raise_if_any(faults: list[str], what: str) -> None:
    """Raise one IntegrityError that shows the first faults.

    Nothing happens where there is none.
    """
    if faults:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise IntegrityError(what, why="; ".join(faults[:_SHOWN]) + more, fix="Nothing was loaded. A person must look.")


def _declared_faults(manifest: Manifest, shard: Shard, receipt: Receipt, output: pl.Schema) -> Iterator[str]:
    if receipt.rows_in != shard.rows:
        yield f"shard {shard.shard} has {shard.rows} rows, its receipt counts {receipt.rows_in}"
    for declared in receipt.conserved:
        try:
            source = read_manifest_sum(manifest, declared.source)
        except ValueError:
            source = None
        if source is None or declared.output not in output:
            yield f"shard {shard.shard}: no columns {declared.source} and {declared.output}"
            continue
        scale = max(source.scale, scale_of(output[declared.output]))
        counted = sum_of_shard(manifest, shard.shard, declared.source)
        units = [_units(text, scale) for text in (declared.shard, declared.part, declared.quarantine)]
        if counted is None or _units(counted, scale) != units[0]:
            yield f"shard {shard.shard}: {declared.source} adds up to {counted}, its receipt says {declared.shard}"
        elif None in units or units[0] != (units[1] or 0) + (units[2] or 0):
            yield (
                f"shard {shard.shard}: {declared.shard} of {declared.source} became {declared.part} of "
                f"{declared.output} and {declared.quarantine} in quarantine"
            )


def _units(text: str, scale: int) -> int | None:
    try:
        return parse_money(text, scale)
    except ValueError:
        return None
