"""Names the data sets of a pipeline.

As OpenLineage does, so that events of other tools mean the same table: https://openlineage.io/docs/spec/naming
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from staging.config.database import DatabaseSection
from staging.config.pipeline import Pipeline
from staging.errors import PenstockError

_PORTS = {"postgres": 5432, "mysql": 3306}
_SCHEMES = {"postgresql": "postgres", "postgres": "postgres", "mysql": "mysql", "mariadb": "mysql", "sqlite": "sqlite"}


@dataclass(frozen=True, slots=True)
class DatasetName:
    """Where a data set lies, and what it is called there."""

    namespace: str
    name: str


def name_source(pipeline: Pipeline) -> DatasetName:
    """Return what the exporter reads."""
    source = pipeline.source
    if source.parquet is not None:
        return _of_pattern(source.parquet)
    if source.python is not None:
        return DatasetName("python", source.python)
    if source.exports is not None:
        return _staged(pipeline, source.exports, "exports")
    return _of_table(source, source.table_parts(), source.table)


def name_beside(pipeline: Pipeline, table: str) -> DatasetName:
    """Return another table that the exporter reads.

    `table` is the pipeline's name for it.
    """
    beside = pipeline.source.with_[table]
    if beside.parquet is not None:
        return _of_pattern(beside.parquet)
    return _of_table(pipeline.source, beside.table_parts(), beside.table)


def name_exports(pipeline: Pipeline, table: str | None = None) -> DatasetName:
    """Return what the exporter writes, and the processor reads.

    Of the leading table, or of another one by the pipeline's name for it.
    """
    return _staged(pipeline, pipeline.name, "exports" if table is None else f"exports/{table}")


def name_parts(pipeline: Pipeline) -> DatasetName:
    """Return what the processor writes, and the loader reads."""
    return _staged(pipeline, pipeline.name, "parts")


def name_target(pipeline: Pipeline) -> DatasetName:
    """Return what the loader writes."""
    target = pipeline.target
    if target.parquet is not None:
        return _of_files(target.parquet)
    return _of_table(target, target.table_parts(), target.table)


def _staged(pipeline: Pipeline, of: str, what: str) -> DatasetName:
    return _of_files(f"{pipeline.staging.url.rstrip('/')}/{of}/{what}")


def _of_pattern(pattern: str) -> DatasetName:
    return _of_files(pattern.partition("{")[0].partition("*")[0])


def _of_files(url: str) -> DatasetName:
    parts = urlsplit(url.rstrip("/"))
    if parts.scheme == "gs":
        return DatasetName(f"gs://{parts.netloc}", parts.path.strip("/") or "/")
    return DatasetName("file", parts.path)


def _of_table(section: DatabaseSection, table_parts: tuple[str | None, str], written: str) -> DatasetName:
    """Name a table by its server.

    Without account or password; where the server is not known here, as it is `written`.
    """
    schema, table = table_parts
    try:
        parts = urlsplit(section.url.reveal())
        port = parts.port
    except (PenstockError, ValueError):
        return DatasetName("unknown", written)
    scheme = _SCHEMES.get(parts.scheme.partition("+")[0], parts.scheme.partition("+")[0])
    database = parts.path.strip("/")
    if scheme == "sqlite":
        return DatasetName("file", f"/{database}/{table}")
    server = f"{scheme}://{parts.hostname or 'localhost'}:{port or _PORTS.get(scheme, 0)}"
    if scheme == "postgres":
        return DatasetName(server, f"{database}.{schema or 'public'}.{table}")
    return DatasetName(server, f"{schema or database}.{table}")
