"""Reads what a task is started with.

It is read once and checked as a whole: every fault is reported at once, before any connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

from processor.task import Task, read_task
from staging.config.file import load_pipeline
from staging.config.layers import module_folders
from staging.config.pipeline import Pipeline
from staging.errors import InputError
from staging.names import DayNames, check_id
from staging.window import parse_day

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Start:
    """One task of one run.

    A transform's module is looked for in `folders`, too, besides what is installed.
    """

    pipeline: Pipeline
    day: date
    run_id: str
    task: Task
    folders: tuple[Path, ...]

    @property
    def names(self) -> DayNames:
        """Names of the day's objects."""
        return DayNames(self.pipeline.name, self.day)


def read_start(config: Path, day: str, run_id: str, *, environ: Mapping[str, str], overrides: Sequence[str]) -> Start:
    """Return what command line, file and environment say.

    One InputError names all that is wrong.
    """
    faults: list[InputError] = []

    def read(what: Callable[[], T]) -> T | None:
        try:
            return what()
        except InputError as fault:
            faults.append(fault)
            return None

    task = read(lambda: read_task(environ))
    parsed_day = read(lambda: parse_day(day))
    checked_run = read(lambda: check_id(run_id, of="run id"))
    pipeline = read(lambda: load_pipeline(config, environ=environ, overrides=overrides))
    if task is None or parsed_day is None or checked_run is None or pipeline is None:
        raise faults[0] if len(faults) == 1 else _all(faults)
    return Start(pipeline, parsed_day, checked_run, task, module_folders(config, environ))


def _all(faults: Sequence[InputError]) -> InputError:
    return InputError(f"{len(faults)} things are wrong:\n" + "\n".join(f"- {fault}" for fault in faults))
