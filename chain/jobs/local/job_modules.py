"""Names what each job of a pipeline imports.

The fork server imports it once, for all of them.
"""

from __future__ import annotations

from chain.jobs.local.early_start import OF_ALL, OF_EXPORTER
from chain.jobs.port import JobName
from staging.config.database import DatabaseSection
from staging.config.pipeline import Pipeline
from staging.errors import InputError

_OF_EACH: dict[JobName, tuple[str, ...]] = {
    "processor": ("processor.start", "processor.run_task"),
    "exporter": OF_EXPORTER,
    "loader": ("loader.load_day", "staging.process.watched"),
}
_STORES = {"file": "staging.folder.store", "gs": "staging.gcs.store"}
_DIALECTS = "sqlalchemy.dialects"
_DIALECT_OF = {"postgres": "postgresql", "mysql": "mysql", "sqlite": "sqlite"}
_ROOMS = {"postgresql": "postgres", "postgres": "postgres", "mysql": "mysql", "mariadb": "mysql", "sqlite": "sqlite"}


def plan_modules(pipeline: Pipeline) -> dict[JobName, list[str]]:
    """Return the modules of each job.

    The job that shares most modules with the others comes first. A job itself imports what is left out, and reports
    what is named here and not installed.
    """
    store = _STORES.get(pipeline.staging.url.partition(":")[0].lower(), "staging.store")
    planned = {job: [*OF_ALL, store, *modules] for job, modules in _OF_EACH.items()}
    transform = pipeline.process.transform.partition(":")[0]
    if transform.partition(".")[0] == "processor":  # an author's module is imported by each task alone
        planned["processor"].append(transform)
    if room := _room_of(pipeline.source):
        planned["exporter"] += [f"exporter.{room}.source", f"{_DIALECTS}.{_DIALECT_OF[room]}"]
    if room := _room_of(pipeline.target):
        planned["loader"] += [f"loader.{room}.database", f"{_DIALECTS}.{_DIALECT_OF[room]}"]
    return planned


def _room_of(section: DatabaseSection) -> str | None:
    try:
        url = section.url.reveal() if section.is_database else ""
    except InputError:  # the job that connects reports it
        return None
    return _ROOMS.get(url.partition("://")[0].partition("+")[0].strip().lower())
