"""Gives a transform the tables beside the leading one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from staging.errors import InputError


class NoSuchTableError(InputError, KeyError):
    """A transform asks for a table that the pipeline does not read."""


class Tables(Mapping[str, pl.LazyFrame]):
    """Tables by the names that the pipeline file gives them.

    Each holds the rows of the shard's own keys: its key, its time where it has one, then its columns.
    """

    def __init__(self, frames: Mapping[str, pl.LazyFrame] | None = None) -> None:
        self._frames = dict(frames or {})

    def __getitem__(self, name: str) -> pl.LazyFrame:
        """Return the table; NoSuchTableError says which there are."""
        if name not in self._frames:
            raise NoSuchTableError(
                f"The transform asks for the table {name!r}, which the export does not have.",
                why=f"Its tables beside the leading one are {', '.join(self._frames)}."
                if self._frames
                else "It has none beside the leading one.",
                fix=f"Name it in the pipeline file: [source.with.{name}], with table, key and columns.",
            )
        return self._frames[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names in the order of the manifest."""
        return iter(self._frames)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._frames)


def empty_tables(schemas: Mapping[str, pl.Schema]) -> Tables:
    """Return tables that have their columns and no rows."""
    return Tables({name: pl.LazyFrame(schema=schema) for name, schema in schemas.items()})
