"""Numbers the generations of a folder store's files.

And keeps what was written in each.

A generation is the file's modification time in microseconds, set before the file gets its name: number and content
appear in one step. A record of it (name, CRC32C, size) lies under `.penstock/records/{xx}/{…}/{generation}.json`
*before* that, `xx…` being the SHA-256 of the name: no folder of ours is called like a user's file, so readers of
`**/*.parquet` or of `day=…` folders find none. Records stay for ever, so no number is used twice, even after the clock
went back or a person deleted the object. A file without any record was put there by hand: it is accepted as it is.

Earlier versions named the record's folder after the object, `.penstock/generations/{name}/`; what they left is read.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from staging.folder.files import Unsynced, read_all, walk_on, walk_to, write_all
from staging.object_name import RESERVED_FOLDER

_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Record:
    """What was written as one generation."""

    size_bytes: int
    crc32c: int


def records_of(name: str) -> tuple[str, ...]:
    """Return the folder of a name's records, in segments below the store's."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return RESERVED_FOLDER, "records", digest[:2], digest[2:]


def _earlier_records_of(name: str) -> tuple[str, ...]:
    return RESERVED_FOLDER, "generations", *name.split("/")


def generation_of(status: os.stat_result) -> int:
    """Return the generation that a file's modification time says."""
    return status.st_mtime_ns // 1000


def set_generation(fd: int, generation: int) -> bool:
    """Stamp the file; False where the file system does not keep microseconds."""
    os.utime(fd, ns=(generation * 1000, generation * 1000))
    return generation_of(os.fstat(fd)) == generation


def find_record(root: int, name: str, generation: int) -> tuple[Record | None, bool]:
    """Return what was written as this generation, if it was.

    And whether any generation of the name has a record. `root` is the store's folder, open.
    """
    is_known = False
    for place in (records_of(name), _earlier_records_of(name)):
        with suppress(FileNotFoundError), walk_on(root, place, create=False) as records:
            if (record := _read_record(records, generation)) is not None:
                return record, True
            is_known = is_known or bool(_known_generations(records))
    return None, is_known


def last_earlier_generation(folder: Path, name: str) -> int:
    """Return the highest number that an earlier version used for the name.

    0 where none did.
    """
    with suppress(FileNotFoundError), walk_to(folder, _earlier_records_of(name), create=False) as records:
        return max(_known_generations(records), default=0)
    return 0


def _known_generations(records: int) -> list[int]:
    names = (name.removesuffix(_SUFFIX) for name in os.listdir(records) if name.endswith(_SUFFIX))
    return [int(name) for name in names if name.isascii() and name.isdigit()]


def claim(records: int, name: str, record: Record, *, after: int, now_microseconds: int, unsynced: Unsynced) -> int:
    """Take a new number by creating its record.

    Above `after` and above all in `records`, the name's own folder. The caller syncs it before a file gets the number.
    """
    generation = max(now_microseconds, after + 1, *(number + 1 for number in _known_generations(records)))
    while (fd := _create(records, generation)) is None:
        generation += 1
    try:
        written = {"name": name, "size_bytes": record.size_bytes, "crc32c": record.crc32c}
        write_all(fd, json.dumps(written).encode())
        unsynced.add(fd)
    finally:
        os.close(fd)
    unsynced.add(records)
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


def _read_record(records: int, generation: int) -> Record | None:
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
