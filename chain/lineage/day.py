"""Reports that a day's jobs begin, complete or fail.

Without PENSTOCK_OPENLINEAGE=1 nothing is sent, and OpenLineage's client is not imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from chain.jobs.port import JobName
from staging.config.pipeline import Pipeline
from staging.documents.exports import find_run_export, read_manifest
from staging.documents.manifest import Manifest
from staging.documents.run import Receipt
from staging.documents.run_notes import find_receipts, read_loads
from staging.errors import PenstockError
from staging.names import DayNames
from staging.redaction import redact
from staging.store import Store
from staging.telemetry.open import is_on
from staging.telemetry.variables import LINEAGE
from staging.version import VERSION
from staging.window import load_zone, plan_window

if TYPE_CHECKING:
    from chain.lineage.events import Described, JobRun
    from chain.lineage.sender import Sender


class DayLineage:
    """A day whose lineage nobody wants."""

    @contextmanager
    def job(self, job: JobName, run_id: str) -> Iterator[None]:  # noqa: ARG002 - nobody hears of it
        """Run the block as a job's run."""
        yield


@dataclass(frozen=True, slots=True)
class SentLineage(DayLineage):
    """A day whose jobs' runs are sent to a catalogue."""

    sender: Sender
    pipeline: Pipeline
    names: DayNames
    store: Store
    now: Callable[[], datetime]
    say: Callable[[str], None]

    @contextmanager
    def job(self, job: JobName, run_id: str) -> Iterator[None]:
        """Run the block as a job's run.

        Sends that it begins, and how it ended.
        """
        uuid = str(uuid4())
        self._send("START", job, run_id, uuid)
        try:
            yield
        except BaseException as error:
            self._send("FAIL", job, run_id, uuid, redact(getattr(error, "what", type(error).__name__)))
            raise
        self._send("COMPLETE", job, run_id, uuid)

    def _send(self, state: str, job: JobName, run_id: str, uuid: str, error: str = "") -> None:
        try:
            from openlineage.client.event_v2 import RunState  # noqa: PLC0415 - only where it is wanted

            from chain.lineage.events import describe  # noqa: PLC0415 - the same

            inputs, outputs = self._datasets(job, run_id, is_complete=state == "COMPLETE")
            self.sender.send(
                describe(RunState[state], self.now(), self._job_run(job, run_id, uuid), inputs, outputs, error=error)
            )
        except Exception as gone_wrong:  # noqa: BLE001 - no event is worth a night
            self.say(redact(f"warning: a lineage event could not be made: {gone_wrong}"))

    def _job_run(self, job: JobName, run_id: str, uuid: str) -> JobRun:
        from chain.lineage.events import JobRun  # noqa: PLC0415 - only where it is wanted

        source = self.pipeline.source
        window = plan_window(self.names.day, load_zone(source.timezone), source.window)
        return JobRun(self.pipeline.name, job, uuid, run_id, (window.start, window.end), VERSION)

    def _datasets(self, job: JobName, run_id: str, *, is_complete: bool) -> tuple[list[Described], list[Described]]:
        from chain.lineage.describe_run import describe_data  # noqa: PLC0415 - only where it is wanted

        manifest, receipts = self._documents(run_id)
        loaded = self._rows_loaded(run_id) if is_complete and job == "loader" else None
        sources, exports, parts, target = describe_data(
            self.pipeline, manifest, receipts, rows_loaded=loaded, is_complete=is_complete
        )
        return {"exporter": (sources, exports), "processor": (exports, parts), "loader": (parts, target)}[job]

    def _documents(self, run_id: str) -> tuple[Manifest | None, list[Receipt]]:
        try:
            export = find_run_export(self.store, self.names, run_id)
            if export is None:
                return None, []
            manifest = read_manifest(self.store, self.names, export)
            found = find_receipts(self.store, self.names, run_id, len(manifest.shards))
        except PenstockError:
            return None, []
        return manifest, [receipt for receipt in found if receipt is not None]

    def _rows_loaded(self, run_id: str) -> int | None:
        loads = read_loads(self.store, self.names, run_id)
        return loads[-1].rows if loads else None


NO_LINEAGE = DayLineage()


@contextmanager
def lineage_of_day(
    environ: Mapping[str, str],
    pipeline: Pipeline,
    names: DayNames,
    store: Store,
    *,
    now: Callable[[], datetime],
    say: Callable[[str], None],
) -> Iterator[DayLineage]:
    """Run the block as a day whose lineage is sent, if wanted."""
    sender = _open_sender(say) if is_on(environ, LINEAGE) else None
    if sender is None:
        yield NO_LINEAGE
        return
    try:
        yield SentLineage(sender, pipeline, names, store, now, say)
    finally:
        sender.close()


def _open_sender(say: Callable[[str], None]) -> Sender | None:
    try:
        from chain.lineage.sender import Sender  # noqa: PLC0415 - costs time, and may not be there

        return Sender(say)
    except ImportError as error:
        say(f"warning: {LINEAGE} is set, but {error.name} is not installed: the extra `openlineage` brings it")
    except Exception as error:  # noqa: BLE001 - a wrong variable must not end a night
        say(redact(f"warning: there will be no lineage events: {error}"))
    return None
