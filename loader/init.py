"""Creates the target and ledger tables where they are missing; never alters one."""

from __future__ import annotations

import polars as pl

from staging.config import Pipeline


def init_target(pipeline: Pipeline, schema: pl.Schema, key: str, *, apply: bool) -> list[str]:
    """Return the DDL that was run (`apply`) or would be; empty when both tables are there.

    `schema` is the transform's output and `key` its key column; the target gets these columns and `day`, with
    the primary key (day, key). Raises InputError where the database refuses, UnavailableError where it is away.
    """
    raise NotImplementedError
