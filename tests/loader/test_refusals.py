"""What a run may do by the ledger's row alone: one field differs, and the answer is the documented one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from loader.refusals import Permission, Standing, check_may_load
from loader.target.ledger import LedgerRow
from staging.errors import HeldError, InputError, IntegrityError, PenstockError

MIDNIGHT = datetime(2026, 11, 13, 23, tzinfo=UTC)
OURS = LedgerRow(
    target_schema="",
    target_table="revenue",
    day=date(2026, 11, 14),
    pipeline="daily_revenue",
    head_id="5f" * 16,
    fence=7,
    run_id="run-0007",
    export_id="export-0007",
    as_of=MIDNIGHT + timedelta(days=2),
    window_start=MIDNIGHT,
    window_end=MIDNIGHT + timedelta(days=1),
    loaded_rows=30,
    totals={"revenue": "12.34"},
    digest="ab" * 32,
    loaded_at=MIDNIGHT + timedelta(days=2, hours=1),
)
EARLIER = replace(OURS, fence=6, run_id="run-0006", export_id="export-0006", digest="cd" * 32)
"""What an ordinary run finds: an older run's load."""


def test_without_a_row_or_after_an_older_run_it_may_load() -> None:
    assert check_may_load(None, OURS, Permission()) is Standing.MAY_LOAD
    assert check_may_load(EARLIER, OURS, Permission()) is Standing.MAY_LOAD


def test_its_own_row_says_that_it_is_done() -> None:
    assert check_may_load(OURS, OURS, Permission()) is Standing.DONE_ALREADY


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"pipeline": "another"}, InputError),
        ({"head_id": "6f" * 16}, InputError),
        ({"fence": 8}, HeldError),
        ({"window_start": MIDNIGHT - timedelta(hours=1)}, InputError),
        ({"window_end": MIDNIGHT + timedelta(hours=25)}, InputError),
        ({"as_of": OURS.as_of + timedelta(microseconds=1)}, HeldError),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value.__name__,
)
def test_a_row_of_an_earlier_run_that_differs_in_one_more_is_refused(
    changed: dict[str, Any], error: type[PenstockError]
) -> None:
    with pytest.raises(error):
        check_may_load(replace(EARLIER, **changed), OURS, Permission())


@pytest.mark.parametrize(
    "changed",
    [{"fence": 6}, {"run_id": "run-0006"}, {"export_id": "export-0006"}, {"digest": "cd" * 32}],
    ids=lambda changed: next(iter(changed)),
)
def test_a_row_of_its_own_that_differs_in_one_is_an_integrity_error(changed: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        check_may_load(replace(OURS, **changed), OURS, Permission())


def test_what_is_permitted_by_name_is_done_and_nothing_else() -> None:
    newer = replace(EARLIER, as_of=OURS.as_of + timedelta(seconds=1))
    elsewhere = replace(EARLIER, head_id="6f" * 16, fence=99)
    assert check_may_load(newer, OURS, Permission(older=True)) is Standing.MAY_LOAD
    assert check_may_load(elsewhere, OURS, Permission(head_id=OURS.head_id)) is Standing.MAY_LOAD
    with pytest.raises(InputError):
        check_may_load(elsewhere, OURS, Permission(older=True, head_id="7f" * 16))
    with pytest.raises(HeldError):
        check_may_load(newer, OURS, Permission(head_id=OURS.head_id))


def test_an_equal_instant_is_not_older() -> None:
    assert check_may_load(replace(EARLIER, as_of=OURS.as_of), OURS, Permission()) is Standing.MAY_LOAD
