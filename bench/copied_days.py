"""Makes many loaded days of one: its documents with other dates, its rows in the target and in the ledger, too.

Running each of them would take longer than the measurements on them.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from loader.target.row_text import ContentDigest, format_rows
from staging.names import DayNames
from staging.open_store import open_store
from staging.store import Store

_PIPELINE = "bench"


def copy_day(staging: Path, model: date, days: Sequence[date]) -> None:
    """Write the documents of a day that was run for each of these days, through the store."""
    with open_store(staging.as_uri()) as store:
        objects = _objects_of(store, model)
        for day in days:
            _copy(store, objects, model, day)


def copy_in_sqlite(target: Path, part: Path, model: date, days: Sequence[date]) -> None:
    """Copy what a day of one shard has in the target and in the ledger; digests are of `part`, its part."""
    rows = pl.read_parquet(part)
    with closing(sqlite3.connect(target)) as connection, connection:
        for table in ("revenue", "penstock_ledger"):
            found = connection.execute(f"SELECT * FROM {table} WHERE day = ?", (str(model),))
            columns = [column for column, *_ in found.description]
            copied = [
                {**_redated_row(dict(zip(columns, row, strict=True)), model, day), "digest": _digest(rows, day)}
                for row in found.fetchall()
                for day in days
            ]
            places = ", ".join(f":{column}" for column in columns)
            connection.executemany(f"INSERT INTO {table} VALUES ({places})", copied)


def _redated_row(row: dict[str, Any], model: date, day: date) -> dict[str, Any]:
    return {name: _redated(value, model, day) if isinstance(value, str) else value for name, value in row.items()}


def _digest(rows: pl.DataFrame, day: date) -> str:
    digest = ContentDigest(day, rows.schema)
    digest.add(format_rows(rows))
    return digest.hexdigest()


def _objects_of(store: Store, day: date) -> list[tuple[str, bytes]]:
    """Return the day's objects in the order in which they were written: each after those that it names."""
    names = DayNames(_PIPELINE, day)
    found = [(info.name, store.read(info.name)[0]) for info in store.list(names.day_prefix())]

    def place(each: tuple[str, bytes]) -> tuple[bool, bool]:
        return "/run=" in each[0], each[0].endswith(".json")

    return [*sorted(found, key=place), (names.head(), store.read(names.head())[0])]


def _copy(store: Store, objects: list[tuple[str, bytes]], model: date, day: date) -> None:
    generations: dict[str, int] = {}
    sha256 = ""
    for model_name, model_data in objects:
        name, data = _redated(model_name, model, day), model_data
        if name.endswith(".json"):
            document = json.loads(_redated(model_data.decode(), model, day))
            _name_generations(document, generations)
            if name.endswith("/export.json"):
                document["manifest_sha256"] = sha256
                document["manifest_generation"] = next(
                    generation for made, generation in generations.items() if made.endswith("/manifest.json")
                )
            data = json.dumps(document, indent=1).encode() + b"\n"
        generations[name] = store.create(name, data).generation
        if name.endswith("/manifest.json"):
            sha256 = hashlib.sha256(data).hexdigest()


def _name_generations(document: object, generations: Mapping[str, int]) -> None:
    """Let each file that a document names be the copied one."""
    if isinstance(document, dict):
        if document.get("name") in generations and "generation" in document:
            document["generation"] = generations[document["name"]]
        _name_generations([*document.values()], generations)
    elif isinstance(document, list):
        for each in document:
            _name_generations(each, generations)


def _redated(text: str, model: date, day: date) -> str:
    after = timedelta(days=1)
    return text.replace(str(model + after), str(day + after)).replace(str(model), str(day))
