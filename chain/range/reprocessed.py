"""Remembers which days of a range were done anew.

Reprocessed or read again since somebody asked for it, so that an interrupted range goes on. Only these need a note of
their own in the bucket: a day's own documents say whether it is done, but not since when it is done anew. The note
holds a digest of what processes (`logic_sha256`), as far as it is known here: a user who changed that and gives the
command again wants all days anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from chain.day.state import read_day_state
from staging.config.pipeline import Pipeline
from staging.documents.run import Backfill, RunRecord
from staging.names import BackfillNames, DayNames, new_id
from staging.store import ObjectInfo, Store
from staging.version import VERSION

Anew = Literal["reprocess", "fresh export"]


@dataclass(frozen=True, slots=True)
class ReprocessedDays:
    """A range that is being reprocessed.

    `begun` is the object that says so.
    """

    store: Store
    names: BackfillNames
    note: Backfill
    begun: ObjectInfo

    def has(self, day: date) -> bool:
        """Return whether the day was reprocessed and loaded in this range.

        Since the range was begun, by the storage service's clock.
        """
        names = DayNames(self.names.pipeline, day)
        state = read_day_state(self.store, names)
        if state.run is None or state.run.kind != "reprocess" or not state.is_done:
            return False
        return self._is_of_range(names, state.run)

    def has_read(self, day: date) -> bool:
        """Return whether the day was read in this range.

        Its last run has a fresh export and need not read the source again, loaded or not.
        """
        names = DayNames(self.names.pipeline, day)
        state = read_day_state(self.store, names)
        if state.run is None or not state.run.fresh_export or not state.has_export:
            return False
        return self._is_of_range(names, state.run)

    def _is_of_range(self, names: DayNames, run: RunRecord) -> bool:
        info = self.store.find(names.run(run.run_id))
        return info is not None and info.updated_at >= self.begun.updated_at

    def end(self) -> None:
        """Note that all days are done: the same command begins anew."""
        self.store.create(self.names.ended(self.note.backfill_id), self.note.to_bytes())


def begin_range(
    store: Store, names: BackfillNames, logic_sha256: str, now: datetime, *, anew: bool, say: Callable[[str], None]
) -> ReprocessedDays:
    """Resume an unfinished range, or note a new one.

    The newest range that is not done yet and has the same logic.
    """
    found = None if anew else _find_unfinished(store, names, logic_sha256)
    if found is not None:
        say(f"going on with what was begun at {found.note.begun_at:%F %T} UTC; --anew processes all days again")
        return found
    note = Backfill(
        backfill_id=new_id(now),
        pipeline=names.pipeline,
        first=names.first,
        last=names.last,
        logic_sha256=logic_sha256,
        begun_at=now,
    )
    return ReprocessedDays(store, names, note, store.create(names.begun(note.backfill_id), note.to_bytes()))


def _find_unfinished(store: Store, names: BackfillNames, logic_sha256: str) -> ReprocessedDays | None:
    """Only the newest counts: it may have asked for something else than those before."""
    infos = {info.name: info for info in store.list(names.prefix())}
    notes = [(Backfill.parse(store.read(name)[0], name=name), infos[name]) for name in infos if names.is_begun(name)]
    if not notes:
        return None
    note, info = max(notes, key=lambda each: (each[1].updated_at, each[0].begun_at))
    if note.logic_sha256 != logic_sha256 or names.ended(note.backfill_id) in infos:
        return None
    return ReprocessedDays(store, names, note, info)


def digest_logic(pipeline: Pipeline, folders: Sequence[Path], *, anew: Anew = "reprocess") -> str:
    """Return a SHA-256 of what processes.

    Penstock's version, the image, the transform's name and its file, if any. A range that is read again has another
    one than a range that is reprocessed.
    """
    process = pipeline.process
    module = process.transform.partition(":")[0].replace(".", "/")
    digest = hashlib.sha256()
    for part in (VERSION, str(pipeline.cloud.images.processor), module, process.name):
        digest.update(f"{part}\n".encode())
    for path in (folder / f"{module}{end}" for folder in folders for end in (".py", "/__init__.py")):
        if path.is_file():
            digest.update(path.read_bytes())
    if anew != "reprocess":
        digest.update(f"{anew}\n".encode())
    return digest.hexdigest()
