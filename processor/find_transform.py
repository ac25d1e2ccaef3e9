"""Finds the transform that the pipeline names as `package.module:attribute`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from processor.transform import Transform
from staging.errors import InputError
from staging.process.author_module import find_attribute


def find_transform(name: str, folders: Sequence[Path]) -> Transform:
    """Import the transform and return it.

    `folders` are searched after what is installed. InputError says what is missing.
    """
    found = find_attribute(name, folders, what="transform", key="process.transform")
    if not isinstance(found, Transform):
        raise InputError(
            f"{name} is no transform.",
            why=f"It is of type {type(found).__name__}.",
            fix="Write `name = Transform(contract=…, apply=…)`, from processor.transform, and name that.",
        )
    return found
