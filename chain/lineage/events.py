"""Describes a job's run as OpenLineage does, by that project's own classes.

The schema and rows of each data set, and which column is made of which, come from the documents of the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    OutputDatasetFacet,
    column_lineage_dataset,
    error_message_run,
    nominal_time_run,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    schema_dataset,
)

from chain.lineage.datasets import DatasetName

PRODUCER = "https://pypi.org/project/penstock-pipelines"
NAMESPACE = "penstock"


@dataclass(frozen=True, slots=True)
class Described:
    """A data set with what is known of it.

    `columns`: type by name. `rows` that were written. `made_of`: what each column is made of, a data set's column each.
    """

    name: DatasetName
    columns: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None
    size_bytes: int | None = None
    made_of: Mapping[str, Sequence[tuple[DatasetName, str]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobRun:
    """One job of one run of a day.

    `id` is a UUID of its own; the window is two instants.
    """

    pipeline: str
    job: str
    id: str
    run_id: str
    window: tuple[datetime, datetime]
    version: str


def describe(
    state: RunState,
    at: datetime,
    job: JobRun,
    inputs: Sequence[Described],
    outputs: Sequence[Described],
    *,
    error: str = "",
) -> RunEvent:
    """Return the event that says how a job's run is now."""
    return RunEvent(
        eventTime=at.isoformat(),
        eventType=state,
        producer=PRODUCER,
        run=Run(job.id, _run_facets(job, error)),
        job=Job(NAMESPACE, f"{job.pipeline}.{job.job}"),
        inputs=[InputDataset(each.name.namespace, each.name.name, facets=_facets(each)) for each in inputs],
        outputs=[_output(each) for each in outputs],
    )


def day_id(run_id: str) -> str:
    """Return the UUID of a whole run.

    Each job's run is a part of it.
    """
    return str(uuid5(NAMESPACE_URL, f"{PRODUCER}/{run_id}"))


def _run_facets(job: JobRun, error: str) -> dict[str, Any]:
    start, end = (instant.isoformat() for instant in job.window)
    facets: dict[str, Any] = {
        "nominalTime": nominal_time_run.NominalTimeRunFacet(start, end),
        "parent": parent_run.ParentRunFacet(
            run=parent_run.Run(day_id(job.run_id)), job=parent_run.Job(NAMESPACE, job.pipeline)
        ),
        "processing_engine": processing_engine_run.ProcessingEngineRunFacet(job.version, "Penstock"),
    }
    if error:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(error, "PYTHON")
    return facets


def _output(output: Described) -> OutputDataset:
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(output.rows, output.size_bytes)
    written: dict[str, OutputDatasetFacet] = {"outputStatistics": statistics} if output.rows is not None else {}
    return OutputDataset(output.name.namespace, output.name.name, written, facets=_facets(output) | _lineage(output))


def _facets(described: Described) -> dict[str, Any]:
    if not described.columns:
        return {}
    fields = [schema_dataset.SchemaDatasetFacetFields(name, kind) for name, kind in described.columns.items()]
    return {"schema": schema_dataset.SchemaDatasetFacet(fields)}


def _lineage(output: Described) -> dict[str, Any]:
    """Return what each column of an output is made of; an input's writer reports that of the input."""
    if not output.made_of:
        return {}
    fields = {
        column: column_lineage_dataset.Fields(
            [column_lineage_dataset.InputField(of.namespace, of.name, name) for of, name in sources]
        )
        for column, sources in output.made_of.items()
    }
    return {"columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(fields)}
