"""What a database's plan says of full scans.

How it would run a statement, as far as an export needs to know: what it reads from end to end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Fetch = Callable[[str], Sequence[tuple[object, ...]]]


@dataclass(frozen=True, slots=True)
class WholeScan:
    """A table that would be read from end to end.

    It has about so many rows. `by_choice`: an index on the time column could be used, and the database finds reading
    everything cheaper. `parts`: it has partitions, which have to get an index each.
    """

    table: str
    rows: int
    by_choice: bool
    parts: bool = False


@dataclass(frozen=True, slots=True)
class Explained:
    """The plan of one statement, which was not run.

    `steps` are short lines for people. `rows` and `row_bytes` are what the database expects to return, None where it
    does not say. `partitions` is how many of how many would be read, None for a table without.
    """

    steps: tuple[str, ...]
    rows: int | None = None
    row_bytes: int | None = None
    partitions: tuple[int, int] | None = None
    whole: tuple[WholeScan, ...] = field(default=())

    @property
    def is_pruned(self) -> bool:
        """Whether partitions are left out."""
        return self.partitions is not None and self.partitions[0] < self.partitions[1]


def sql_text(text: str) -> str:
    """Return text as a literal of standard SQL.

    A dialect that needs doubled backslashes doubles them itself.
    """
    return "'" + text.replace("'", "''") + "'"


def expect_rows(rows: int) -> str:
    """Return `1,234 rows expected`."""
    return f"{rows:,} {'row' if rows == 1 else 'rows'} expected"
