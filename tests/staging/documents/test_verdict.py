"""A further attempt of a task ends at once where it would meet the same error, and only there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from staging.documents.verdict import final_verdict
from staging.errors import (
    HeldError,
    InputError,
    IntegrityError,
    LeftForLaterError,
    PenstockError,
    UnavailableError,
    UsageError,
)
from staging.names import DayNames
from staging.open_store import open_store
from staging.redaction import remember_secret
from staging.store import Store

NAMES, RUN = DayNames("shop", date(2026, 11, 1)), "20261101T000000Z-0123456789ab"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store((tmp_path / "staging").as_uri()) as opened:
        yield opened


def attempt(number: int, *, execution: str = "processor-abcde", task: int = 3) -> dict[str, str]:
    return {
        "CLOUD_RUN_EXECUTION": execution,
        "CLOUD_RUN_TASK_INDEX": str(task),
        "CLOUD_RUN_TASK_ATTEMPT": str(number),
    }


def run(store: Store, environ: dict[str, str], error: PenstockError | None = None) -> bool:
    """Return whether the block was entered."""
    entered = False
    with final_verdict(store, NAMES, RUN, environ, lambda: datetime(2026, 11, 2, tzinfo=UTC)):
        entered = True
        if error is not None:
            raise error
    return entered


@pytest.mark.parametrize("kind", [UsageError, InputError, HeldError, IntegrityError, LeftForLaterError])
def test_a_permanent_error_is_met_once(store: Store, kind: type[PenstockError]) -> None:
    with pytest.raises(kind):
        run(store, attempt(0), kind("The table is gone.", why="Somebody dropped it.", fix="Put it back."))
    for number in (1, 2, 3):
        with pytest.raises(kind) as caught:
            run(store, attempt(number))
        assert str(caught.value) == "The table is gone.\n  why: Somebody dropped it.\n  fix: Put it back."


@pytest.mark.parametrize("error", [UnavailableError("down"), PenstockError("a bug")])
def test_what_may_pass_is_tried_again(store: Store, error: PenstockError) -> None:
    with pytest.raises(type(error)):
        run(store, attempt(0), error)
    assert run(store, attempt(1))
    assert not list(store.list(""))


def test_another_execution_another_task_and_a_first_attempt_are_other_tries(store: Store) -> None:
    with pytest.raises(InputError):
        run(store, attempt(0), InputError("wrong"))
    assert run(store, attempt(1, task=4))
    assert run(store, attempt(1, execution="processor-fghij"))
    assert run(store, attempt(0))


def test_a_job_that_cloud_run_did_not_start_leaves_nothing(store: Store) -> None:
    with pytest.raises(InputError):
        run(store, {}, InputError("wrong"))
    assert not list(store.list(""))


def test_a_verdict_that_cant_be_read_decides_nothing(store: Store) -> None:
    with pytest.raises(InputError):
        run(store, attempt(0), InputError("wrong"))
    [found] = store.list("")
    store.delete(found.name, generation=found.generation)
    store.create(found.name, b"{}")
    assert run(store, attempt(1))


def test_a_store_that_refuses_the_verdict_changes_no_error(store: Store) -> None:
    with pytest.raises(InputError, match="first"):
        run(store, attempt(0), InputError("first"))
    with pytest.raises(IntegrityError, match="second"):
        run(store, attempt(0), IntegrityError("second"))  # its twin has left one already


def test_no_secret_gets_into_a_verdict(store: Store) -> None:
    remember_secret("hunter-2-secret")
    with pytest.raises(InputError):
        run(store, attempt(0), InputError("no hunter-2-secret", why="hunter-2-secret", fix="hunter-2-secret"))
    [found] = store.list("")
    assert b"hunter-2" not in store.read(found.name)[0]
