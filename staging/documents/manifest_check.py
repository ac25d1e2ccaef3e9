"""Checks that a manifest agrees with itself and its place.

Names, numbers, totals, types. It trusts no list order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from staging.control_sums import parse_money, scale_of
from staging.documents.manifest import Manifest, Shard
from staging.dtypes import fingerprint, schema_of
from staging.errors import IntegrityError
from staging.key import show_key
from staging.names import DayNames, parse_name
from staging.sharding import BY_FILE, choose_function

_SHOWN_FAULTS = 5


def check_manifest(manifest: Manifest, names: DayNames, export_id: str, *, name: str) -> None:
    """Raise one IntegrityError that names what does not fit.

    `name` is the manifest's object.
    """
    schema = schema_of(manifest.columns)
    faults = [*_place(manifest, names, export_id), *_columns(manifest), *_shards(manifest)]
    if not faults:
        key = manifest.source.key_columns
        if manifest.shard_function not in (BY_FILE, choose_function(*(schema[column] for column in key))):
            faults.append(f"{manifest.shard_function} is not the shard function of {show_key(key)}")
        faults += _sums(manifest, {column: scale_of(dtype) for column, dtype in schema.items()})
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
    columns = [column.name for column in manifest.columns]
    if len(set(columns)) != len(columns):
        yield "a column stands twice"
    first = [*manifest.source.key_columns, manifest.source.time]
    if columns[: len(first)] != first:
        yield "its first columns are not key and time"
    if fingerprint(manifest.columns) != manifest.schema_fingerprint:
        yield "its schema has another fingerprint than it says"


def _shards(manifest: Manifest) -> Iterator[str]:
    if [shard.shard for shard in manifest.shards] != list(range(len(manifest.shards))):
        yield "its shards are not numbered 0, 1, 2, …"
    for shard in manifest.shards:
        yield from _files(shard, manifest)
    if (rows := sum(shard.rows for shard in manifest.shards)) != manifest.rows:
        yield f"its shards have {rows} rows together, not {manifest.rows}"


def _files(shard: Shard, manifest: Manifest) -> Iterator[str]:
    if sum(file.rows for file in shard.files) != shard.rows:
        yield f"the files of shard {shard.shard} have other rows than the shard"
    if len({file.name for file in shard.files}) != len(shard.files):
        yield f"shard {shard.shard} names a file twice"
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
        place = parse_name(file.name)
        here = (place.kind, place.pipeline, place.day, place.export_id, place.shard) if place else None
        if here != ("shard", manifest.pipeline, manifest.day, manifest.export_id, shard.shard):
            yield f"{file.name} is no file of shard {shard.shard}"


def _stored_files(shard: Shard, manifest: Manifest) -> Iterator[str]:
    """Files of other days' exports: of those that the source names, and of the same hash class of keys."""
    days = {(export.day, export.export_id) for export in manifest.source.exports}
    for file in shard.files:
        place = parse_name(file.name)
        of_source = place and place.kind == "shard" and place.pipeline == manifest.source.table
        if not (place and of_source and (place.day, place.export_id) in days):
            yield f"{file.name} is of no export that the source names"
        elif (place.shard or 0) % len(manifest.shards) != shard.shard:
            yield f"{file.name} holds no keys of shard {shard.shard}"


def _sums(manifest: Manifest, scales: dict[str, int]) -> Iterator[str]:
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
