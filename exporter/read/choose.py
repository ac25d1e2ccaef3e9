"""Chooses how a day is read: snapshot or slices.

Pure: `plan` shows what a run will do.

* `read = "snapshot"`: a snapshot, under its cap.
* `read = "slices"`: slices, where they can be sealed and the day is closed.
* `read = "auto"`: slices, but a snapshot where
  - it is expected to be too short to be felt;
  - nobody feels it (`pacing.gentle = "replica"`, and no `max_p99_increase`), the day is not over, or it was written to
    during two reads in slices: if it is expected to take at most half of its cap;
  - slices can't be sealed: if it fits into the cap.
  Else neither, with the choices there are.

What a shop feels of either way is in docs/decisions/0008.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from exporter.port.database import Source
from exporter.port.question import DayQuestion
from exporter.port.sliced_source import Closed
from exporter.port.source import Estimate
from staging.config.pipeline import ExportConfig
from staging.errors import InputError, UnavailableError

ROWS_PER_SECOND = {"postgresql": 250_000, "mysql": 250_000, "mariadb": 250_000, "sqlite": 500_000}
"""Narrow rows that a modest machine reads and writes. The cap ends a snapshot for which this was too many."""
SLOW_ROWS_PER_SECOND = 30_000
UNFELT_SECONDS = 0.5
"""A statement of this length delays other statements once: no percentile of an hour shows it."""
_PATIENT_SEALS = 2


@dataclass(frozen=True, slots=True)
class ReadChoice:
    """The way to read, and why.

    The reason is the rule and the figures that led to it, as a clause.
    """

    mode: Literal["snapshot", "slices"]
    why: str


def find_why_no_slices(question: DayQuestion, source: Source) -> str:
    """Return why slices can't answer the question, or "".

    A clause. Of several tables each has to have slices.
    """
    if why := source.why_no_slices(question.table()):
        return why
    for name in question.pipeline.source.with_:
        table = question.of_table(name).table()
        if why := source.why_no_slices(table):
            return f"of {table} (source.with.{name}), which is read at the same instant, {why}"
    return ""


def estimate_seconds(estimate: Estimate, dialect: str) -> float:
    """Return how long one statement is expected to take.

    It reads so many rows.
    """
    return estimate.rows / ROWS_PER_SECOND.get(dialect, SLOW_ROWS_PER_SECOND)


def choose_read(
    config: ExportConfig,
    *,
    gentle: Literal["primary", "replica"],
    dialect: str,
    estimate: Estimate,
    why_no_slices: str,
    closed: Closed | None,
    failed_seals: int = 0,
    promises: bool = False,
) -> ReadChoice:
    """Return the way to read.

    InputError where there is none, UnavailableError where there will be one later. `why_no_slices` is "" where a seal
    can prove them; `closed` may then be None only while it was not asked for. `failed_seals`: how often this day was
    read in slices in vain. `promises`: the shop is promised what it feels of the read, which a snapshot can't hold.
    """
    cap, seconds = config.max_snapshot_seconds, estimate_seconds(estimate, dialect)
    expected = f"{estimate.rows:,} rows {estimate.how}, about {seconds:.0f} s in one statement"
    if config.read == "snapshot":
        return ReadChoice("snapshot", f"as configured; at most {cap} s")
    if config.read == "auto" and (
        why := _why_snapshot(seconds, cap, "primary" if promises else gentle, closed, failed_seals)
    ):
        return ReadChoice("snapshot", f"auto: {expected}, {why}")
    if why_no_slices:
        if config.read == "auto" and seconds <= cap:
            return ReadChoice("snapshot", f"auto: {expected}, within the {cap} s a snapshot may last; {why_no_slices}")
        raise _no_way(config, expected, why_no_slices)
    if closed is not None and not closed.is_closed:
        raise UnavailableError(
            "The day is not over for the database, so it can't be read in slices yet.",
            why=f"{closed.why_not[:1].upper()}{closed.why_not[1:]}. {expected[:1].upper()}{expected[1:]}.",
            fix="Run again later, or read it in one snapshot as it is now: "
            f'`export.read = "snapshot"`, `export.max_snapshot_seconds` {_room_for(seconds)} or more.',
        )
    rule = "as configured" if config.read == "slices" else f"auto: {expected}, which a shop would feel"
    known = f"; closed: {closed.how}" if closed is not None else ""
    return ReadChoice("slices", f"{rule}{known}")


def _why_snapshot(seconds: float, cap: int, gentle: str, closed: Closed | None, failed_seals: int) -> str:
    """Return why a snapshot is better than slices, "" where it is not."""
    if seconds <= min(UNFELT_SECONDS, cap / 2):
        return "too short to be felt"
    half = f"at most half of the {cap} s a snapshot may last"
    if seconds > cap / 2:
        return ""
    if gentle == "replica":
        return f'{half}; nobody feels it (gentle = "replica")'
    if closed is not None and not closed.is_closed:
        return f"{half}; the day is not over: {closed.why_not}"
    if failed_seals >= _PATIENT_SEALS:
        return f"{half}; it was written to during {failed_seals} reads in slices"
    return ""


def _no_way(config: ExportConfig, expected: str, why_no_slices: str) -> InputError:
    if config.read == "slices":
        return InputError(
            "The table can't be read in slices.",
            why=f"{why_no_slices[:1].upper()}{why_no_slices[1:]}.",
            fix='Set `export.read = "snapshot"`, with a `max_snapshot_seconds` that the database can bear.',
        )
    return InputError(
        f"The day is too long for one snapshot: {expected}; a snapshot may last {config.max_snapshot_seconds} s.",
        why=f"And it can't be read in slices: {why_no_slices}.",
        fix="Read it from a replica, raise `export.max_snapshot_seconds` if the database can bear it, "
        "or read a table that slices can be sealed of.",
    )


def _room_for(seconds: float) -> int:
    return max(1, round(2 * seconds))
