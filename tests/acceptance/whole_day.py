"""A pipeline around a shop, and its day brought to done by the very functions the jobs run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from chain.create_tables import create_tables
from exporter.export_day import Surroundings, export_day
from exporter.open_source import open_source
from loader.load_day import load_day
from loader.outcome import Outcome
from processor.assignment import read_assignment
from processor.process_task import process_task
from processor.task import Task
from staging.config.file import load_pipeline
from staging.config.pipeline import Pipeline
from staging.names import DayNames, new_id
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from tests.acceptance.oracle import BusinessDay
from tests.shop.shops import Shop
from tests.shop.tables import Database


@dataclass(frozen=True, slots=True)
class WholeDay:
    """One business day of one shop, from a source to a target over a staging URL, in `folder`."""

    shop: Shop
    day: BusinessDay
    source: Database
    target: Database
    staging_url: str
    folder: Path
    shards: int = 4
    tasks: int = 2

    @property
    def config(self) -> Path:
        """Where the pipeline file lies."""
        return self.folder / "pipeline.toml"

    def write_config(self, **changes: dict[str, object]) -> Path:
        """Write the pipeline file; `changes` are keys of sections that are set otherwise, or left out where None."""
        names = self.shop.names
        schema = names.schema if names.schema and self.source.dialect == "postgresql" else ""
        where = f"{self.source.quote(names.status)} = '{self.shop.status}'" if self.shop.status else None
        sections: dict[str, dict[str, object]] = {
            "source": {
                "url": self.source.url,
                "table": names.table,
                "schema": schema,
                "key": names.key,
                "time": names.time,
                "columns": [names.amount],
                "where": where,
                "timezone": self.day.zone,
            },
            "staging": {"url": self.staging_url},
            "export": {"shards": self.shards},
            "process": {"tasks": self.tasks},
            "target": {"url": self.target.url, "table": names.target, "schema": ""},
        }
        lines = ['name = "daily_revenue"']
        for section in {**sections, **changes}:
            keys = sections.get(section, {}) | changes.get(section, {})
            # JSON's strings, numbers and lists are TOML's.
            pairs = [f"{key} = {json.dumps(value)}" for key, value in keys.items() if value is not None]
            lines += [f"[{section}]", *pairs]
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return self.config

    def pipeline(self) -> Pipeline:
        """Return the pipeline as the jobs read it."""
        return load_pipeline(self.config, environ={})

    def create_tables(self) -> list[str]:
        """Create target and ledger as `penstock init` does; return the SQL."""
        return create_tables(self.pipeline(), apply=True)

    def run_in_process(self, *, fresh_export: bool = False) -> Outcome:
        """Export, process all tasks, load, each as its job does it."""
        pipeline, run_id = self.pipeline(), new_id(datetime.now(UTC))
        with open_store(self.staging_url) as store:
            around = Surroundings(
                store=store,
                open_source=open_source,
                now=_now,
                cancel=Cancel(),
                progress=Progress.from_environment({}),
            )
            export_day(pipeline, self.day.day, run_id, around, fresh_export=fresh_export)
            work = read_assignment(store, pipeline, DayNames(pipeline.name, self.day.day), run_id, ())
            for index in range(self.tasks):
                scratch = self.folder / f"scratch-{run_id}-{index}"
                scratch.mkdir()
                process_task(
                    store,
                    work,
                    Task(index=index, count=self.tasks, attempt=0),
                    scratch=scratch,
                    cancel=Cancel(),
                    progress=Progress.from_environment({}),
                    say=_say_nothing,
                )
            return load_day(pipeline, self.day.day, run_id, store=store, now=_now, cancel=Cancel(), say=_say_nothing)


def _now() -> datetime:
    return datetime.now(UTC)


def _say_nothing(line: str) -> None:
    pass
