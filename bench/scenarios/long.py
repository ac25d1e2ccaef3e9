"""A pipeline of many years: what it costs to ask how far its days are, and what their runs did.

One real day is run; the other days are its documents with other dates, written through the store.
"""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bench.copied_days import copy_day
from bench.measure import Sample, run
from bench.shops import fill_sqlite, write_pipeline

MODEL = date(2024, 12, 30)
"""Its neighbours are in no month of the days that are made."""


def long(folder: Path, *, rounds: int, days: int) -> dict[str, Any]:
    """Ask `status` and `history` of so many loaded days, in turn; before that once while nothing is remembered."""
    url = fill_sqlite(folder / "shop.sqlite", MODEL, 1, 1)
    config = write_pipeline(folder / "pipeline.toml", source=url, staging=folder / "staging", shards=1)
    _penstock("init", config)
    _penstock("run", config, "--day", str(MODEL))
    last = MODEL - timedelta(days=32)
    first = last - timedelta(days=days - 1)
    copy_day(folder / "staging", MODEL, [first + timedelta(days=number) for number in range(days)])
    asked = ["--from", str(first), "--to", str(last), "--json"]
    samples: dict[str, list[Sample]] = {
        "status, nothing remembered": [_penstock("status", config, *asked)],
        "history, nothing remembered": [_penstock("history", config, *asked)],
        "status": [],
        "history": [],
    }
    for _ in range(rounds):
        for command in ("status", "history"):
            samples[command].append(_penstock(command, config, *asked))
    return {"days": days, "in_memory": folder.is_relative_to("/dev/shm"), "samples": samples}


def _penstock(command: str, config: Path, *arguments: str) -> Sample:
    logs = {"PENSTOCK_LOGS": str(config.parent / "logs")}
    return run([sys.executable, "-m", "chain", command, "--config", str(config), *arguments], logs)[0]
