"""What limits the figures that miss their aims, and what small days and a month consist of.

Profiled apart from the samples of the report, process by process (`getrusage`) or statement by statement (the server's
own log): only the shares count.
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
_TOLD = {
    "export_postgres": (
        "the driver of ADBC's wheels, compiled without optimisation, is a quarter of all (3 M rows: 2.8 s, and 2.1 s with",
        "1.8.0, the last that was not; why the lock has the current one, and how to choose: decision 0024); half a second is",
        "the start of the process, whose modules DuckDB does not have; the rest counts, proves and digests.",
    ),
    "export_mysql": (
        "a checksum of each row's text, which the seal and `penstock changed` go by, is half of what a client does for a row",
        "(SHA-256 0.18 µs, CRC32 0.24, lines 0.1 of 1.0 µs); the server writes rows as text, which connectorx does not ask for",
        "(decisions 0007, 0009, 0024). The two servers hardly differ here: both are asked for the same text, and MySQL's takes it",
        "a twentieth longer.",
    ),
    "sealed_postgres": (
        "milliseconds of the server for 100,000 rows: the rows themselves 28, a statement for each slice of 2 ms 15, a number",
        "of each row's version 15, the seal's count with a look at each row's age 12 (27 where somebody writes).",
    ),
    "several_postgres": (
        "0.4 s of the processor for three tables: the keys of the day, which tell who of them has no user, 96 files",
        "in place of 32, and the catalogue of three tables.",
    ),
    "whole_day_postgres": (
        "seconds of the server for 1.04 M users: INSERT 2 to 3 (in the key's order; 1.5 more without), the comparison of the day",
        "with what was staged 1.3, once more where the day was there, sums 0.3 each, the read 0.7; and 0.7 s of the processes' start.",
        "The bare script compares nothing.",
    ),
    "task": (
        "some 18 ms that no user adds to: the copy, CRC32C and SHA-256 of the shard, fifteen questions to polars, and part and",
        "receipt written durably (decisions 0014, 0021, 0022).",
    ),
    "changed_postgres": (
        "counting 100,000 rows and looking at their age takes the server 11.8 ms where all is in memory, in one statement, and",
        "exporting them 107: below 0.11 is nothing without another way to see versions. The rest: pieces of 5 ms, and 7 ms of",
        "catalogue for each day.",
    ),
    "felt": (
        "what is slow is spread over the whole read, not heaped where the process starts and ends. Two rounds of 1.5 M rows of",
        "PostgreSQL, p99 in ms: 2.2 and 2.1 beside nobody, 3.5 and 4.8 beside us; with slices of 1 ms 4.9 and 4.5, so it is not their",
        "length; with a rest of nine slices 3.1 and 3.2, at a quarter of the pace. A lower priority (19 for 10) changed nothing. It is",
        "a third process at work on two cores, on which a transaction of 1.2 ms has server and client of its own.",
    ),
}


def told(name: str) -> Iterator[str]:
    """What limits one figure, in a paragraph."""
    first, *rest = _TOLD[name]
    yield from ("", f"What holds it: {first}", *rest)


def small_days() -> Iterator[str]:
    """Of a day of one row, of a day of a back-fill, of a done day."""
    yield from ("", "What they are made of, profiled at another time:")
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
        "What it is made of, profiled at another time, when bare polars took 0.28:",
    )
    yield from _shares("a month that is processed again", _MONTH)


def _shares(what: str, parts: tuple[tuple[str, float], ...]) -> Iterator[str]:
    whole = sum(seconds for _, seconds in parts)
    rows = [(part, f"{seconds:.3f}", f"{seconds / whole:.0%}") for part, seconds in parts]
    yield from table((what, "processor s", "share"), [*rows, ("all of it", f"{whole:.3f}", "")])
