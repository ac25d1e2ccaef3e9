"""Parquet that already lies on a bucket or in a folder, as the source of a day.

What matches is listed once and registered: name, generation, size, CRC32C. Exactly these objects are read, by
generation, each checked whole before a byte of it is parsed; so the export is true of the instant of the listing,
whatever is written there meanwhile. An object that was replaced or deleted before it was read ends the export.

One file at a time lies on the local disk. Rights: to list and to read the objects (`storage.objects.list`, `.get`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from exporter.arrow.pattern import parse_pattern
from exporter.arrow.read import ArrivedFile, ArrowRows
from exporter.arrow.types import describe_field
from exporter.port.source import Estimate, SourceColumn
from staging.documents.manifest import SourceObject
from staging.elsewhere import url_of
from staging.errors import InputError, ObjectMissingError, UnavailableError
from staging.open_store import open_store
from staging.store import ObjectInfo, Store

_BATCH_ROWS = 65_536
_INT96 = "It says no zone and counts nanoseconds; write a TIMESTAMP in microseconds instead"


class SourceChangedError(UnavailableError):
    """An object that was listed is not there any more as it was listed."""


@contextmanager
def open_parquet(pattern: str, day: date, now: Callable[[], datetime]) -> Iterator[ArrowRows]:
    """List and register what matches. InputError where nothing does, or a file can't be carried."""
    place = parse_pattern(pattern, day)
    with open_store(place.store_url) as store, TemporaryDirectory(prefix="penstock-exporter-") as folder:
        listed_at = now()
        found = list_objects(store, pattern, day)
        files = _Files(store, found, Path(folder))
        yield ArrowRows(
            dialect="parquet",
            version=files.written_by(),
            identity=store.url,
            place=pattern,
            statement=f"{len(found)} objects of {pattern.replace('{day}', day.isoformat())}",
            # A clock behind the store's must not make the export older than what it holds.
            as_of=max(listed_at, *(info.updated_at for info in found)),
            estimate=files.estimate(),
            describe=files.describe,
            batches=files.batches,
            files=files.each,
            evidence=lambda: {"objects": str(len(found)), "registered": _digest(found)},
            objects=tuple(_register(store, info) for info in found),
        )


def describe_parquet(pattern: str) -> Mapping[str, SourceColumn]:
    """Return the columns of the last file that matches, of whichever day."""
    place = parse_pattern(pattern.replace("{day}", "*"), date.min)
    with open_store(place.store_url) as store, TemporaryDirectory(prefix="penstock-exporter-") as folder:
        found = list_objects(store, pattern.replace("{day}", "*"), date.min)
        return _Files(store, found[-1:], Path(folder)).describe()


def list_objects(store: Store, pattern: str, day: date) -> list[ObjectInfo]:
    """Return the objects that match, in the order of their names; InputError where none does."""
    meant = parse_pattern(pattern, day)
    found = [info for info in store.list(meant.prefix) if meant.names.fullmatch(info.name)]
    if not found:
        raise InputError(
            f"No object matches {pattern.replace('{day}', day.isoformat())}.",
            why=f"{store.url} was listed. A day without rows has at least one file, with no row in it.",
            fix="Correct `source.parquet`, or run again when the files are there.",
        )
    return found


def _register(store: Store, info: ObjectInfo) -> SourceObject:
    return SourceObject(
        url=url_of(store, info.name), generation=info.generation, size_bytes=info.size_bytes, crc32c=info.crc32c
    )


