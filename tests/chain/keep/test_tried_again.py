"""Days that could not be kept now are tried again, and no others."""

from __future__ import annotations

from datetime import date

import click
import pytest

from chain.day.patience import Patience
from chain.keep.bring import Keeping, keep_days
from chain.keep.kept import KeptDay
from chain.notify.teller import Teller
from staging.config.file import load_pipeline
from staging.errors import ExitCode
from staging.process.cancel import Cancel
from tests.chain.range.small_range import SmallRange

pytestmark = pytest.mark.integration

DAYS = [date(2026, 10, 24), date(2026, 10, 25), date(2026, 10, 26)]


class Clock:
    """Time that passes when somebody sleeps; it then mends the day, or not."""

    def __init__(self, shop: SmallRange, *, mends: bool) -> None:
        self.shop, self.mends, self.seconds = shop, mends, 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if self.mends:
            (self.shop.folder / f"dies-{DAYS[1]}").unlink()


def persist(shop: SmallRange, clock: Clock, said: list[str], *, budget_seconds: float | None = None) -> list[KeptDay]:
    """Keep the days, with a minute of patience, as the command does."""
    environ = shop.environment()
    pipeline = load_pipeline(shop.config, environ=environ)
    keeping = Keeping(shop.config, DAYS, shop.folder / "logs", budget_seconds, Teller(pipeline, environ), said.append)
    patience = Patience(60, said.append, clock.now, clock.sleep)
    with click.Context(click.Command("keep"), obj=environ):
        return keep_days(keeping, patience, Cancel())


def test_a_day_that_could_not_be_had_is_tried_again_and_the_others_are_not(shop: SmallRange) -> None:
    (shop.folder / f"dies-{DAYS[1]}").touch()
    said: list[str] = []
    kept = persist(shop, Clock(shop, mends=True), said)
    assert [(day.outcome, day.exit_code) for day in kept] == [("new", ExitCode.DONE)] * 3
    assert "1 of 3 days could not be kept now." in said[0]
    attempts = shop.attempts()
    assert attempts[str(DAYS[0])] == attempts[str(DAYS[2])] < attempts[str(DAYS[1])]
    shop.assert_right(*map(str, DAYS))


def test_where_the_time_is_over_the_day_is_left_and_the_others_are_done(shop: SmallRange) -> None:
    (shop.folder / f"dies-{DAYS[1]}").touch()
    said: list[str] = []
    kept = persist(shop, Clock(shop, mends=False), said)
    assert [day.outcome for day in kept] == ["new", "left", "new"]
    assert kept[1].exit_code is ExitCode.UNAVAILABLE
    assert len([line for line in said if "tried again" in line]) == 1


def test_a_day_that_can_not_be_done_is_not_tried_again(shop: SmallRange) -> None:
    shop.faults(str(DAYS[1]))
    said: list[str] = []
    kept = persist(shop, Clock(shop, mends=False), said)
    assert [day.outcome for day in kept] == ["new", "failed", "new"]
    assert [line for line in said if "tried again" in line] == []


def test_a_day_that_no_budget_is_left_for_gets_no_further_one_the_same_night(shop: SmallRange) -> None:
    assert shop.backfill(str(DAYS[0]), str(DAYS[2])).returncode == 0
    said: list[str] = []
    clock = Clock(shop, mends=False)
    kept = persist(shop, clock, said, budget_seconds=1e-9)
    told = [(day.outcome, day.compared and day.compared.compared.outcome, day.exit_code) for day in kept]
    for_later = ("left", "can't be told", ExitCode.UNAVAILABLE)
    assert told == [("left", "same sums", ExitCode.DONE), for_later, for_later]
    assert (clock.seconds, said) == (0, [])
