"""Reads a day from Parquet files on a bucket or folder.

They are there already. What matches is listed once and registered: name, generation, size, CRC32C. Exactly these
objects are read, by generation, each checked whole before a byte of it is parsed; so the export is true of the instant
of the listing, whatever is written there meanwhile. An object that was replaced or deleted before it was read ends the
export.

One file at a time lies on the local disk. Rights: to list and to read the objects (`storage.objects.list`, `.get`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from exporter.arrow.meant_files import find_files, partition_keys
from exporter.arrow.pattern import parse_pattern
from exporter.arrow.read import ArrivedFile, ArrowRows
from exporter.arrow.types import describe_field
from exporter.port.source import Estimate, SourceColumn
from staging.documents.manifest import SourceObject
from staging.errors import InputError, ObjectMissingError, UnavailableError
from staging.lake.open import SETTING, open_lake
from staging.lake.port import Lake, LakeFile

_BATCH_ROWS = 65_536
_INT96 = "It says no zone and counts nanoseconds; write a TIMESTAMP in microseconds instead"


class SourceChangedError(UnavailableError):
    """A listed object is gone or has changed."""


@contextmanager
def open_parquet(
    pattern: str, day: date, now: Callable[[], datetime], *, setting: str = SETTING
) -> Iterator[ArrowRows]:
    """List and register what matches.

    InputError where nothing does, or a file can't be carried. `setting` is the pattern's key.
    """
    place = parse_pattern(pattern, day)
    with open_lake(place.store_url, setting=setting) as lake, TemporaryDirectory(prefix="penstock-exporter-") as folder:
        listed_at = now()
        meant = find_files(lake, pattern, day, setting)
        found = [_Registered(file, lake.register(file)) for file in meant.files]
        files = _Files(lake, found, Path(folder))
        yield ArrowRows(
            dialect="parquet",
            version=files.written_by(),
            identity=lake.url,
            place=pattern,
            statement=f"{len(found)} objects of {pattern.replace('{day}', day.isoformat())}",
            # A clock behind the store's must not make the export older than what it holds.
            as_of=max(listed_at, *(each.file.updated_at for each in found)),
            estimate=files.estimate(),
            describe=files.describe,
            batches=files.batches,
            files=files.each,
            evidence=lambda: {
                "objects": str(len(found)),
                "registered": _digest(found),
                "hidden_objects": str(meant.hidden),
            },
            objects=tuple(_source_object(lake, each) for each in found),
        )


def describe_parquet(pattern: str, *, setting: str = SETTING) -> Mapping[str, SourceColumn]:
    """Return the columns of the last file that matches, of any day."""
    place = parse_pattern(pattern.replace("{day}", "*"), date.min)
    with open_lake(place.store_url, setting=setting) as lake, TemporaryDirectory(prefix="penstock-exporter-") as folder:
        last = find_files(lake, pattern.replace("{day}", "*"), date.min, setting).files[-1]
        return _Files(lake, [_Registered(last, lake.register(last))], Path(folder)).describe()


@dataclass(frozen=True, slots=True)
class _Registered:
    """A file of the listing, with the sum that its bytes must have."""

    file: LakeFile
    crc32c: int


def _source_object(lake: Lake, found: _Registered) -> SourceObject:
    file = found.file
    return SourceObject(
        url=lake.url_of(file.name), generation=file.generation, size_bytes=file.size_bytes, crc32c=found.crc32c
    )


def _digest(found: Sequence[_Registered]) -> str:
    """Return one SHA-256 of all that was registered, by which two exports are compared."""
    lines = [
        os.fsencode(f"{each.file.name}\t{each.file.generation}\t{each.file.size_bytes}\t{each.crc32c}\n")
        for each in found
    ]
    return hashlib.sha256(b"".join(lines)).hexdigest()


class _Files:
    """The registered objects, fetched one after the other; the first is there from the beginning."""

    def __init__(self, lake: Lake, found: Sequence[_Registered], folder: Path) -> None:
        self._lake = lake
        self._found = found
        self._folder = folder
        self._first = self._fetch(found[0], folder / "first.parquet")
        with _opened(self._first, found[0].file) as opened:
            self._columns = _describe(opened)
            self._rows, self._created_by = opened.metadata.num_rows, str(opened.metadata.created_by or "")
        for name in partition_keys((each.file for each in found), lake.url) - set(self._columns):
            self._columns[name] = _column_of_path(name)

    def written_by(self) -> str:
        """Return what the first file says wrote it."""
        return self._created_by

    def describe(self) -> Mapping[str, SourceColumn]:
        """Return the columns of the first file; `batches` compares the others with it."""
        return self._columns

    def estimate(self) -> Estimate:
        """Return how many rows all files may have, going by the first one's bytes."""
        whole = sum(each.file.size_bytes for each in self._found)
        return Estimate(round(self._rows * whole / max(1, self._found[0].file.size_bytes)), "going by the first file")

    def batches(self, names: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of all files in the order of their names."""
        for arrived in self.each(names):
            yield from arrived.batches

    def each(self, names: tuple[str, ...]) -> Iterator[ArrivedFile]:
        """Give each file in the order of their names; it goes when the next is asked for."""
        for found in self._found:
            path = self._first if found is self._found[0] else self._fetch(found, self._folder / "next.parquet")
            with _opened(path, found.file) as opened:
                self._check_same(_describe(opened), names, found.file.name)
                yield ArrivedFile(_source_object(self._lake, found), path, self._read(opened, names, found.file))
            path.unlink()

    def _read(self, opened: pq.ParquetFile, names: tuple[str, ...], file: LakeFile) -> Iterator[pa.RecordBatch]:
        try:
            yield from opened.iter_batches(batch_size=_BATCH_ROWS, columns=list(names))
        except (pa.ArrowException, OSError) as exc:
            raise _unreadable(file, exc) from exc

    def _fetch(self, found: _Registered, path: Path) -> Path:
        name, generation = found.file.name, found.file.generation
        try:
            arrived = self._lake.download(name, path, generation=generation)
        except ObjectMissingError as exc:
            raise _changed(name, exc.why) from exc
        if (arrived.size_bytes, arrived.crc32c) != (found.file.size_bytes, found.crc32c):
            raise _changed(name, f"CRC32C {found.crc32c} was registered, {arrived.crc32c} arrived.")
        return path

    def _check_same(self, columns: Mapping[str, SourceColumn], names: tuple[str, ...], name: str) -> None:
        for column in names:
            expected, found = self._columns[column], columns.get(column)
            if found is None or (found.carried, found.time) != (expected.carried, expected.time):
                there = f"is {found.source_type}" if found else "is not there"
                raise InputError(
                    f"The files don't agree: column {column} {there} in {name}.",
                    why=f"It is {expected.source_type} in {self._found[0].file.name}.",
                    fix="Write all files of a day with one schema, or narrow its pattern. Nothing was exported.",
                )


@contextmanager
def _opened(path: Path, file: LakeFile) -> Iterator[pq.ParquetFile]:
    try:
        opened = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as exc:
        raise _unreadable(file, exc) from exc
    try:
        yield opened
    finally:
        opened.close(force=True)


def _column_of_path(name: str) -> SourceColumn:
    return SourceColumn(
        name=name,
        source_type="part of the path",
        nullable=False,
        quoted=name,
        carried=None,
        refusal=f"The files' path has it (…/{name}=…/), the files themselves have not",
        time=None,
    )


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


def _unreadable(file: LakeFile, exc: Exception) -> InputError:
    if file.content_encoding:
        return InputError(
            f"{file.name} has the property Content-Encoding: {file.content_encoding}.",
            why="So its bytes are packed once more, as a whole, and are no Parquet.",
            fix="Upload it without (`gcloud storage cp` without -Z or -J), or narrow its pattern.",
        )
    return InputError(
        f"{file.name} can't be read as Parquet.",
        why=" ".join(str(exc).split()),
        fix="Its bytes are those that the store holds: write it again, or narrow its pattern.",
    )


def _changed(name: str, why: str) -> SourceChangedError:
    return SourceChangedError(
        f"{name} was replaced or deleted after it was listed.",
        why=why,
        fix="Run again: the files are listed anew. Nothing was exported.",
    )
