"""Decides whether a day is what its export was.

Pure: it sees only what was counted. What is not proved to be the same is never called equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from exporter.port.same_rows import Telling, Verdict
from staging.documents.manifest import Manifest

Outcome = Literal["equal", "same sums", "changed", "never stored", "can't be told"]
BY_SUMS = "count and sums"


@dataclass(frozen=True, slots=True)
class DayFigures:
    """What the source holds of a day.

    Rows; exact sums as the manifest writes them, None where one can't be known; and what the `Telling` asked for.
    """

    rows: int
    sums: Mapping[str, str | None]
    told: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Compared:
    """A day, compared.

    `same sums`: rows may differ in what count and sums don't show, and `why` says why no more can be told. `how` names
    what was compared, "" where nothing was.
    """

    outcome: Outcome
    why: str = ""
    how: str = ""
    found: DayFigures | None = None


def judge_day(stored: Manifest, found: DayFigures, telling: Telling | str) -> Compared:
    """Compare what was exported with what is found."""
    how = BY_SUMS if isinstance(telling, str) else telling.how
    if differs := _differing_figures(stored, found):
        return Compared("changed", differs, how, found)
    if isinstance(telling, str):
        return Compared("same sums", f"compared by count and sums alone: {telling}", BY_SUMS, found)
    verdict = telling.judge(found.told)
    if verdict.sameness == "not sure":
        return Compared("same sums", f"compared by count and sums alone: {verdict.why}", BY_SUMS, found)
    return Compared(*_sure(verdict), how, found)


def judge_tables(leading: Compared, others: Mapping[str, Compared], left_out: Mapping[str, str]) -> Compared:
    """Return the verdict on a day of several tables.

    One that has changed is enough. A table without a time shows the instant of the read and not the day: it is
    `left_out` with the reason, as are files, and the verdict says so.
    """
    if leading.outcome == "changed" or not (others or left_out):
        return leading
    for name, compared in others.items():
        if compared.outcome == "changed":
            return replace(leading, outcome="changed", why=f"{name}: {compared.why}", how=compared.how)
    not_sure = [(name, each.why) for name, each in others.items() if each.outcome != "equal"]
    told = [leading.why, *(f"{name} {why}" for name, why in not_sure)]
    reasons = dict.fromkeys(left_out.values())
    told += [f"{', '.join(name for name in left_out if left_out[name] == why)}: {why}" for why in reasons]
    outcome = "same sums" if not_sure else leading.outcome
    return replace(leading, outcome=outcome, why="; ".join(filter(None, told)))


def _sure(verdict: Verdict) -> tuple[Outcome, str]:
    return ("equal", "") if verdict.sameness == "equal" else ("changed", verdict.why)


def _differing_figures(stored: Manifest, found: DayFigures) -> str:
    """Return which figures differ, "" where none does."""
    if more := found.rows - stored.rows:
        return f"{abs(more):,} {'row' if abs(more) == 1 else 'rows'} {'more' if more > 0 else 'fewer'}"
    others = [name for name, total in found.sums.items() if total is not None and total != stored.sums[name]]
    return f"another sum of {', '.join(others)}" if others else ""
