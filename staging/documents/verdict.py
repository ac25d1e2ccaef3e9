"""Ends a task's further attempts at once where none can help.

Cloud Run tries a failed task again whatever its exit code. So an attempt that met a permanent error leaves it in the
bucket, and the next attempt of the same task and execution ends with it before it does anything. Another execution is
another try.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime

from staging.documents.document import Document, Instant
from staging.documents.manifest import Count
from staging.errors import (
    PERMANENT_EXIT_CODES,
    HeldError,
    InputError,
    IntegrityError,
    LeftForLaterError,
    PenstockError,
    UsageError,
)
from staging.names import DayNames
from staging.redaction import redact
from staging.store import Store

_EXECUTION, _TASK, _ATTEMPT = "CLOUD_RUN_EXECUTION", "CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_ATTEMPT"
_CLASSES = {each.exit_code: each for each in (UsageError, InputError, LeftForLaterError, HeldError, IntegrityError)}


class Verdict(Document):
    """The error of an attempt that the next one would meet.

    `verdict-{id}.json`; the id is a digest of the execution's name and the task's number.
    """

    execution: str
    task: Count
    attempt: Count
    exit_code: Count
    what: str
    why: str
    fix: str
    given_at: Instant


@contextmanager
def final_verdict(
    store: Store, names: DayNames, run_id: str, environ: Mapping[str, str], now: Callable[[], datetime]
) -> Iterator[None]:
    """Run the block unless an earlier attempt left a verdict.

    That one is raised then. What the block raises is left as one, if it is permanent. Outside of Cloud Run, whose
    variables say which attempt this is, the block just runs. LeftForLaterError is left, too.
    """
    execution, task, attempt = (environ.get(name, "") for name in (_EXECUTION, _TASK, _ATTEMPT))
    if not execution or not task.isdecimal() or not attempt.isdecimal():
        yield
        return
    name = names.verdict(run_id, hashlib.sha256(f"{execution}/{task}".encode()).hexdigest()[:16])
    if int(attempt) > 0:
        _raise_earlier(store, name)
    try:
        yield
    except PenstockError as error:
        if error.exit_code in PERMANENT_EXIT_CODES or isinstance(error, LeftForLaterError):
            verdict = Verdict(
                execution=execution,
                task=int(task),
                attempt=int(attempt),
                exit_code=int(error.exit_code),
                what=redact(error.what),
                why=redact(error.why),
                fix=redact(error.fix),
                given_at=now(),
            )
            with suppress(PenstockError):  # it saves an attempt, and proves nothing
                store.create(name, verdict.to_bytes())
        raise


def _raise_earlier(store: Store, name: str) -> None:
    if store.find(name) is None:
        return
    try:
        verdict = Verdict.parse(store.read(name)[0], name=name)
    except IntegrityError:
        return
    if kind := next((each for code, each in _CLASSES.items() if code == verdict.exit_code), None):
        raise kind(verdict.what, why=verdict.why, fix=verdict.fix)
