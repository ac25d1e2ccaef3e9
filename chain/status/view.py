"""Shows how far days are, in lines for people.

Day, stage, and what there is to know of it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from chain.status.day import JOB_OF, DayStatus, LastError, Stage, Tasks
from chain.views.figures import format_count, plural
from chain.views.run_view import VERBS

Style = Callable[..., str]
_STAGE_CHARACTERS = 10
_INDENT = " " * (10 + 2 + _STAGE_CHARACTERS + 2)
_NARROWEST = 30
_COLOURS = {"loaded": "green", "failed": "red", "never run": None, "exported": "yellow", "stopped": "yellow"}


def format_days(days: Sequence[DayStatus], *, style: Style, columns: int, whole: bool = False) -> str:
    """Return a line a day, and more below it if known.

    `whole` shows all of it.
    """
    return "\n".join(_format_day(day, style, columns, whole=whole) for day in days)


def format_change(status: DayStatus) -> str:
    """Return all of a day in one line.

    `2026-11-19  processing  3 of 8 tasks done, 2 running; ann@host, process 12, since …`.
    """
    return f"{status.day}  {status.stage:<{_STAGE_CHARACTERS}}  {'; '.join(_facts(status, whole=False))}".rstrip()


def _format_day(status: DayStatus, style: Style, columns: int, *, whole: bool) -> str:
    lines = [line for fact in _facts(status, whole=whole) for line in _wrap(fact, columns)] or [""]
    stage = style(f"{status.stage:<{_STAGE_CHARACTERS}}", fg=_COLOURS.get(status.stage, "cyan"))
    return (f"{status.day}  {stage}  " + f"\n{_INDENT}".join(lines)).rstrip()


def _wrap(fact: str, columns: int) -> list[str]:
    """Paths stay in one piece, so that they can be copied."""
    width = max(_NARROWEST, columns - len(_INDENT))
    return textwrap.wrap(fact, width, break_long_words=False, break_on_hyphens=False) or [""]


def _facts(status: DayStatus, *, whole: bool) -> list[str]:
    facts = []
    if status.loaded_at is not None and status.rows is not None:
        facts.append(f"{plural(status.rows, 'row')}, {status.loaded_at:%Y-%m-%d %H:%M:%S} UTC")
    if status.compared is not None:
        facts.append(f"compared {status.compared.compared_at:%Y-%m-%d %H:%M:%S} UTC: {status.compared.outcome}")
    if status.unfinished:
        facts.append("unfinished: read before the day was over; `penstock run` reads it again when it is")
    if status.tasks is not None and status.stage != "exported":
        facts.append(_format_tasks(status.stage, status.tasks))
    if status.holder is not None:
        facts.append(f"held by {status.holder.holder}, since {status.holder.since:%Y-%m-%d %H:%M:%S} UTC")
    if status.error is not None and (whole or status.at_rest):
        facts += _format_error(status.error, whole=whole)
    if whole and status.run_id is not None:
        facts.append(f"run {status.run_id}, {plural(status.runs, 'run')} in all")
        facts.append(f"export {status.export_id}" if status.export_id else "no export yet")
        facts += [f"execution {status.execution}"] if status.execution else []
    return facts


def _format_tasks(stage: Stage, tasks: Tasks) -> str:
    """`3 of 8 tasks done, 2 running`; with its verb before it where the stage does not say which job is meant."""
    known = [
        f"{format_count(tasks.done)} of {plural(tasks.total, 'task')} done",
        f"{format_count(tasks.running)} running" if tasks.running else "",
        f"{format_count(tasks.failed)} failed" if tasks.failed else "",
        f"{format_count(tasks.retried)} retried" if tasks.retried else "",
    ]
    told = ", ".join(each for each in known if each)
    return told if JOB_OF.get(stage) == tasks.job else f"{VERBS[tasks.job]}: {told}"


def _format_error(error: LastError, *, whole: bool) -> list[str]:
    at = f"{error.failed_at:%Y-%m-%d %H:%M:%S} UTC: " if whole and error.failed_at else ""
    facts = [" ".join(f"{at}{error.what}".split())]
    if whole:
        facts += [
            " ".join(f"{label}: {text}".split()) for label, text in (("why", error.why), ("fix", error.fix)) if text
        ]
    return [*facts, f"log: {error.log}"] if error.log else facts
