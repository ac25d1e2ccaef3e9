"""A pipeline of many years: what it costs to ask how far its days are, and what their runs did.

One real day is run; the other days are its documents with other dates, written through the store.
"""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bench.measure import Sample, run
from bench.shops import fill_sqlite, write_pipeline
from staging.names import DayNames
from staging.open_store import open_store
from staging.store import Store

_PIPELINE = "bench"
_MODEL = date(2024, 12, 30)
"""Its neighbours are in no month of the days that are made."""


def long(folder: Path, *, rounds: int, days: int) -> dict[str, Any]:
    """Ask `status` and `history` of so many loaded days, in turn; before that once while nothing is remembered."""
    url = fill_sqlite(folder / "shop.sqlite", _MODEL, 1, 1)
    config = write_pipeline(folder / "pipeline.toml", source=url, staging=folder / "staging", shards=1)
    _penstock("init", config)
    _penstock("run", config, "--day", str(_MODEL))
    last = _MODEL - timedelta(days=32)
    first = last - timedelta(days=days - 1)
    with open_store((folder / "staging").as_uri()) as store:
        objects = _objects_of(store, _MODEL)
        for number in range(days):
            _copy(store, objects, first + timedelta(days=number))
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


def _objects_of(store: Store, day: date) -> list[tuple[str, bytes]]:
    """Return the day's objects in the order in which they were written: each after those that it names."""
    names = DayNames(_PIPELINE, day)
    found = [(info.name, store.read(info.name)[0]) for info in store.list(names.day_prefix())]

    def place(each: tuple[str, bytes]) -> tuple[bool, bool]:
        return "/run=" in each[0], each[0].endswith(".json")

    return [*sorted(found, key=place), (names.head(), store.read(names.head())[0])]


def _copy(store: Store, objects: list[tuple[str, bytes]], day: date) -> None:
    generations: dict[str, int] = {}
    sha256 = ""
    for model_name, model in objects:
        name, data = _redated(model_name, day), model
        if name.endswith(".json"):
            document = json.loads(_redated(model.decode(), day))
            for shard in document.get("shards", ()):
                for file in shard["files"]:
                    file["generation"] = generations[file["name"]]
            if name.endswith("/export.json"):
                document["manifest_sha256"] = sha256
                document["manifest_generation"] = next(
                    generation for made, generation in generations.items() if made.endswith("/manifest.json")
                )
            data = json.dumps(document, indent=1).encode() + b"\n"
        generations[name] = store.create(name, data).generation
        if name.endswith("/manifest.json"):
            sha256 = hashlib.sha256(data).hexdigest()


def _redated(text: str, day: date) -> str:
    after = timedelta(days=1)
    return text.replace(str(_MODEL + after), str(day + after)).replace(str(_MODEL), str(day))


def _penstock(command: str, config: Path, *arguments: str) -> Sample:
    logs = {"PENSTOCK_LOGS": str(config.parent / "logs")}
    return run([sys.executable, "-m", "chain", command, "--config", str(config), *arguments], logs)[0]
