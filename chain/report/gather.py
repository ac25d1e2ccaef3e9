"""Gathers what there is to report of a day.

From its documents. Nothing is written, and no database is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chain.cost.estimate import DayCost, DayFigures, estimate_day
from chain.day.report import Conserved, conserve
from chain.diff.find import find_two_exports
from chain.diff.view import describe_changes
from staging.config.cloud import CloudConfig
from staging.documents.exports import read_manifest, read_run_export
from staging.documents.history import PastDay, PastRun
from staging.documents.manifest import Manifest
from staging.documents.run import Loaded, Receipt
from staging.documents.run_notes import find_receipts, read_loads
from staging.documents.timeline import Timeline
from staging.errors import InputError
from staging.names import DayNames, parse_name
from staging.store import Store


@dataclass(frozen=True, slots=True)
class DayPage:
    """A day and the run that is reported.

    The last that has loaded it, else its last one. What the run has not reached is None or empty. `changed` says how
    its export differs from the one before it. `cost` is about what it cost, where jobs run on Google Cloud.
    """

    day: PastDay
    run: PastRun | None
    manifest: Manifest | None = None
    receipts: tuple[Receipt, ...] = ()
    loaded: Loaded | None = None
    conserved: tuple[Conserved, ...] = ()
    timelines: tuple[Timeline, ...] = ()
    changed: str = ""
    cost: DayCost | None = None

    @property
    def is_proven(self) -> bool:
        """Whether every declared sum agrees, and there is one.

        From the source to the target.
        """
        return self.loaded is not None and bool(self.conserved) and all(each.agrees for each in self.conserved)


def gather_day(store: Store, names: DayNames, day: PastDay, cloud: CloudConfig | None = None) -> DayPage:
    """Return what the documents say. IntegrityError for a damaged one.

    `cloud`: where jobs run, for what it cost; None, or without a project, they ran here.
    """
    run = next((run for run in reversed(day.runs) if run.rows is not None), day.runs[-1] if day.runs else None)
    if run is None:
        return DayPage(day, None)
    timelines = _timelines(store, names, run.run_id)
    if store.find(names.run_export(run.run_id)) is None:
        return DayPage(day, run, timelines=timelines)
    manifest = read_manifest(store, names, read_run_export(store, names, run.run_id))
    receipts = [each for each in find_receipts(store, names, run.run_id, len(manifest.shards)) if each is not None]
    loads = read_loads(store, names, run.run_id)
    loaded = loads[-1] if loads else None
    return DayPage(
        day=day,
        run=run,
        manifest=manifest,
        receipts=tuple(receipts),
        loaded=loaded,
        conserved=conserve(manifest, receipts, loaded),
        timelines=timelines,
        changed=_changed(store, names, manifest),
        cost=_estimate(manifest, loaded, run, timelines, cloud) if loaded and cloud and cloud.project else None,
    )


def _estimate(
    manifest: Manifest, loaded: Loaded, run: PastRun, timelines: Sequence[Timeline], cloud: CloudConfig
) -> DayCost:
    tasks = max((each.task_count for each in timelines if each.job == "processor"), default=len(manifest.shards))
    seconds = sum(run.seconds.values())
    return estimate_day(DayFigures(manifest.rows, loaded.rows, len(manifest.shards), tasks, seconds), cloud)


def _changed(store: Store, names: DayNames, manifest: Manifest) -> str:
    """Return how the export differs from the one before it, empty where there is none."""
    try:
        before, after = find_two_exports(store, names, [])
    except InputError:
        return ""
    return describe_changes(before, after) if after.export_id == manifest.export_id else ""


def _timelines(store: Store, names: DayNames, run_id: str) -> tuple[Timeline, ...]:
    found = [info.name for info in store.list(f"{names.run_prefix(run_id)}timeline-")]
    ours: Sequence[str] = [name for name in found if (parsed := parse_name(name)) and parsed.kind == "timeline"]
    return tuple(Timeline.parse(store.read(name)[0], name=name) for name in ours)
