"""The transform's answer for one shard: a plan, not yet run.

The function is called before the shard's file is in its place, so that it can only plan: code that runs the frame
itself (`collect`, `sink_…`) finds no file and gets an error that says so. Contract faults show before anything is
fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from processor.declaration import format_schema
from processor.transform import Contract, Day, Split, Transform
from processor.user_code import user_code
from staging.errors import InputError

REASON = "reason"


@dataclass(frozen=True, slots=True)
class Planned:
    """Output rows, and quarantined rows where the transform sets any aside.

    `shared` is the frame on which the output rows were planned: counts on it are read in the same pass.
    """

    rows: pl.LazyFrame
    quarantine: pl.LazyFrame | None
    shared: pl.LazyFrame


class Planning(Protocol):
    """What a plan is made of.

    Of a run's `Assignment`, or of a transform that is tried alone.
    """

    @property
    def transform_name(self) -> str:
        """What the pipeline calls it."""
        ...

    @property
    def transform(self) -> Transform:
        """The transform."""
        ...

    @property
    def day(self) -> Day:
        """The day that the transform gets."""
        ...

    @property
    def contract(self) -> Contract:
        """What it promises."""
        ...


def quarantine_schema(day: Day) -> pl.Schema:
    """Return the shard's columns and `reason`."""
    return pl.Schema({**day.schema, REASON: pl.String()})


def plan_output(work: Planning, rows: pl.LazyFrame, paths: Sequence[Path]) -> Planned:
    """Call the transform on a shard and check the plan it returns.

    The shard need not be at `paths` yet. InputError where the plan has another shape. The function is called once for
    the output, on a frame that is shared with the checks, and once for the quarantine, on one that is not: its filter
    then skips row groups by their statistics and most often reads nothing.
    """
    shared = rows.cache()
    answer = _apply(work, shared, paths)
    if not isinstance(answer, Split):
        _check_plan("output", answer, work.contract.schema, work.transform_name)
        return Planned(answer, None, shared)
    _check_plan("output", answer.rows, work.contract.schema, work.transform_name)
    aside = _apply(work, rows, paths)
    quarantine = aside.quarantine if isinstance(aside, Split) else None
    _check_plan("quarantine", quarantine, quarantine_schema(work.day), work.transform_name)
    return Planned(answer.rows, quarantine, shared)


def _apply(work: Planning, rows: pl.LazyFrame, paths: Sequence[Path]) -> pl.LazyFrame | Split:
    with user_code(work.transform_name, "raised"):
        try:
            return work.transform.apply(rows, work.day)
        except FileNotFoundError as exc:
            if any(path.name in str(exc) for path in paths):  # polars shortens long paths
                raise _eager(work.transform_name) from exc
            raise


def as_split(answer: pl.LazyFrame | Split, day: Day) -> Split:
    """Return the answer as both of its frames.

    One that sets nothing aside has an empty one.
    """
    return answer if isinstance(answer, Split) else Split(answer, pl.LazyFrame(schema=quarantine_schema(day)))


def check_schema(kind: str, found: pl.Schema, expected: pl.Schema, *, name: str) -> None:
    """Raise InputError unless names, types and order are the same.

    It names both schemas.
    """
    if list(found.items()) != list(expected.items()):
        raise InputError(
            f"The {kind} of the transform {name} has another schema than it must have.",
            why=f"It has {format_schema(found)}; it must have {format_schema(expected)}.",
            fix="Select and cast the columns at the end of the transform, in this order.",
        )


def _check_plan(kind: str, frame: object, expected: pl.Schema, name: str) -> None:
    if not isinstance(frame, pl.LazyFrame):
        raise InputError(
            f"The transform {name} returned no LazyFrame for its {kind}.",
            why=f"It is of type {type(frame).__name__}.",
            fix="Return the lazy frame itself, without collecting it, or Split(rows=…, quarantine=…).",
        )
    with user_code(name, f"planned an impossible {kind}"):
        found = frame.collect_schema()
    check_schema(kind, found, expected, name=name)


def _eager(name: str) -> InputError:
    return InputError(
        f"The transform {name} runs the frame itself.",
        why="It collects or sinks the lazy frame it was given; Penstock must run it, once, to count what it does.",
        fix="Return the lazy frame without `collect`, `fetch`, `sink_…` or `len()` on the way.",
    )
