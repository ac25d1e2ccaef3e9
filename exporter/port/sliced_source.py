"""The port of a sliced read.

Many short statements, and a seal at the end that proves they saw one and the same table. An adapter whose database
can't seal (`Source.why_no_slices`) has none of this. In order: `begin_slices`, `plan_axis`, `begin_seal`, then
`read_slice` until the axis is through, `seal`, `end_seal`, `check_table`, `close`. Each statement is a transaction of
its own, fetched whole: between two of them nothing is open. Used by one thread at a time, but `Source.interrupt`.

Several tables (`beside`) share the connection and one snapshot: the first `seal` begins it, the others are asked in it,
and a table without a time is read in it, by `begin_seal` and `read_slice` as well, before `end_seal` ends it.

`begin_slices` takes the seal's witness, what it will be compared with, of all tables, before anything can be asked for
columns, plans or keys: so every change between an answer and the seal is noticed.

The session is guarded: UTC, read-only, autocommit, a statement timeout of `SLICE_TIMEOUT_SECONDS`, a lock timeout of at
most `LOCK_TIMEOUT_SECONDS`, so that we never queue readers behind us.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import polars as pl

from exporter.port.axis import Axis
from exporter.port.source import KeyIndex, OpenTable, SourceColumn, Statement, TableName
from staging.errors import InputError, IntegrityError, UnavailableError

SLICE_TIMEOUT_SECONDS = 5
LOCK_TIMEOUT_SECONDS = 1


class SliceLostError(UnavailableError):
    """A slice was cut or ended; reading it again may work."""


class SliceTooLongError(UnavailableError):
    """The statement timeout ended a slice; a shorter one may work."""


class StartOverError(UnavailableError):
    """What was read so far is of no use any more.

    Another server answers, or the seal found another table.
    """


def refuse_slices(table: TableName, why: str) -> InputError:
    """Return the error for a table that has no slices.

    It can't be read in slices.
    """
    return InputError(
        f"{table} can't be read in slices.",
        why=f"{why[:1].upper()}{why[1:]}.",
        fix='Set `export.read = "snapshot"`, with a `max_snapshot_seconds` that the database can bear.',
    )


def changed(table: TableName, what: str) -> IntegrityError:
    """Return the error for a table that has changed.

    It is not the one that was begun with.
    """
    return IntegrityError(
        f"The table {table} was changed while it was read in slices.",
        why=f"{what[:1].upper()}{what[1:]}; slices before and after can't be told to belong together.",
        fix="Look at who altered it, then run again. Nothing was exported.",
    )


def touched_while_read(table: TableName, what: str) -> StartOverError:
    """Return the error for a table that may have changed.

    It may have been another one for a while.
    """
    return StartOverError(
        f"The table {table} was touched while it was read in slices.",
        why=f"{what[:1].upper()}{what[1:]}.",
        fix="Run again when nobody alters it.",
    )


@dataclass(frozen=True, slots=True)
class Closed:
    """Whether the day is over for the database itself.

    `database_time` is its clock, UTC. `how` says how it is known, `why_not` why the day is not closed ("" if it is).
    `is_weak`: transactions of other users, or of a replica's primary, could not be looked at; the adapter has asked for
    `WEAK_GRACE_FACTOR` times the grace instead. The seal holds all the same; rows may come late. `grant` is what would
    show them, as a sentence ("" where no right is missing).
    """

    is_closed: bool
    database_time: datetime
    how: str
    why_not: str = ""
    is_weak: bool = False
    grant: str = ""


WEAK_GRACE_FACTOR = 4


@dataclass(frozen=True, slots=True)
class SliceRows:
    """What one slice gave.

    Its rows, fetched whole but not yet decoded, in whatever form the adapter likes. `size_bytes` is about what they
    take in memory. `seconds` are those of the server's work where the driver can tell, else of the wall clock from
    sending the statement to its last byte.
    """

    rows: int
    size_bytes: int
    seconds: float
    data: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The rows of one or more slices as one frame.

    Its columns are c0, c1 …; others are ignored. `checksum` is the seal's checksum of exactly these rows; these are
    added up as Python integers. 0 where the seal needs none.
    """

    frame: pl.DataFrame
    checksum: int = 0


@dataclass(frozen=True, slots=True)
class Stretch:
    """What slices next to each other gave.

    From where the stretch before ends to `high` (exclusive) of the axis: how many rows, and their checksum.
    """

    high: int
    rows: int
    checksum: int


@dataclass(frozen=True, slots=True)
class Seal:
    """What the seal found over the whole window.

    At the instant `as_of` (UTC, the database's clock). `how` names the method in a few words for the manifest and for
    people; `found` and `expected` are what was compared. `rows_differ` is how many rows are known to differ, at least;
    0 only where `agrees`.
    """

    agrees: bool
    as_of: datetime
    how: str
    found: str
    expected: str
    rows_differ: int
    seconds: float
    evidence: Mapping[str, str] = field(default_factory=dict)


class Slices(OpenTable, Protocol):
    """One table, read piece by piece on one connection."""

    def plan_axis(self, statement: Statement) -> Axis | str:
        """Return the axis, or why there is none.

        It is the cheapest that is proved to hold the window.
        """
        ...

    def find_key_index(self, key: Sequence[str], like: Sequence[SourceColumn]) -> KeyIndex | str:
        """Return an index that finds and orders keys, or why not.

        `like` are the columns whose values will be looked for; none where all rows are read. A clause.
        """
        ...

    def begin_seal(self, statement: Statement, axis: Axis) -> None:
        """Note what is to be read and sealed.

        And set up the session for slices; the witness was taken before.
        """
        ...

    def read_slice(self, low: int, high: int) -> SliceRows:
        """Read the rows of one slice, whole.

        From `low` (inclusive) to `high` (exclusive) of the axis. SliceLostError or SliceTooLongError where repeating
        may help (after `reconnect` for the first), UnavailableError where waiting may (a lock), IntegrityError where
        the table's definition has changed, StartOverError where the snapshot that it was read in is lost.
        """
        ...

    def gather(self, slices: Sequence[SliceRows]) -> Gathered:
        """Decode the rows of several slices at once, in their order.

        Must not touch the connection.
        """
        ...

    def reconnect(self) -> None:
        """Connect again with the same guards.

        StartOverError unless it is the same server, not restarted since.
        """
        ...

    def seal(self, read: Sequence[Stretch]) -> Seal:
        """Compare the whole window, in one snapshot, with what was read.

        `read` are all stretches that gave rows, in order; behind the last one and before the first there were none.
        After the last slice of all tables: the snapshot begins here, unless a table beside has begun it, and lasts
        until `end_seal`. Rows that are no longer the same are no error but a `Seal` that does not agree. It proves
        nothing of a table that was replaced meanwhile: see `check_table`.
        """
        ...

    def end_seal(self) -> None:
        """End the seal's snapshot, whichever table began it.

        Safe to call twice.
        """
        ...

    def check_table(self) -> None:
        """Raise an error where the table is not the same.

        IntegrityError or StartOverError where it is not, or was not, what `begin_slices` saw (altered, emptied,
        swapped), before or after the seal's snapshot. Call it when that has ended.
        """
        ...
