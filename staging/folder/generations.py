"""Generations of the files in a folder store, and what was written in each.

A generation is the file's modification time in microseconds, set before the file gets its name: number and content
appear in one step. A record of it (CRC32C, size) lies under `.penstock/generations/{name}/{generation}.json` *before*
that. Records stay for ever, so no number is used twice, also after the clock went back or a person deleted the object.
A file without any record was put there by hand: it is taken as it is.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass

from staging.folder.files import read_all, write_all
from staging.object_name import RESERVED_FOLDER

RECORDS = (RESERVED_FOLDER, "generations")
_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Record:
    """What was written as one generation."""

    size_bytes: int
    crc32c: int


def generation_of(status: os.stat_result) -> int:
    """Return the generation that a file's modification time says."""
    return status.st_mtime_ns // 1000


def set_generation(fd: int, generation: int) -> bool:
    """Stamp the file; False where the file system does not keep microseconds."""
    os.utime(fd, ns=(generation * 1000, generation * 1000))
    return generation_of(os.fstat(fd)) == generation


def known_generations(records: int) -> list[int]:
    """Return the numbers that have records, in no order; `records` is the descriptor of the name's own folder."""
    names = (name.removesuffix(_SUFFIX) for name in os.listdir(records) if name.endswith(_SUFFIX))
    return [int(name) for name in names if name.isascii() and name.isdigit()]


def claim(records: int, record: Record, *, after: int, now_microseconds: int) -> int:
    """Take a number above `after` and above all ever used for the name, by creating its record."""
    generation = max(now_microseconds, after + 1, *(number + 1 for number in known_generations(records)))
    while (fd := _create(records, generation)) is None:
        generation += 1
    try:
        write_all(fd, json.dumps({"size_bytes": record.size_bytes, "crc32c": record.crc32c}).encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    os.fsync(records)
    return generation


def _create(records: int, generation: int) -> int | None:
    try:
        return os.open(f"{generation}{_SUFFIX}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=records)
    except FileExistsError:
        return None


def give_back(records: int, generation: int) -> None:
    """Remove the record of a number that no file ever got."""
    with suppress(FileNotFoundError):
        os.unlink(f"{generation}{_SUFFIX}", dir_fd=records)


def read_record(records: int, generation: int) -> Record | None:
    """Return what was written as this generation; None when there is no (whole) record."""
    try:
        fd = os.open(f"{generation}{_SUFFIX}", os.O_RDONLY | os.O_NOFOLLOW, dir_fd=records)
    except FileNotFoundError:
        return None
    try:
        found = json.loads(read_all(fd))
        return Record(int(found["size_bytes"]), int(found["crc32c"]))
    except (ValueError, KeyError, TypeError):
        return None
    finally:
        os.close(fd)
