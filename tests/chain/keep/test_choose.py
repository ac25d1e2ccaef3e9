"""What `keep` does with a day: by how it compared, and by how far its last run is."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from chain.day.state import DayState
from chain.keep.choose import choose_step
from chain.keep.kept import KeptDay, find_worst
from chain.keep.view import format_kept, format_tally
from chain.range.outcome import DayOutcome
from exporter.compare.days import DayCompared
from exporter.compare.judge import Compared, DayFigures, Outcome
from staging.documents.run import RunRecord
from staging.errors import IntegrityError, PenstockError, UnavailableError
from tests.shop.loaded_note import note_of_one_row

DAY = date(2026, 11, 14)
AT = datetime(2026, 11, 15, 3, tzinfo=UTC)


def a_run(*, fresh_export: bool = False) -> RunRecord:
    return RunRecord(
        format=1,
        run_id="r01",
        pipeline="p",
        day=DAY,
        head_id="5f" * 16,
        fence=1,
        kind="run",
        fresh_export=fresh_export,
        created_at=AT,
    )


def done() -> DayState:
    return DayState(run=a_run(), has_export=True, loaded=note_of_one_row(DAY, AT), export_id="e01")


def cut_short(*, fresh_export: bool = False) -> DayState:
    return DayState(run=a_run(fresh_export=fresh_export), has_export=True, export_id="e01")


@pytest.mark.parametrize(
    ("outcome", "state", "wish", "name"),
    [
        ("never stored", DayState(), "run", "new"),
        ("never stored", DayState(run=a_run()), "run", "new"),
        ("changed", done(), "fresh export", "healed"),
        ("changed", cut_short(), "fresh export", "healed"),
        ("equal", done(), "nothing", "equal"),
        ("equal", cut_short(), "run", "new"),
        ("equal", cut_short(fresh_export=True), "run", "healed"),
        ("same sums", done(), "nothing", "left"),
        ("same sums", cut_short(), "run", "new"),
        ("can't be told", done(), "nothing", "left"),
        ("can't be told", cut_short(), "run", "new"),
    ],
)
def test_only_what_is_known_to_have_changed_is_read_again_and_only_what_is_done_is_left(
    outcome: Outcome, state: DayState, wish: str, name: str
) -> None:
    step = choose_step(DayCompared(DAY, Compared(outcome, "because")), state)
    assert (step.wish, step.name) == (wish, name)


def test_the_worst_day_decides_and_one_that_can_not_be_told_is_one_of_them() -> None:
    later = UnavailableError("The budget of seconds was used up.")
    left = kept("can't be told", error=later)
    assert (left.outcome, left.exit_code) == ("left", 20)
    failed = KeptDay(DAY, left.step, ended=DayOutcome(DAY, "failed", error=IntegrityError("Sums differ.")))
    assert find_worst([kept("equal"), left, failed]) is failed
    assert find_worst([kept("equal"), left]) is left
    assert find_worst([kept("equal"), kept("same sums")]) is None


def test_the_table_has_figures_before_and_after_and_cuts_reasons_on_a_terminal() -> None:
    days = [
        kept("equal"),
        kept("same sums", figures=DayFigures(1200, {"amount": "1.00"})),
        KeptDay(DAY, kept("changed").step, ended=DayOutcome(DAY, "left", error=UnavailableError("The table " * 9))),
    ]
    lines = format_kept(days, style=lambda text, **_: text, columns=60).splitlines()
    assert lines == [
        "day         what   rows   sum of amount  why",
        "2026-11-14  equal",
        "2026-11-14  left   1,200  1.00           because",
        "2026-11-14  left                         The table The table…",
    ]
    assert format_tally("shop", days, 1.5) == "shop: 1 day equal, 2 left, in 1.5 s"


def kept(outcome: Outcome, *, error: PenstockError | None = None, figures: DayFigures | None = None) -> KeptDay:
    compared = DayCompared(DAY, Compared(outcome, "" if outcome == "equal" else "because", found=figures), error=error)
    return KeptDay(DAY, choose_step(compared, done()), compared)
