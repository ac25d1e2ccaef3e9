"""The runs of a pipeline, in short: one object a year.

So thousands of days are shown at once. It is made from the documents of the days and can be rebuilt from them at any
time; nothing is decided by it. Its entry of a day counts only while the day's head has the generation that the entry
was made from.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from staging.documents.document import Document, Instant, Money, Part, WindowName
from staging.documents.manifest import Count

RunOutcome = Literal["loaded", "failed", "stopped", "running", "unfinished"]


class PastRun(Part):
    """One run: who began it and when, and its result.

    And how long each of its stages took. `seconds` are those between the documents that begin and end a stage
    (`export`, `process`, `load`): a stage that was left to itself for a night took a night. `rows`, `totals` and
    changes are from the loader's last note. `error` is why it was given up, empty where it was not.
    """

    run_id: str
    kind: Literal["run", "reprocess"]
    fresh_export: bool
    by: str
    began_at: Instant
    ended_at: Instant | None
    outcome: RunOutcome
    seconds: dict[Literal["export", "process", "load"], float]
    export_id: str | None = None
    rows: Count | None = None
    inserted: Count | None = None
    updated: Count | None = None
    deleted: Count | None = None
    totals: dict[str, Money] = Field(default_factory=dict)
    exit_code: Count = 0
    error: str = ""


class LoadedDay(Part):
    """What a status says of a day at rest.

    Its head's run has loaded the export that the head names. `rows` and `loaded_at` are the loader's first note of it,
    `unfinished` is its manifest's.
    """

    fence: Count
    run_id: str
    export_id: str
    rows: Count
    loaded_at: Instant
    unfinished: bool


class PastDay(Part):
    """The runs of one day, oldest first.

    As they were when its head was of `head_generation`. `loaded` is None where a status has to read the documents.
    `version` is 1 where an earlier Penstock remembered the day, and could not say whether it is loaded.
    """

    day: WindowName
    head_generation: int
    runs: tuple[PastRun, ...]
    version: Count = 1
    loaded: LoadedDay | None = None


class HistoryIndex(Document):
    """Days of one year.

    Replaced by generation; `nonce` is new with every write.
    """

    pipeline: str
    year: int
    days: tuple[PastDay, ...]
    nonce: str
