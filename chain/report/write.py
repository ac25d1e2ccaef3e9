"""Reads the days, writes their page into a file."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

from chain.history.read import read_history, store_clock
from chain.report.gather import gather_day
from staging.config.pipeline import Pipeline
from staging.errors import InputError
from staging.names import DayNames
from staging.open_store import open_store


def write_report(pipeline: Pipeline, first: date, last: date, path: Path, now: datetime) -> int:
    """Write the page of all days from `first` to `last`.

    Of those that have a run; return how many days are on it. InputError where none has, where a chart can't be drawn,
    or the file can't be written.
    """
    with open_store(pipeline.staging.url) as store:
        found = read_history(store, pipeline.name, first=first, last=last, now=store_clock(store, lambda: now))
        pages = [
            gather_day(store, DayNames(pipeline.name, day.day), day, pipeline.cloud) for day in found.days if day.runs
        ]
    if not pages:
        asked = str(first) if first == last else f"{first} to {last}"
        raise InputError(
            f"There is no run of {pipeline.name} {asked} to report.",
            why=f"{pipeline.staging.url} holds none.",
            fix="`penstock history` says which days there are.",
        )
    from chain.report.page import format_report  # noqa: PLC0415 - matplotlib takes a second, and may not be there

    page = format_report(pipeline.name, pages, now)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as exc:
        raise InputError(f"{path} can't be written.", why=f"{exc.strerror}.", fix="Choose another --out.") from exc
    return len(pages)
