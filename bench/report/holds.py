"""What the small days' and the month's processor seconds are made of, profiled process by process.

By `getrusage` of each process, apart from the samples of the report: what counts are the shares.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.report.cells import table

_ONE = (
    ("fork server: imports (polars, SQLAlchemy, pydantic's models, a fourth each), three births", 0.62),
    ("chain: imports (0.3: models, Google's messages, the emulator), documents, leases", 0.43),
    ("exporter", 0.055),
    ("loader", 0.044),
    ("task", 0.032),
)
_SMALL = (
    ("four tasks, each: 0.006 its birth, 0.008 command and settings, 0.022 the work", 0.144),
    ("exporter", 0.092),
    ("loader", 0.062),
    ("chain: leases, documents, calls of the emulator", 0.060),
    ("six births: page tables copied twice, for the chain adopts each child", 0.051),
    ("the command's start, a thirtieth of it", 0.035),
)
_DONE = (
    ("loader, of many days: parts read, staged and compared", 0.019),
    ("chain: leases, documents", 0.014),
    ("the command's start, a 365th of it", 0.003),
)
_MONTH = (
    ("fork server: imports", 0.65),
    ("chain: imports, documents, leases", 0.48),
    ("four tasks of 30 files each", 0.47),
    ("loader", 0.06),
)


def small_days() -> Iterator[str]:
    """Of a day of one row, of a day of a back-fill, of a done day."""
    yield from ("", "What holds them, profiled at another time, when this machine was about twice as fast:")
    yield from _shares("`run` of a day of one row", _ONE)
    yield from _shares("`backfill`, a day of 10,000 rows", _SMALL)
    yield from _shares("`backfill`, a done day", _DONE)
    yield from (
        "",
        "With `process.tasks = 2`, one task a processor, a small day takes 0.8 of the processor time: each task is a process.",
    )


def month() -> Iterator[str]:
    """Of a month that is processed again."""
    yield from (
        "",
        "What holds it, profiled at another time, when this machine was about twice as fast, and bare polars took 0.28:",
    )
    yield from _shares("a month that is processed again", _MONTH)


def _shares(what: str, parts: tuple[tuple[str, float], ...]) -> Iterator[str]:
    whole = sum(seconds for _, seconds in parts)
    rows = [(part, f"{seconds:.3f}", f"{seconds / whole:.0%}") for part, seconds in parts]
    yield from table((what, "processor s", "share"), [*rows, ("all of it", f"{whole:.3f}", "")])
