"""A day that could not be done now is tried again, and one that can't be done is not."""

from __future__ import annotations

import pytest

from chain.day.patience import Patience
from staging.errors import (
    HeldError,
    InputError,
    IntegrityError,
    InterruptedRunError,
    LeftForLaterError,
    PenstockError,
    UnavailableError,
    UsageError,
)


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.pauses: list[float] = []

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds


def attempts(clock: Clock, *outcomes: PenstockError | str, seconds: float = 3600) -> tuple[str, list[str]]:
    left = list(outcomes)
    said: list[str] = []

    def attempt() -> str:
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(outcome, PenstockError):
            raise outcome
        return outcome

    return Patience(seconds, said.append, clock.now, clock.sleep).persist(attempt), said


def test_what_is_unavailable_is_tried_again_and_said() -> None:
    clock = Clock()
    down = UnavailableError("The shop's database is down.", why="No answer.")
    done, said = attempts(clock, down, down, "done")
    assert done == "done"
    assert len(clock.pauses) == len(said) == 2
    assert clock.pauses[0] < clock.pauses[1]
    assert "The shop's database is down. No answer." in said[0]


@pytest.mark.parametrize(
    "error",
    [
        PenstockError("a bug"),
        UsageError("x"),
        InputError("x"),
        HeldError("x"),
        IntegrityError("x"),
        InterruptedRunError("Stopped."),
        LeftForLaterError("Somebody is writing it."),
    ],
)
def test_what_would_end_the_same_way_or_was_stopped_is_not_tried_again(error: PenstockError) -> None:
    clock = Clock()
    with pytest.raises(type(error)):
        attempts(clock, error, "done")
    assert clock.pauses == []


def test_patience_ends_within_its_time_with_the_last_reason() -> None:
    clock = Clock()
    with pytest.raises(UnavailableError, match="still down"):
        attempts(clock, UnavailableError("down"), UnavailableError("still down"), seconds=3600)
    assert 3000 <= sum(clock.pauses) <= 3600
    assert max(clock.pauses) <= 600


def test_without_patience_there_is_one_try() -> None:
    clock = Clock()
    with pytest.raises(UnavailableError):
        attempts(clock, UnavailableError("down"), "done", seconds=0)
    assert clock.pauses == []
