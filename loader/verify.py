"""Reads back everything that a loaded day rests on, and proves that it agrees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from staging.cancel import Cancel
from staging.config import Pipeline
from staging.store import Store


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was proven, or not; `why` says what was compared, or what differs."""

    name: str
    ok: bool
    why: str


@dataclass(frozen=True, slots=True)
class Verification:
    """All checks of one day, in the order of the path: ledger, run, manifest, shards, parts, sums, target."""

    day: date
    run_id: str | None
    export_id: str | None
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return bool(self.checks) and all(check.ok for check in self.checks)


def verify_day(
    pipeline: Pipeline, day: date, *, store: Store, cancel: Cancel, say: Callable[[str], None]
) -> Verification:
    """Prove that manifest, shards, receipts, parts, ledger and target agree about a day.

    The ledger says which run is loaded. What does not agree is a failed check, no exception; InputError and
    UnavailableError mean that bucket or database could not be asked. Writes nothing.
    """
    raise NotImplementedError