def _digest(found: Sequence[ObjectInfo]) -> str:
    """Return one SHA-256 of all that was registered, to compare two exports by."""
    lines = [f"{info.name}\t{info.generation}\t{info.size_bytes}\t{info.crc32c}\n" for info in found]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class _Files:
    """The registered objects, fetched one after the other; the first is there from the beginning."""

    def __init__(self, store: Store, found: Sequence[ObjectInfo], folder: Path) -> None:
        self._store = store
        self._found = found
        self._folder = folder
        self._first = self._fetch(found[0], folder / "first.parquet")
        with _opened(self._first, found[0].name) as opened:
            self._columns = _describe(opened)
            self._rows, self._created_by = opened.metadata.num_rows, str(opened.metadata.created_by or "")

    def written_by(self) -> str:
        """Return what the first file says wrote it."""
        return self._created_by

    def describe(self) -> Mapping[str, SourceColumn]:
        """Return the columns of the first file; `batches` compares the others with it."""
        return self._columns

    def estimate(self) -> Estimate:
        """Return how many rows all files may have, going by the first one's bytes."""
        whole = sum(info.size_bytes for info in self._found)
        return Estimate(round(self._rows * whole / max(1, self._found[0].size_bytes)), "going by the first file")

    def batches(self, names: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        """Give the rows of all files in the order of their names."""
        for arrived in self.each(names):
            yield from arrived.batches

    def each(self, names: tuple[str, ...]) -> Iterator[ArrivedFile]:
        """Give each file in the order of their names; it goes when the next is asked for."""
        for info in self._found:
            path = self._first if info is self._found[0] else self._fetch(info, self._folder / "next.parquet")
            with _opened(path, info.name) as opened:
                self._check_same(_describe(opened), names, info.name)
                yield ArrivedFile(_register(self._store, info), path, self._read(opened, names, info.name))
            path.unlink()

    def _read(self, opened: pq.ParquetFile, names: tuple[str, ...], name: str) -> Iterator[pa.RecordBatch]:
        try:
            yield from opened.iter_batches(batch_size=_BATCH_ROWS, columns=list(names))
        except (pa.ArrowException, OSError) as exc:
            raise _unreadable(name, exc) from exc

    def _fetch(self, info: ObjectInfo, path: Path) -> Path:
        try:
            arrived = self._store.download(info.name, path, generation=info.generation)
        except ObjectMissingError as exc:
            raise _changed(info.name, exc.why) from exc
        if (arrived.size_bytes, arrived.crc32c) != (info.size_bytes, info.crc32c):
            raise _changed(info.name, f"CRC32C {info.crc32c} was listed, {arrived.crc32c} arrived.")
        return path

    def _check_same(self, columns: Mapping[str, SourceColumn], names: tuple[str, ...], name: str) -> None:
        for column in names:
            expected, found = self._columns[column], columns.get(column)
            if found is None or (found.carried, found.time) != (expected.carried, expected.time):
                there = f"is {found.source_type}" if found else "is not there"
                raise InputError(
                    f"The files don't agree: column {column} {there} in {name}.",
                    why=f"It is {expected.source_type} in {self._found[0].name}.",
                    fix="Write all files of a day with one schema, or narrow `source.parquet`. Nothing was exported.",
                )


@contextmanager
def _opened(path: Path, name: str) -> Iterator[pq.ParquetFile]:
    try:
        opened = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as exc:
        raise _unreadable(name, exc) from exc
    try:
        yield opened
    finally:
        opened.close(force=True)


def _describe(opened: pq.ParquetFile) -> dict[str, SourceColumn]:
    leaves = [opened.schema.column(index) for index in range(len(opened.schema))]
    int96 = {leaf.path for leaf in leaves if leaf.physical_type == "INT96"}
    names = opened.schema_arrow.names
    found = {}
    for field in opened.schema_arrow:
        if field.name in int96:
            found[field.name] = describe_field(field, physical_type="INT96", refusal=_INT96)
        elif names.count(field.name) > 1:
            found[field.name] = describe_field(field, refusal="Two columns of the file have this name")
        else:
            found[field.name] = describe_field(field)
    return found


def _unreadable(name: str, exc: Exception) -> InputError:
    return InputError(
        f"{name} can't be read as Parquet.",
        why=" ".join(str(exc).split()),
        fix="Its bytes are those that the store holds: write it again, or narrow `source.parquet`.",
    )


def _changed(name: str, why: str) -> SourceChangedError:
    return SourceChangedError(
        f"{name} was replaced or deleted after it was listed.",
        why=why,
        fix="Run again: the files are listed anew. Nothing was exported.",
    )
