"""Checks that pyarrow is installed.

A source that is no database needs it; an image for a database may not have it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from staging.errors import InputError
from staging.version import DISTRIBUTION


@contextmanager
def needs_pyarrow() -> Iterator[None]:
    """Turn its absence into an InputError."""
    try:
        yield
    except ModuleNotFoundError as exc:
        if exc.name is None or not exc.name.startswith("pyarrow"):
            raise
        raise InputError(
            "Parquet files and Python functions are read by pyarrow, which is not installed.",
            fix=f"Install {DISTRIBUTION} with the extra `parquet`, in the way in which it was installed.",
        ) from exc
