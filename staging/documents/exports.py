"""Reads the exports of a day.

The current one, any other, the one that a run uses. Each is believed only if its manifest agrees with itself and its
place.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from staging.documents.document import find_document
from staging.documents.head import read_head
from staging.documents.manifest import Manifest
from staging.documents.manifest_check import check_manifest
from staging.documents.run import RunExport
from staging.errors import InputError, IntegrityError, ObjectMissingError
from staging.names import DayNames
from staging.store import Store


@dataclass(frozen=True, slots=True)
class StoredExport:
    """A committed export, and which object its manifest is."""

    manifest: Manifest
    generation: int
    sha256: str

    def for_run(self, run_id: str) -> RunExport:
        """Return the document that gives a run this export."""
        return RunExport(
            run_id=run_id,
            export_id=self.manifest.export_id,
            manifest_generation=self.generation,
            manifest_sha256=self.sha256,
        )


def find_current_export(store: Store, names: DayNames) -> StoredExport | None:
    """Return the day's current export, or None where none was ever committed.

    IntegrityError where the head names one whose manifest is gone.
    """
    export_id = find_current_id(store, names)
    if export_id is None:
        return None
    found = find_export(store, names, export_id)
    if found is None:
        raise IntegrityError(
            f"The manifest of {names.pipeline} {names.day} is gone.",
            why=f"The head names {names.manifest(export_id)}, and it is not in {store.url}.",
            fix="Read the day again: penstock run --fresh-export.",
        )
    return found


def find_current_manifest(store: Store, names: DayNames) -> Manifest | None:
    """Return the manifest of the day's current export, or None.

    None where there is none, or somebody deleted it.
    """
    export_id = find_current_id(store, names)
    found = find_export(store, names, export_id) if export_id else None
    return found.manifest if found else None


def find_current_id(store: Store, names: DayNames) -> str | None:
    """Return the id of the day's current export, or None."""
    head = read_head(store, names)
    return head[0].export_id if head else None


def find_export(store: Store, names: DayNames, export_id: str) -> StoredExport | None:
    """Return an export of the day, or None without its manifest."""
    name = names.manifest(export_id)
    try:
        data, info = store.read(name)
    except ObjectMissingError:
        return None
    manifest = Manifest.parse(data, name=name)
    check_manifest(manifest, names, export_id, name=name)
    return StoredExport(manifest, info.generation, hashlib.sha256(data).hexdigest())


def find_run_export(store: Store, names: DayNames, run_id: str) -> RunExport | None:
    """Return the run's `export.json`, or None where it has settled on none.

    IntegrityError when it is another run's.
    """
    name = names.run_export(run_id)
    export = find_document(store, name, RunExport)
    if export is not None and export.run_id != run_id:
        raise IntegrityError(
            f"{name} is of another run.", why=f"It says {export.run_id}.", fix="Somebody copied it there: run again."
        )
    return export


def read_run_export(store: Store, names: DayNames, run_id: str) -> RunExport:
    """Return the run's `export.json`.

    InputError when the run has none, IntegrityError when it is another run's.
    """
    export = find_run_export(store, names, run_id)
    if export is None:
        raise InputError(
            f"The run {run_id} of {names.pipeline} {names.day} uses no export yet.",
            why=f"{names.run_export(run_id)} is not in {store.url}.",
            fix="Run the exporter with this run id first, or look for a slip in --run-id, --day or staging.url.",
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
