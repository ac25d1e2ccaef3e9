"""Plans a transform before a day is read: `python -m processor.alone.ahead`.

The chain starts it with a processor's environment, so that the author's code sees no database. It reads a line of JSON
that says what to load, then a line for each set of columns, and answers each of those.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from processor.alone.plan import is_planned_alone, plan_alone
from processor.find_transform import find_transform
from processor.transform import Day, Transform
from staging.config.pipeline import ProcessConfig
from staging.dtypes import parse_dtype
from staging.errors import InputError, PenstockError
from staging.polars_errors import POLARS_ERRORS
from staging.process.author_output import printing_to_stderr
from staging.window import parse_day, plan_window

_MISTAKES = (SyntaxError, NameError, *POLARS_ERRORS)
_MISTAKES_HERE = (AttributeError, TypeError, LookupError, ImportError)
"""For code that runs where its tasks will run. Elsewhere a package or a variable that tasks have may be missing."""


def main() -> None:
    """Read the lines and answer each but the first.

    Nothing is answered where nothing is asked: then the chain has ended, or needs none.
    """
    with printing_to_stderr():
        asked = json.loads(sys.stdin.readline() or "null")
        found = _find(asked) if asked is not None else {}
    for line in sys.stdin:
        with printing_to_stderr():
            answer = _plan(found, asked, json.loads(line)) if isinstance(found, Transform) else found
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    os._exit(0)  # whatever threads the author's module began


def _find(asked: Mapping[str, Any]) -> Transform | dict[str, str]:
    try:
        return find_transform(_process(asked), [Path(folder) for folder in asked["folders"]])
    except PenstockError as error:
        return _told(error, asked)


def _plan(transform: Transform, asked: Mapping[str, Any], described: Mapping[str, Any] | None) -> dict[str, str]:
    try:
        if described is not None:
            plan_alone(transform, read_day(described), name=_process(asked).name)
    except PenstockError as error:
        return _told(error, asked)
    return {}


def _process(asked: Mapping[str, Any]) -> ProcessConfig:
    return ProcessConfig.model_validate(asked["process"])


def _told(error: PenstockError, asked: Mapping[str, Any]) -> dict[str, str]:
    if isinstance(error, InputError) and is_proven(error, here=asked["here"]):
        return {"what": error.what, "why": error.why, "fix": error.fix}
    return {}


def read_day(described: Mapping[str, Any]) -> Day:
    """Return the day that a line of JSON describes."""
    day, key = parse_day(described["day"]), tuple(described["key"])
    return Day(
        day=day,
        timezone=described["timezone"],
        window=plan_window(day, ZoneInfo(described["timezone"]), described["window"]),
        pipeline=described["pipeline"],
        key=key[0] if len(key) == 1 else key,
        time=described["time"],
        columns=tuple(described["columns"]),
        schema=_read_schema(described["schema"]),
        table=described.get("table", ""),
        table_schemas={name: _read_schema(columns) for name, columns in described.get("tables", {}).items()},
    )


def _read_schema(columns: Sequence[Sequence[str]]) -> pl.Schema:
    return pl.Schema({name: parse_dtype(dtype) for name, dtype in columns})


def is_proven(error: InputError, *, here: bool) -> bool:
    """Return whether every task would meet this error.

    An error that a module raises because of its surroundings may not meet a task. `here`: tasks run in this very
    installation.
    """
    cause = error.__cause__
    if cause is None or is_planned_alone(cause):
        return True
    if _is_about_environment(cause):
        return False
    return isinstance(cause, (*_MISTAKES, *_MISTAKES_HERE) if here else _MISTAKES)


def _is_about_environment(cause: BaseException) -> bool:
    """Whether a variable is missing: Cloud Run sets some for tasks alone."""
    last = cause.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return isinstance(cause, KeyError) and last is not None and last.tb_frame.f_globals is vars(os)


if __name__ == "__main__":
    main()
