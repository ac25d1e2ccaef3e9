"""Checks a store: staging, or a target of files.

It checks that the store is there, and keeps the promises that everything relies on. Small objects are written below
`doctor/` and `heads/doctor/`, which no job ever looks at, and deleted again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime

from staging.config.pipeline import Pipeline
from staging.documents.pause_switch import read_pause_switch
from staging.errors import IntegrityError, ObjectExistsError, PenstockError
from staging.open_store import open_store
from staging.process.finding import Finding, fault, warn, well
from staging.store import ObjectInfo, Store

_SKEW_SECONDS = 5.0
_TEXT = b"penstock doctor\n"


def examine_staging(pipeline: Pipeline, now: Callable[[], datetime]) -> Iterator[Finding]:
    """Yield the findings of the staging store.

    And whether the pipeline is paused there.
    """
    yield from examine_store("staging", pipeline.staging.url, now, folder="heads/doctor")
    with suppress(PenstockError), open_store(pipeline.staging.url) as store:  # it was reported already
        switch = read_pause_switch(store, pipeline.name)
        if switch is not None and switch.paused:
            yield warn("pause", f"The pipeline is {switch.describe()}.", "penstock unpause lets it read again.")


def examine_store(name: str, url: str, now: Callable[[], datetime], *, folder: str = "doctor") -> Iterator[Finding]:
    """Yield the findings of a store as they come.

    `name` is its purpose. Below `folder` an object is replaced, as each run replaces its head: rights may be given for
    that prefix alone.
    """
    try:
        with open_store(url) as store:
            yield well(name, f"{store.url} answers")
            probe = f"doctor/{secrets.token_hex(8)}.txt"
            info = store.create(probe, _TEXT)
            yield _clock(name, info, now())
            yield from _examine_promises(name, store, probe, info)
            yield from _examine_replacing(name, store, folder)
    except PenstockError as error:
        yield fault(name, error)


def _examine_promises(name: str, store: Store, probe: str, info: ObjectInfo) -> Iterator[Finding]:
    try:
        data, read = store.read(probe, generation=info.generation)
        if data != _TEXT or read.generation != info.generation:
            why = "Another generation or other bytes came back."
            raise IntegrityError("What was written is not what was read.", why=why, fix="Look at the bucket.")
        yield well(f"{name} rights", "objects can be created and read")
        yield _create_only(name, store, probe)
    except PenstockError as error:
        yield fault(f"{name} rights", error)
    try:
        store.delete(probe, generation=info.generation)
    except PenstockError as error:
        # Only `gc` needs it; no job deletes.
        fix = f"`penstock gc` needs the right to delete; no job does. {probe} may stay."
        yield warn(f"{name} deletes", f"{error.what} {error.why}".strip(), fix)


def _examine_replacing(name: str, store: Store, folder: str) -> Iterator[Finding]:
    """Replace an object by its generation; on Cloud Storage this needs another right than creating one."""
    probe = f"{folder}/{secrets.token_hex(8)}.txt"
    try:
        info = store.create(probe, _TEXT)
        info = store.replace(probe, b"replaced\n", generation=info.generation)
        yield well(f"{name} replaces", f"objects below {folder}/ are replaced by the generation that was read")
    except PenstockError as error:
        error.fix = error.fix or "Each run replaces an object there."
        yield fault(f"{name} replaces", error)
        return
    with suppress(PenstockError):  # who may replace may delete; a missing right was reported above
        store.delete(probe, generation=info.generation)


def _create_only(name: str, store: Store, probe: str) -> Finding:
    try:
        store.create(probe, b"another\n")
    except ObjectExistsError:
        return well(f"{name} writes", "are create-only: a name that is taken is refused")
    return fault(
        f"{name} writes",
        IntegrityError(
            "A name that was taken was written again.",
            why="The service ignores if_generation_match, so two runs could overwrite each other.",
            fix="Use Cloud Storage itself, or an emulator that honours preconditions.",
        ),
    )


def _clock(name: str, info: ObjectInfo, now: datetime) -> Finding:
    skew = abs((info.updated_at - now).total_seconds())
    if skew > _SKEW_SECONDS:
        text = f"The service's clock differs from this machine's by {skew:.0f} s; leases go by the service's."
        return warn(f"{name} clock", text, "Let this machine follow NTP.")
    return well(f"{name} clock", "agrees with this machine's")
