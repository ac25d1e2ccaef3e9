"""Whether a stored export answers what the pipeline asks now: it may be used again only then."""

from __future__ import annotations

from staging.config.pipeline import Pipeline
from staging.documents.manifest import Manifest
from staging.errors import InputError
from staging.key import show_key


def check_same_question(manifest: Manifest, pipeline: Pipeline) -> None:
    """Raise InputError that says which of the source's settings are others than those the export was made with.

    How many shards it has, and where the database lies, don't change what was asked; another function or other files
    do.
    """
    source = pipeline.source
    compared = {
        "parquet": (
            manifest.source.table if manifest.source.dialect == "parquet" else "not set",
            source.parquet or "not set",
        ),
        "python": (
            manifest.source.table if manifest.source.dialect == "python" else "not set",
            source.python or "not set",
        ),
        "key": (show_key(manifest.source.key_columns), show_key(source.key_columns)),
        "time": (manifest.source.time, source.time),
        "columns": (", ".join(column.name for column in manifest.carried), ", ".join(source.columns)),
        "where": (manifest.source.where or "not set", source.where or "not set"),
        "timezone": (manifest.timezone, source.timezone),
    }
    if differences := [f"source.{key} was {was} and is {now}" for key, (was, now) in compared.items() if was != now]:
        raise InputError(
            f"The stored export of {manifest.day} was made with other settings.",
            why="; ".join(differences) + ".",
            fix="Read the day again with `penstock run --fresh-export`, or put the settings back.",
        )
