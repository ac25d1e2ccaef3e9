"""Runs the user's transform and turns its failures into errors.

Each error names the user's line.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from staging.process.user_code import author_code


def user_code(transform: str, doing: str) -> AbstractContextManager[None]:
    """Turn anything but our own errors into an InputError.

    With its reason and the user's lines.
    """
    return author_code(
        f"The transform {transform}",
        doing,
        fix="Correct the transform; `penstock try` runs it over a stored shard and writes nothing.",
    )
