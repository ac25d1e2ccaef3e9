"""Proves that texts in a column of choices stayed what they were.

MySQL and MariaDB make one of an ENUM's choices of a text that is none of them: a number counts the choices ('2' is the
second), spaces at the end go, and a collation may overlook case. (MySQL manual 13.3.5, "The ENUM Type".)
"""

from __future__ import annotations

import polars as pl

from loader.target.database import Database
from loader.target.sql import Staged
from staging.errors import InputError


class Choices:
    """The different texts that went into each such column."""

    def __init__(self, staged: Staged) -> None:
        self._staged = staged
        self._sent: dict[str, set[str]] = {column.name: set() for column in staged.columns if column.is_choice}

    def add(self, rows: pl.DataFrame) -> None:
        """Note what is sent.

        `rows` have the columns in the order of the staged ones.
        """
        for name, column in zip(rows.columns, self._staged.columns, strict=True):
            if column.is_choice:
                self._sent[column.name] |= set(rows.get_column(name).drop_nulls().unique())

    def check(self, database: Database) -> None:
        """Raise InputError for a text that became another one."""
        # What is staged is a choice. So a text that is not there was none, and each that is there stayed what it was.
        for column in self._staged.columns:
            if column.is_choice:
                found = database.query(f"SELECT DISTINCT {database.sql.quote(column.name)} FROM {self._staged.name}")
                if changed := sorted(self._sent[column.name] - {str(text) for (text,) in found}):
                    raise InputError(
                        f"Column {column.name} of the target has no choice {changed[0]!r}.",
                        why=f"It is {column.declared}; the database would take another choice for it.",
                        fix="Add the choice, or make the column a VARCHAR. Nothing was written.",
                    )
