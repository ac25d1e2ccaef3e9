"""The loader's job in one sentence: prove the parts, stage them, replace the day in one transaction, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from loader.outcome import Outcome
from staging.cancel import Cancel
from staging.config import Pipeline
from staging.store import Store


def load_day(
    pipeline: Pipeline,
    day: date,
    run_id: str,
    *,
    store: Store,
    now: Callable[[], datetime],
    cancel: Cancel,
    say: Callable[[str], None],
    allow_older: bool = False,
    adopt_head: str | None = None,
) -> Outcome:
    """Bring the target's day to exactly what the run's parts say, and the ledger with it.

    `say` gets one line for people per step. `allow_older` lets an export replace a newer one; `adopt_head` is the
    head_id of this run where the ledger names another one. Raises InputError, UnavailableError, HeldError or
    IntegrityError; after each of them the target is as it was before.
    """
    raise NotImplementedError
