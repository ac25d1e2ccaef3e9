"""Plans the author's transform before a day is read.

A mistake in it then costs nothing. It runs in a process of its own with a processor's environment: the author's code
never sees the URL of a database. What is not proven to fail is left to the tasks.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from chain.jobs.local.attached import STARTER_VARIABLE, attached_command
from staging.config.layers import module_folders
from staging.config.pipeline import Pipeline
from staging.documents.exports import find_current_id
from staging.documents.manifest import Manifest
from staging.documents.recent_days import find_newest_manifest
from staging.errors import InputError, PenstockError
from staging.names import DayNames
from staging.process.cancel import Cancel
from staging.store import Store
from staging.window import load_zone

_LONGEST_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_OURS = "processor."
"""The built-in transforms are no author's."""

Columns = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of all tables, with their types."""

    columns: Columns
    tables: dict[str, Columns] = field(default_factory=dict)


Answer = dict[str, str]
_planned: set[str] = set()  # many days in one process need it once


@dataclass
class TransformPlanner:
    """Plans the transform of one pipeline for one day.

    `here`: its tasks run in this installation, and the source can be asked for its columns. `environment` is a
    processor's.
    """

    pipeline: Pipeline
    names: DayNames
    folders: Sequence[Path]
    environment: Mapping[str, str]
    here: bool
    _process: subprocess.Popen[str] | None = field(default=None, init=False)

    @property
    def is_needed(self) -> bool:
        """Whether there is an author's transform."""
        process = self.pipeline.process
        return process.sql is not None or not process.transform.startswith(_OURS)

    def begin(self) -> None:
        """Start loading the module, beside whatever else is done until `plan`."""
        if not self.is_needed or self._process is not None:
            return
        self._process = self._start()
        process = self.pipeline.process.model_dump(mode="json", include={"transform", "sql", "conserves"})
        self._tell({"process": process, "folders": list(map(str, self.folders)), "here": self.here})

    def plan(self, store: Store, before: Manifest | None, cancel: Cancel, *, fresh: bool) -> None:
        """Raise InputError where each task would.

        `before` is the day's stored export. Stored columns spare the source a question. It is asked if there are none,
        or if they fail, as its columns may have changed. `fresh`: the exporter would read those, so if they can't be
        asked for from here nothing is proven.
        """
        if not self.is_needed:
            return
        self.begin()
        stored = self._find_stored(store, before)
        answer = self._ask(stored, cancel)
        if answer or not stored:
            now = self._find_columns()
            if now or fresh:
                answer = self._ask(now, cancel)
        self.end()
        if answer:
            raise InputError(answer["what"], why=answer["why"], fix=answer["fix"])

    def end(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        with suppress(OSError):
            process.communicate()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            attached_command("processor.alone.ahead"),
            env={**self.environment, STARTER_VARIABLE: str(os.getpid())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def _find_stored(self, store: Store, before: Manifest | None) -> Shape | None:
        """Return the columns of the newest stored day that has exactly those that are asked for, or None."""
        source = self.pipeline.source
        wanted = [*source.key_columns, source.time, *source.columns]
        beside = {name: [*table.column_names] for name, table in source.with_.items()}
        newest = find_newest_manifest(store, self.names, source.window, load_zone(source.timezone))
        for manifest in (before, newest):
            if manifest is None or [column.name for column in manifest.columns] != wanted:
                continue
            tables = {table.name: [(each.name, each.dtype) for each in table.columns] for table in manifest.tables}
            if {name: [column for column, _ in columns] for name, columns in tables.items()} == beside:
                return Shape([(column.name, column.dtype) for column in manifest.columns], tables)
        return None

    def _find_columns(self) -> Shape | None:
        """Return the columns that the source has now, None where it can't be asked from here."""
        if not self.here or not self.pipeline.source.is_database:
            return None
        from exporter.inspect.describe import describe_beside, describe_source  # noqa: PLC0415 - drivers: where nothing is stored alone
        from staging.dtypes import format_dtype  # noqa: PLC0415 - as above

        try:
            schemas = {"": describe_source(self.pipeline), **describe_beside(self.pipeline)}
        except PenstockError:
            return None  # the exporter meets it, too, and reports it in full

        columns = {
            table: [(name, format_dtype(dtype)) for name, dtype in schema.items()] for table, schema in schemas.items()
        }
        return Shape(columns.pop(""), columns)

    def _ask(self, shape: Shape | None, cancel: Cancel) -> Answer:
        """Return the error that each task would end with, else {}; without columns only loading is tried."""
        asked = self._describe(shape) if shape else None
        known = json.dumps([self.pipeline.process.name, *map(str, self.folders), asked and {**asked, "day": ""}])
        if known in _planned:
            return {}
        self._tell(asked)
        answer = self._hear(cancel)
        if not answer:
            _planned.add(known)
        return answer

    def _describe(self, shape: Shape) -> dict[str, Any]:
        source, columns = self.pipeline.source, shape.columns
        return {
            "day": self.names.day.isoformat(),
            "timezone": source.timezone,
            "window": source.window,
            "pipeline": self.pipeline.name,
            "key": list(source.key_columns),
            "time": source.time,
            "columns": [name for name, _ in columns[len(source.key_columns) + 1 :]],
            "schema": columns,
            "table": source.leading_name,
            "tables": shape.tables,
        }

    def _tell(self, line: dict[str, Any] | None) -> None:
        assert self._process is not None  # noqa: S101 - begun
        assert self._process.stdin is not None  # noqa: S101 - piped
        with suppress(OSError):  # it has ended; what it answered says why
            self._process.stdin.write(json.dumps(line) + "\n")
            self._process.stdin.flush()

    def _hear(self, cancel: Cancel) -> Answer:
        assert self._process is not None  # noqa: S101 - begun
        heard: list[str] = []
        stdout = self._process.stdout
        reader = Thread(target=lambda: heard.append(stdout.readline() if stdout else ""), daemon=True)
        reader.start()
        deadline = time.monotonic() + _LONGEST_SECONDS
        while reader.is_alive() and time.monotonic() < deadline:
            cancel.check()
            reader.join(_LOOK_SECONDS)
        answer: Answer = json.loads(heard[0]) if heard and heard[0] else {}
        return answer


@contextmanager
def open_planner(
    pipeline: Pipeline, names: DayNames, store: Store, config: Path, *, environment: Mapping[str, str], here: bool
) -> Iterator[TransformPlanner]:
    """Yield the planner; its process does not outlive the block.

    Where the day has no export, it begins at once: it is ready when jobs can be started.
    """
    planner = TransformPlanner(pipeline, names, module_folders(config, environment), environment, here)
    try:
        if planner.is_needed and find_current_id(store, names) is None:
            planner.begin()
        yield planner
    finally:
        planner.end()
