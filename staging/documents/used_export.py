"""Reads the export that a run uses.

By the generation the run named, and believed only where it agrees with itself.
"""

from __future__ import annotations

import hashlib

from staging.documents.manifest import Manifest
from staging.documents.manifest_check import check_manifest
from staging.documents.run import RunExport
from staging.errors import InputError, IntegrityError
from staging.names import DayNames
from staging.store import Store


def read_run_export(store: Store, names: DayNames, run_id: str) -> RunExport:
    """Return the run's `export.json`.

    InputError when the run has none, IntegrityError when it is another run's.
    """
    name = names.run_export(run_id)
    if store.find(name) is None:
        raise InputError(
            f"The run {run_id} of {names.pipeline} {names.day} uses no export yet.",
            why=f"{name} is not in {store.url}.",
            fix="Run the exporter with this run id first, or look for a slip in --run-id, --day or staging.url.",
        )
    export = RunExport.parse(store.read(name)[0], name=name)
    if export.run_id != run_id:
        raise IntegrityError(
            f"{name} is of another run.", why=f"It says {export.run_id}.", fix="Somebody copied it there: run again."
        )
    return export


def read_manifest(store: Store, names: DayNames, export: RunExport) -> Manifest:
    """Return the manifest of a run's export.

    This very generation, these very bytes. Else IntegrityError.
    """
    name = names.manifest(export.export_id)
    data, _ = store.read(name, generation=export.manifest_generation)
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != export.manifest_sha256:
        raise IntegrityError(
            f"{name} is not the manifest that this run uses.",
            why=f"Its SHA-256 is {sha256}; the run named {export.manifest_sha256}.",
            fix="The object was damaged: export the day again with --fresh-export.",
        )
    manifest = Manifest.parse(data, name=name)
    check_manifest(manifest, names, export.export_id, name=name)
    return manifest
