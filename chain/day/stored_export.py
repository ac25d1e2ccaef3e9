"""Finds the export that the bucket holds for a day.

By the head; it is given to a run.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from chain.day.state import read_loaded
from staging.documents.head import read_head
from staging.documents.manifest import Manifest
from staging.documents.manifest_check import check_manifest
from staging.documents.run import RunExport
from staging.errors import IntegrityError
from staging.names import DayNames
from staging.store import Store


@dataclass(frozen=True, slots=True)
class StoredExport:
    """A committed export of the day.

    `loaded_run_id` is the last run of the day, where it has loaded this export.
    """

    manifest: Manifest
    generation: int
    sha256: str
    loaded_run_id: str | None

    def for_run(self, run_id: str) -> RunExport:
        """Return the document that gives a run this export.

        By it the run says that it uses this export.
        """
        return RunExport(
            run_id=run_id,
            export_id=self.manifest.export_id,
            manifest_generation=self.generation,
            manifest_sha256=self.sha256,
        )


def find_stored_export(store: Store, names: DayNames) -> StoredExport | None:
    """Return the day's current export, or None where none was ever committed."""
    found = read_head(store, names)
    if found is None or found[0].export_id is None:
        return None
    head = found[0]
    export_id = found[0].export_id
    name = names.manifest(export_id)
    if store.find(name) is None:
        raise IntegrityError(
            f"The manifest of {names.pipeline} {names.day} is gone.",
            why=f"The head names {name}, and it is not in {store.url}.",
            fix="Read the day again: penstock run --fresh-export.",
        )
    data, info = store.read(name)
    manifest = Manifest.parse(data, name=name)
    check_manifest(manifest, names, export_id, name=name)
    loaded = read_loaded(store, names, head.run_id) if head.run_id else None
    done = loaded is not None and loaded.export_id == export_id
    return StoredExport(
        manifest, info.generation, hashlib.sha256(data).hexdigest(), loaded_run_id=head.run_id if done else None
    )
