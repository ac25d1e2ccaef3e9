"""What tests of reads in slices share on any database: a pipeline that never waits, and work at chosen moments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from exporter.open_source import open_source
from exporter.port.database import Source
from staging.config.pipeline import Pipeline
from tests.exporter.days import Export, pipeline


def calm(made: Pipeline) -> Pipeline:
    """Whose pace never waits."""
    return made.model_copy(update={"pacing": made.pacing.model_copy(update={"gentle": "replica"})})


def sliced_pipeline(url: str, folder: Path, *, shards: int = 3, columns: tuple[str, ...] = ("amount",)) -> Pipeline:
    """A pipeline in slices over a table `purchases`, whose pace never waits."""
    return calm(pipeline(url, folder, export={"read": "slices", "shards": shards}, columns=list(columns)))


def rows_by_shard(export: Export) -> list[list[dict[str, Any]]]:
    """The rows of each shard, in an order of their own."""
    return [
        sorted(export.table(number).to_pylist(), key=str) if shard["files"] else []
        for number, shard in enumerate(export.manifest["shards"])
    ]


class Watched(ABC):
    """Stands in for `open_source`, and gives each read in slices to `watch` before it begins."""

    @contextmanager
    def __call__(self, url: str) -> Iterator[Source]:
        with open_source(url) as source:
            begin = source.begin_slices
            source.begin_slices = lambda *given, **options: self.watch(begin(*given, **options))  # type: ignore[method-assign] # what is watched
            yield source

    @abstractmethod
    def watch(self, slices: Any) -> Any:
        """Return what the export is to use in place of these slices."""


class Between(Watched):
    """Calls `work` before the slice of this number (from 0) of each read, or before its seal (-1)."""

    def __init__(self, at: int, work: Callable[[], object], *, reads: int = 1) -> None:
        self.at, self.work, self.reads = at, work, reads
        self.begun = 0

    def watch(self, slices: Any) -> Any:
        read_slice, seal, number = slices.read_slice, slices.seal, 0
        self.begun += 1
        due = self.begun <= self.reads

        def read_one(low: int, high: int) -> Any:
            nonlocal number
            if number == self.at and due:
                self.work()
            number += 1
            return read_slice(low, high)

        def seal_all(read: Any) -> Any:
            if self.at < 0 and due:
                self.work()
            return seal(read)

        slices.read_slice, slices.seal = read_one, seal_all
        return slices


class Before(Watched):
    """Calls `work` before the slices of these numbers, counted from 0 over all reads; `current` are the read's."""

    def __init__(self, work: Callable[[], object], *numbers: int) -> None:
        self.work, self.numbers, self.slices, self.reads = work, numbers, 0, 0
        self.current: Any = None

    def watch(self, slices: Any) -> Any:
        self.reads += 1
        self.current = slices
        read_slice = slices.read_slice

        def read(low: int, high: int) -> Any:
            if self.slices in self.numbers:
                self.work()
            self.slices += 1
            return read_slice(low, high)

        slices.read_slice = read
        return slices


class After(Watched):
    """Calls `work` once, when the slices of the first read have answered to the method of this name."""

    def __init__(self, method: str, work: Callable[[], object]) -> None:
        self.method, self.work, self.begun = method, work, 0

    def watch(self, slices: Any) -> Any:
        self.begun += 1
        if self.begun > 1:
            return slices
        asked, is_done = getattr(slices, self.method), False

        def ask(*arguments: Any) -> Any:
            nonlocal is_done
            found = asked(*arguments)
            if not is_done:
                is_done = True
                self.work()
            return found

        setattr(slices, self.method, ask)
        return slices
