"""Small days on this machine, whole commands: SQLite to SQLite, a folder, jobs as processes.

It measures what a day costs besides its rows: starts, documents, the chain.
"""

from __future__ import annotations

import shutil
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bench.copied_days import copy_day, copy_in_sqlite
from bench.measure import Sample, run
from bench.shops import fill_sqlite, write_pipeline

FIRST = date(2025, 1, 1)
_MODEL = date(2024, 10, 30)


def days(folder: Path, *, rounds: int, small: int, done: int) -> dict[str, Any]:
    """Run days of one row, one by one; back-fill `small` days of 10,000 rows; `done` days again; ask how far they are."""
    return {
        "days": {"small": small, "done": done},
        "samples": {
            "a day of one row": _one_by_one(folder, rounds),
            "small days": [
                _back_fill(folder, f"small-{number}", small, 10_000) for number in range(max(1, rounds // 2))
            ],
            **_done(folder, done, rounds),
        },
    }


def _one_by_one(folder: Path, rounds: int) -> list[Sample]:
    config = _shop(folder, "one", rounds, 1)
    return [_penstock("run", config, "--day", str(FIRST + timedelta(days=number))) for number in range(rounds)]


def _back_fill(folder: Path, name: str, count: int, rows: int) -> Sample:
    sample = _range("backfill", _shop(folder, name, count, rows), count)
    shutil.rmtree(folder / name)
    return sample


def _done(folder: Path, count: int, rounds: int) -> dict[str, list[Sample]]:
    """One real day, which is no day of the range; the others are copied from it."""
    config = _shop(folder, "done", 1, 1, first=_MODEL)
    _penstock("run", config, "--day", str(_MODEL))
    made = [FIRST + timedelta(days=number) for number in range(count)]
    copy_day(config.parent / "staging", _MODEL, made)
    (part,) = (config.parent / "staging").glob(f"*/day={_MODEL}/run=*/part-*.parquet")
    copy_in_sqlite(config.parent / "shop.sqlite", part, _MODEL, made)
    return {
        "done days": [_range("backfill", config, count) for _ in range(max(1, rounds // 2))],
        "status of a day": [_range("status", config, 1) for _ in range(rounds)],
        "status": [_range("status", config, count) for _ in range(rounds)],
    }


def _shop(folder: Path, name: str, count: int, rows: int, *, first: date = FIRST) -> Path:
    place = folder / name
    place.mkdir()
    url = fill_sqlite(place / "shop.sqlite", first, count, rows)
    config = write_pipeline(place / "pipeline.toml", source=url, staging=place / "staging", shards=4 if rows > 1 else 1)
    _penstock("init", config)
    return config


def _range(command: str, config: Path, count: int) -> Sample:
    return _penstock(command, config, "--from", str(FIRST), "--to", str(FIRST + timedelta(days=count - 1)))


def _penstock(command: str, config: Path, *arguments: str) -> Sample:
    logs = {"PENSTOCK_LOGS": str(config.parent / "logs")}
    return run([sys.executable, "-m", "chain", command, "--config", str(config), *arguments], logs)[0]
