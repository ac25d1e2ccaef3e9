"""Notes in the bucket why a run failed.

For `penstock status`; nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from staging.documents.head import read_head
from staging.documents.run import RunFailure
from staging.errors import HeldError, InterruptedRunError, PenstockError
from staging.names import DayNames, new_id
from staging.process.cancel import STOPPED
from staging.redaction import redact
from staging.store import Store

_LOG = "\n  log: "  # as `chain.jobs.errors` puts it below what to do


@contextmanager
def noted_failures(
    store: Store, names: DayNames, now: Callable[[], datetime], say: Callable[[str], None], *, by: str = ""
) -> Iterator[None]:
    """Note with the day's last run what the block raises.

    Not if somebody else holds the day: the last run is not this one's.
    """
    try:
        yield
    except HeldError:
        raise
    except PenstockError as error:
        try:
            note_failure(store, names, error, now(), by=by)
        except PenstockError as unnoted:
            say(f"warning: why the run ended could not be noted in the bucket: {unnoted.what}")
        raise


def note_failure(store: Store, names: DayNames, error: PenstockError, now: datetime, *, by: str = "") -> None:
    """Create a note beside the documents of the head's run.

    Nothing where no run has begun.
    """
    found = read_head(store, names)
    if found is None or (run_id := found[0].run_id) is None:
        return
    fix, _, log = redact(error.fix).partition(_LOG)
    failure = RunFailure(
        run_id=run_id,
        exit_code=int(error.exit_code),
        what=redact(error.what),
        why=redact(error.why),
        fix=fix,
        log=log,
        failed_at=now,
        by=by,
        stopped=isinstance(error, InterruptedRunError) and error.what.startswith(STOPPED),
    )
    store.create(names.failure(run_id, new_id(now)), failure.to_bytes())
