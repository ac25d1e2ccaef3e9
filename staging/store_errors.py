"""The outcomes that both adapters must word alike."""

from __future__ import annotations

from staging.errors import (
    GenerationChangedError,
    IntegrityError,
    ObjectExistsError,
    ObjectMissingError,
    UnavailableError,
)

MAX_REPLACEMENT_BYTES = 8 * 1024 * 1024
"""One request of GCS takes so much; only heads of a few hundred bytes are replaced."""


def missing(name: str, generation: int | None, current: int | None = None) -> ObjectMissingError:
    """Return the error for an object that is not there.

    Or for a generation of it; `current` is there instead.
    """
    if generation is None:
        return ObjectMissingError(
            f"{name} is not there.",
            why="It was never written, or somebody deleted it.",
            fix="Run the job that writes it again.",
        )
    return ObjectMissingError(
        f"Generation {generation} of {name} is not there.",
        why=f"Somebody replaced it; generation {current} is there." if current else "Somebody deleted it.",
        fix="Look at who writes below the staging prefix; export the day again with --fresh-export.",
    )


def exists(name: str) -> ObjectExistsError:
    """Return the error for a create-only write that met other bytes."""
    return ObjectExistsError(
        f"{name} is there already, with other bytes.",
        why="Another attempt or another run wrote it first.",
        fix="Nothing was overwritten; see which run wrote it before you start again.",
    )


def writer_over(name: str) -> UnavailableError:
    """Return the error for using a writer that is over.

    It failed, was aborted or committed.
    """
    return UnavailableError(
        f"The writer of {name} takes no more.", why="It failed, was aborted or committed before.", fix="Run again."
    )


def check_replacement(data: bytes, generation: int) -> None:
    """Raise ValueError for data that `replace` is not meant for.

    No generation (0 would create), or more than a document.
    """
    if generation < 1:
        raise ValueError(f"generation {generation} can't be replaced")
    if len(data) > MAX_REPLACEMENT_BYTES:
        raise ValueError(f"{len(data)} bytes are no document to replace another by")


def generation_changed(
    name: str, expected: int, current: int | None, *, to: str = "replaced"
) -> GenerationChangedError:
    """Return the error for a generation that has changed.

    A replace or delete (`to`: replaced, deleted) met another generation, or none.
    """
    return GenerationChangedError(
        f"{name} was changed by somebody else.",
        why=f"Generation {expected} was to be {to}; "
        + (f"generation {current} is there." if current else "the object is not there."),
        fix="Read it again and decide anew.",
    )


def corrupt(name: str, why: str) -> IntegrityError:
    """Return the error for bytes that are not those that were written."""
    return IntegrityError(
        f"{name} is not what was written.",
        why=why,
        fix="Look at the object and its disk or bucket; export the day again with --fresh-export.",
    )


def too_large(name: str, size_bytes: int, max_bytes: int) -> IntegrityError:
    """Return the error for an object that is too large.

    Larger than any that Penstock would write under that name.
    """
    return IntegrityError(
        f"{name} has {size_bytes} bytes; at most {max_bytes} are read.",
        why="Penstock would not write such an object.",
        fix="Look at who writes below the staging prefix.",
    )
