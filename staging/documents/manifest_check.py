"""Checks that a manifest agrees with itself and its place.

Names, numbers, totals, types. It trusts no list order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from staging.columns.shard_function import BY_FILE, choose_function
from staging.columns.types import fingerprint, types_of
from staging.control_sums import parse_money, scale_of
from staging.documents.manifest import Manifest, Shard, TableExport
from staging.errors import IntegrityError
from staging.key import show_key
from staging.names import DayNames, parse_name

_SHOWN_FAULTS = 5


def check_manifest(manifest: Manifest, names: DayNames, export_id: str, *, name: str) -> None:
    """Raise one IntegrityError that names what does not fit.

    `name` is the manifest's object.
    """
    schema = types_of(manifest.columns)
    faults = [*_place(manifest, names, export_id), *_columns(manifest), *_shards(manifest)]
    if not faults:
        key = manifest.source.key_columns
        if manifest.shard_function not in (BY_FILE, choose_function(*(schema[column] for column in key))):
            faults.append(f"{manifest.shard_function} is not the shard function of {show_key(key)}")
        faults += _sums(manifest, {column: scale_of(dtype) for column, dtype in schema.items()})
        faults += [f"table {table.name}: {fault}" for table in manifest.tables for fault in _table(table, manifest)]
    if len({table.name for table in manifest.tables}) != len(manifest.tables):
        faults.append("it names a table twice")
    if faults:
        listed = "; ".join(faults[:_SHOWN_FAULTS])
        more = f"; and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else ""
        raise IntegrityError(
            f"{name} contradicts itself.",
            why=listed + more,
            fix="Export the day again with --fresh-export, and keep the object for whoever looks into it.",
        )


def _place(manifest: Manifest, names: DayNames, export_id: str) -> Iterator[str]:
    found = (manifest.pipeline, manifest.day, manifest.export_id)
    expected = (names.pipeline, names.day, export_id)
    if found != expected:
        yield f"it is of {_place_text(*found)} and lies at {_place_text(*expected)}"
    if manifest.window_start >= manifest.window_end:
        yield "its window ends before it starts"


def _place_text(pipeline: str, day: object, export_id: str) -> str:
    return f"{pipeline} {day} export {export_id}"


def _columns(manifest: Manifest) -> Iterator[str]:
    yield from _columns_of(manifest, [*manifest.source.key_columns, manifest.source.time])


def _columns_of(rows: Manifest | TableExport, first: Sequence[str]) -> Iterator[str]:
    columns = [column.name for column in rows.columns]
    if len(set(columns)) != len(columns):
        yield "a column stands twice"
    if columns[: len(first)] != [*first]:
        yield "its first columns are not key and time"
    if fingerprint(rows.columns) != rows.schema_fingerprint:
        yield "its schema has another fingerprint than it says"


def _table(table: TableExport, manifest: Manifest) -> Iterator[str]:
    """A table beside the leading one: split alike, by a key of the same types."""
    yield from _columns_of(table, [*table.key_columns, *([table.time] if table.time is not None else [])])
    schema, leading = types_of(table.columns), types_of(manifest.columns)
    types = [schema.get(column) for column in table.key_columns]
    if types != [leading[column] for column in manifest.source.key_columns]:
        yield "its key has other types than the leading table's"
    if [shard.shard for shard in table.shards] != [shard.shard for shard in manifest.shards]:
        yield "it has other shards than the leading table"
    if (table.keys_without_row is None) != (table.time is not None):
        yield "keys without a row are counted of a table without time, and of no other"
    for shard in table.shards:
        yield from _counted(shard)
        for file in shard.files:
            if not _is_file_of(file.name, manifest, shard.shard, table.name):
                yield f"{file.name} is no file of shard {shard.shard}"
    yield from _total_rows(table)
    yield from _sums(table, {column: scale_of(dtype) for column, dtype in schema.items()})


def _shards(manifest: Manifest) -> Iterator[str]:
    if [shard.shard for shard in manifest.shards] != list(range(len(manifest.shards))):
        yield "its shards are not numbered 0, 1, 2, …"
    for shard in manifest.shards:
        yield from _files(shard, manifest)
    yield from _total_rows(manifest)


def _total_rows(of: Manifest | TableExport) -> Iterator[str]:
    if (rows := sum(shard.rows for shard in of.shards)) != of.rows:
        yield f"its shards have {rows} rows together, not {of.rows}"


def _counted(shard: Shard) -> Iterator[str]:
    if sum(file.rows for file in shard.files) != shard.rows:
        yield f"the files of shard {shard.shard} have other rows than the shard"
    if len({file.name for file in shard.files}) != len(shard.files):
        yield f"shard {shard.shard} names a file twice"


def _is_file_of(name: str, manifest: Manifest, shard: int, table: str | None) -> bool:
    place = parse_name(name)
    here = (place.kind, place.pipeline, place.day, place.export_id, place.shard, place.table) if place else None
    return here == ("shard", manifest.pipeline, manifest.day, manifest.export_id, shard, table)


def _files(shard: Shard, manifest: Manifest) -> Iterator[str]:
    yield from _counted(shard)
    if manifest.shard_function == BY_FILE:
        registered = {
            (found.url, found.generation, found.size_bytes, found.crc32c) for found in manifest.source.objects
        }
        for file in shard.files:
            if (file.name, file.generation, file.size_bytes, file.crc32c) not in registered:
                yield f"{file.name} is not among the source's objects"
    if manifest.source.exports:
        yield from _stored_files(shard, manifest)
        return
    for file in shard.files if manifest.shard_function != BY_FILE else ():
        if not _is_file_of(file.name, manifest, shard.shard, None):
            yield f"{file.name} is no file of shard {shard.shard}"


def _stored_files(shard: Shard, manifest: Manifest) -> Iterator[str]:
    """Files of other days' exports: of those that the source names, and of the same hash class of keys."""
    exports = {
        ("shard", None, manifest.source.table, export.day, export.export_id) for export in manifest.source.exports
    }
    for file in shard.files:
        place = parse_name(file.name)
        if not place or (place.kind, place.table, place.pipeline, place.day, place.export_id) not in exports:
            yield f"{file.name} is of no export that the source names"
        elif (place.shard or 0) % len(manifest.shards) != shard.shard:
            yield f"{file.name} holds no keys of shard {shard.shard}"


def _sums(manifest: Manifest | TableExport, scales: dict[str, int]) -> Iterator[str]:
    for column, total in manifest.sums.items():
        texts = [shard.sums.get(column) for shard in manifest.shards]
        if column not in scales or None in texts:
            yield f"the sum of {column} is not there for every shard"
        elif _total(texts, scales[column]) != _total([total], scales[column]):
            yield f"the shards' sums of {column} don't add up to {total}"
    if any(shard.sums.keys() != manifest.sums.keys() for shard in manifest.shards):
        yield "its shards have other control sums than it has"


def _total(texts: Sequence[str | None], scale: int) -> int | None:
    """Return the sum in minor units; None where a text has more decimal places than its column."""
    try:
        return sum(parse_money(text, scale) for text in texts if text is not None)
    except ValueError:
        return None
