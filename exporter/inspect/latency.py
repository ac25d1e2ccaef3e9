"""Says how the shop's latency would be measured, and tries it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

from databases.url import parse_url
from exporter.pacing.promise.controller import LONGEST_NICE
from exporter.pacing.promise.first_look import look_first
from exporter.pacing.promise.prober import interval_after
from exporter.pacing.signal_connection import PROBES, SignalConnection
from exporter.port.database import Source
from staging.config.pacing import PacingConfig
from staging.config.pipeline import Pipeline
from staging.errors import PenstockError
from staging.process.finding import Finding, fault, well


def examine_probe(pipeline: Pipeline, source: Source) -> Iterator[Finding]:
    """Run the statement that measures latency, as an export does first."""
    sql = pipeline.pacing.latency_probe
    if sql is None:
        return
    try:
        with closing(SignalConnection(parse_url(pipeline.source.url.reveal()), source.dialect, PROBES)) as connection:
            seconds = look_first(connection, sql, source.dialect, time.monotonic)
    except PenstockError as error:
        yield fault("source probe", error)
    else:
        often = f"{1 / interval_after(seconds):.1f} times a second"
        yield well("source probe", f"pacing.latency_probe takes {seconds * 1000:.1f} ms, and is run {often}")


def describe_promise(config: PacingConfig, nice: int, mode: str) -> str | None:
    """Say what is measured of latency, and what is promised."""
    if config.latency_probe is None:
        return None
    if config.max_p99_increase is None:
        return "measured by pacing.latency_probe, in rests that take turns with reading; nothing is promised"
    promised = f"its p99 beside reading at most {config.max_p99_increase:g} times that without"
    if mode == "snapshot":
        return f"measured by pacing.latency_probe; {promised} can't be held, as one statement can't rest"
    return f"measured by pacing.latency_probe; {promised}: rests from {nice} to {LONGEST_NICE:.0f} s a second"
