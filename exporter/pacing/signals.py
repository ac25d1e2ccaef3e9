"""The port between pacing and a signal that says "wait".

What a signal is, and those that are no database's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from staging.documents.pause_switch import PauseSwitch, read_pause_switch
from staging.errors import InputError, UnavailableError
from staging.store import Store


@dataclass(frozen=True, slots=True)
class PauseReason:
    """Why reading waits.

    `kind` is what seconds are counted under, `text` what people read behind `paused: `. `fix` is what to do if it
    lasts. `is_critical`: reading that has begun is given up instead.
    """

    kind: str
    text: str
    fix: str
    is_critical: bool = False


class Signal(Protocol):
    """Looked at from time to time, between slices: `interval_seconds` apart."""

    interval_seconds: float

    @property
    def name(self) -> str:
        """What it is to people, as the subject of a sentence."""
        ...

    def look(self) -> PauseReason | None:
        """Return why to wait, or None.

        InputError or UnavailableError where it can't be read, IntegrityError where its answer is damaged: they make
        reading wait, too.
        """
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """All rows of a small statement. Two columns may have one name."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]

    def by_name(self) -> list[dict[str, object]]:
        """Return the rows of a statement whose columns have different names."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class Asks(Protocol):
    """Runs a small statement for a signal."""

    def ask(self, sql: str) -> Answer:
        """Return all its rows."""
        ...


class ProbeSignal:
    """The user's own statement.

    One row of one column, a number or a boolean; above 0 or true makes reading wait.
    """

    name = "pacing.probe"
    interval_seconds = 1.0

    def __init__(self, connection: Asks, sql: str) -> None:
        self._connection = connection
        self._sql = sql

    def look(self) -> PauseReason | None:
        """See `Signal`."""
        answer = self._connection.ask(self._sql)
        if len(answer.rows) != 1 or len(answer.columns) != 1:
            raise InputError(
                "`pacing.probe` did not return one value.",
                why=f"It returned {len(answer.rows)} rows of {len(answer.columns)} columns.",
                fix="Write a SELECT of one number or boolean: reading waits while it is above 0, or true.",
            )
        ((value,),) = answer.rows
        if isinstance(value, int | float | Decimal) and value == value:  # noqa: PLR0124 - NaN is no answer
            if value <= 0:
                return None
            fix = "Look at what `pacing.probe` asks for; reading goes on when it is 0 or false."
            return PauseReason("probe", f"the probe says {value}", fix)
        if value is None:
            raise UnavailableError("`pacing.probe` returned NULL.", fix="Wrap it in COALESCE if that means calm.")
        raise InputError(
            f"`pacing.probe` returned a {type(value).__name__}.",
            why="Only a number or a boolean can be compared with 0.",
            fix="Cast it in the statement.",
        )


class SwitchSignal:
    """The pause switch on the staging store.

    Each look is one request, 720 an hour, as long as nobody turns it.
    """

    name = "the pause switch"
    interval_seconds = 5.0

    def __init__(self, store: Store, pipeline: str) -> None:
        self._store = store
        self._pipeline = pipeline

    def look(self) -> PauseReason | None:
        """See `Signal`."""
        switch: PauseSwitch | None = read_pause_switch(self._store, self._pipeline)
        if switch is None or not switch.paused:
            return None
        return PauseReason("pause_switch", switch.why(), "`penstock unpause` lets it go on.")
