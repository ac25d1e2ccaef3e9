"""Decides what is to be done with a day.

Pure: it depends on the comparison and on how far the day is. Only a day known to differ in the source is read again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chain.day.state import DayState
from exporter.compare.days import DayCompared

Wish = Literal["run", "fresh export", "nothing"]
Name = Literal["new", "healed", "equal", "left"]


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done with a day.

    `name` is the outcome's name if it goes well.
    """

    wish: Wish
    name: Name
    why: str = ""


NOT_OVER = Step("nothing", "left", "it is not over yet")
UNFINISHED = Step("run", "healed", "it was read before it was over")


def choose_step(compared: DayCompared, state: DayState) -> Step:
    """Return what is to be done with a day.

    The day is over, and was not read before it was over.
    """
    outcome, why = compared.compared.outcome, compared.compared.why
    if outcome == "never stored":
        return Step("run", "new")
    if outcome == "changed":
        return Step("fresh export", "healed", why)
    if not state.is_done:
        begun_to_heal = state.run is not None and state.run.fresh_export
        return Step("run", "healed" if begun_to_heal else "new", "its last run had not come to its end")
    if outcome == "equal":
        return Step("nothing", "equal")
    return Step("nothing", "left", f"{outcome}: {why}" if outcome == "can't be told" else why)
