"""Plans what `penstock run` would do with a day.

What the bucket holds of it, and what an export would read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from chain.cost.estimate import DayCost, DayFigures, estimate_day
from chain.day.state import read_day_state
from exporter.inspect.plan import ExportPlan, plan_export, plan_other
from exporter.inspect.stored import plan_stored
from exporter.open_source import open_source
from exporter.port.question import DayQuestion
from exporter.refuse.drift import find_contract
from staging.config.pipeline import AUTO, Pipeline
from staging.documents.exports import StoredExport, find_current_export
from staging.documents.same_question import check_same_question
from staging.errors import PenstockError
from staging.names import DayNames
from staging.store import Store
from staging.window import Window, load_zone, plan_window

_NO_EXPORT = "planned"


@dataclass(frozen=True, slots=True)
class PlannedDay:
    """A day, planned.

    `stored` is the export that `run` would use again instead of reading, None where there is none. `loaded_run_id` is
    the day's last run, where it has loaded that export. `tasks` is how many
    the processor would have, None where the number of rows is not known. `cost` is what the day comes to, None where
    jobs run on this machine, or that is not known.
    """

    pipeline: str
    day: date
    zone: ZoneInfo
    window: Window
    export: ExportPlan
    stored: StoredExport | None
    loaded_run_id: str | None
    tasks: int | None
    cost: DayCost | None
    refused: tuple[PenstockError, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values.

        Times in UTC, times of the zone with their offset.
        """
        export = asdict(self.export)
        export.pop("refused")
        return {
            "pipeline": self.pipeline,
            "day": self.day.isoformat(),
            "timezone": self.zone.key,
            "window_start": self.window.start.isoformat(),
            "window_end": self.window.end.isoformat(),
            "local_start": self.window.start.astimezone(self.zone).isoformat(),
            "local_end": self.window.end.astimezone(self.zone).isoformat(),
            "hours": self.window.hours(),
            **export,
            "tasks": self.tasks,
            "cost_dollars": str(round(self.cost.dollars, 6)) if self.cost else None,
            "stored_export_id": self.stored.manifest.export_id if self.stored else None,
            "stored_as_of": self.stored.manifest.as_of.isoformat() if self.stored else None,
            "loaded_run_id": self.loaded_run_id,
            "refused": [
                {"what": error.what, "why": error.why, "fix": error.fix, "exit_code": int(error.exit_code)}
                for error in self.refused
            ],
        }


def plan_day(pipeline: Pipeline, day: date, store: Store, folders: Sequence[Path]) -> PlannedDay:
    """Return what would happen.

    Nothing is written and no row is read. `folders`: where a source's module may lie.
    """
    zone = load_zone(pipeline.source.timezone)
    names = DayNames(pipeline.name, day)
    question = DayQuestion(pipeline, names, plan_window(day, zone, pipeline.source.window), _NO_EXPORT)
    refused: list[PenstockError] = []
    stored = _find_stored(store, names, pipeline, refused)
    if pipeline.source.is_database:
        export = plan_export(question, find_contract(store, question), open_source)
    elif pipeline.source.exports is not None:
        export = plan_stored(question, store)
    else:
        export = plan_other(question, folders)
    tasks = export.shards if pipeline.process.tasks == AUTO else pipeline.process.tasks
    return PlannedDay(
        pipeline=pipeline.name,
        day=day,
        zone=zone,
        window=question.window,
        export=export,
        stored=stored,
        loaded_run_id=_find_loader(store, names) if stored else None,
        tasks=tasks,
        cost=_estimate(pipeline, export, tasks),
        refused=(*refused, *export.refused),
    )


def _estimate(pipeline: Pipeline, export: ExportPlan, tasks: int | None) -> DayCost | None:
    """Return the cost as if every row were loaded: how many keys a day has is not known before."""
    if pipeline.cloud.project is None or export.rows is None or tasks is None or export.shards is None:
        return None
    seconds = 2 * (export.seconds or 0.0) + 60
    return estimate_day(DayFigures(export.rows, export.rows, export.shards, tasks, seconds), pipeline.cloud)


def _find_stored(
    store: Store, names: DayNames, pipeline: Pipeline, refused: list[PenstockError]
) -> StoredExport | None:
    try:
        stored = find_current_export(store, names)
        if stored is not None:
            check_same_question(stored.manifest, pipeline.source)
    except PenstockError as error:
        refused.append(error)
        return None
    return stored


def _find_loader(store: Store, names: DayNames) -> str | None:
    state = read_day_state(store, names)
    return state.run.run_id if state.run is not None and state.is_done else None


def is_over(window: Window, now: datetime) -> bool:
    """Return whether the day is over by this machine's clock."""
    return now.astimezone(UTC) >= window.end
