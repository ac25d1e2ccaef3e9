"""Groups a pipeline's objects into whole exports and whole runs.

These are the pieces in which the bucket may be cleaned up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Literal

from staging.names import DayNames, ParsedName, parse_name, pipeline_prefix
from staging.store import ObjectInfo, Store

_FIRST = ("manifest", "loaded", "export")
_DATA = ("shard", "part", "quarantine")


@dataclass(frozen=True, slots=True)
class Bundle:
    """All objects of one export or of one run.

    `files` are a run's in a target of Parquet files. `first` are the documents without which nothing of it counts, in
    the order in which they have to be deleted; in `rest` other documents come before data.
    """

    kind: Literal["export", "run", "files"]
    id: str
    first: tuple[ObjectInfo, ...]
    rest: tuple[ObjectInfo, ...]
    kinds: frozenset[str]

    @property
    def objects(self) -> int:
        """How many there are."""
        return len(self.first) + len(self.rest)

    @property
    def size_bytes(self) -> int:
        """The bytes that deleting them frees."""
        return sum(info.size_bytes for info in (*self.first, *self.rest))

    @property
    def updated_at(self) -> datetime:
        """When the newest of them was written, by the storage service's clock."""
        return max(info.updated_at for info in (*self.first, *self.rest))

    @property
    def whole(self) -> bool:
        """Whether an export was committed, or a run was begun.

        Else it is what an attempt left.
        """
        return ("manifest" if self.kind == "export" else "run") in self.kinds


@dataclass(frozen=True, slots=True)
class StoredDay:
    """The exports and runs of a day."""

    names: DayNames
    bundles: tuple[Bundle, ...]

    @property
    def runs(self) -> tuple[Bundle, ...]:
        """Only the runs."""
        return tuple(bundle for bundle in self.bundles if bundle.kind == "run")


def list_days(store: Store, pipeline: str) -> Iterator[StoredDay]:
    """Yield the days that have more than a head, in order.

    Each is listed when it is reached. Objects with names that Penstock would not give are left out.
    """
    named = ((parse_name(info.name), info) for info in store.list(pipeline_prefix(pipeline)))
    ours = ((parsed, info) for parsed, info in named if parsed and parsed.kind != "head")
    for day, entries in groupby(ours, key=lambda entry: entry[0].day):
        yield StoredDay(DayNames(pipeline, day), tuple(_bundle(list(entries))))


def _bundle(entries: Sequence[tuple[ParsedName, ObjectInfo]]) -> Iterator[Bundle]:
    """Listed by name, so each export's and each run's objects follow each other."""
    for (export_id, run_id), group in groupby(entries, key=lambda entry: (entry[0].export_id, entry[0].run_id)):
        found = list(group)
        first = [entry for entry in found if entry[0].kind in _FIRST]
        rest = [entry for entry in found if entry[0].kind not in _FIRST]
        yield Bundle(
            kind="export" if export_id else "run",
            id=export_id or run_id or "",
            first=tuple(info for _, info in sorted(first, key=lambda entry: _FIRST.index(entry[0].kind))),
            rest=tuple(info for _, info in sorted(rest, key=lambda entry: entry[0].kind in _DATA)),
            kinds=frozenset(parsed.kind for parsed, _ in found),
        )
