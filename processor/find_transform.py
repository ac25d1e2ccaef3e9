"""Finds the transform that the pipeline names or writes out as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from processor.sql import sql_transform
from processor.transform import Transform
from staging.config.pipeline import ProcessConfig
from staging.errors import InputError
from staging.process.author_module import find_attribute


def find_transform(process: ProcessConfig, folders: Sequence[Path]) -> Transform:
    """Return the transform: imported, or made of its SQL.

    `folders` are searched before what is installed. InputError says what is missing.
    """
    if process.sql is not None:
        return sql_transform(process.sql, process.conserves)
    return _import(process.transform, folders)


def _import(name: str, folders: Sequence[Path]) -> Transform:
    found = find_attribute(name, folders, what="transform", key="process.transform")
    if not isinstance(found, Transform):
        raise InputError(
            f"{name} is no transform.",
            why=f"It is of type {type(found).__name__}.",
            fix="Write `name = Transform(contract=…, apply=…)`, from processor.transform, and name that.",
        )
    return found
