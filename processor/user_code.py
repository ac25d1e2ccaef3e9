"""Runs the user's code so that whatever it does ends as an error that names its line."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

import staging.errors
from staging.errors import InputError, PenstockError

_OURS = tuple(str(Path(file).parent) for file in (__file__, pl.__file__, str(staging.errors.__file__)))
_BUILT_IN = str(Path(__file__).with_name("revenue.py"))
_MAX_LINES = 8
_MAX_CHARACTERS = 1500


@contextmanager
def user_code(transform: str, doing: str) -> Iterator[None]:
    """Turn anything but our own errors into an InputError: `The transform … {doing}` with reason and the user's lines.

    polars' PanicException and `sys.exit` are no `Exception`; they end here too.
    """
    try:
        yield
    except PenstockError:
        raise
    except BaseException as exc:
        raise InputError(
            f"The transform {transform} {doing}.",
            why=_reason(exc) + "".join(f"\n    {line}" for line in _users_lines(exc)),
            fix="Correct the transform; it can be tried on a shard of the staging folder with polars alone.",
        ) from exc


def _reason(exc: BaseException) -> str:
    kind = "polars panicked" if isinstance(exc, pl.exceptions.PanicException) else type(exc).__name__
    text = "\n    ".join(line for line in str(exc).splitlines()[:_MAX_LINES] if line.strip())
    return f"{kind}: {text[:_MAX_CHARACTERS]}" if text else kind


def _users_lines(exc: BaseException) -> list[str]:
    """Return the frames that are neither polars' nor ours: file, line, function, source line. Values never show."""
    frames = [
        frame
        for frame in traceback.extract_tb(exc.__traceback__)
        if not frame.filename.startswith((*_OURS, "<frozen")) or frame.filename == _BUILT_IN
    ]
    return [f"{f.filename}:{f.lineno} in {f.name}: {f.line or ''}".rstrip(": ") for f in frames[-_MAX_LINES:]]
