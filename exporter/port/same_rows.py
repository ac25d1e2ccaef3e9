"""How a database tells whether rows are those of an export.

Without giving the rows again. Each adapter has its own way beyond count and sums: PostgreSQL has versions of rows,
MySQL and MariaDB a checksum of their texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Sameness = Literal["equal", "changed", "not sure"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What figures say of rows, and why.

    For a window whose count is the same.
    """

    sameness: Sameness
    why: str = ""


@dataclass(frozen=True, slots=True)
class Telling:
    """What is asked of a window, and what the answer means.

    `select` are SQL expressions that give an integer for any part of the window (NULL is 0) and add up over parts that
    meet, even if each was asked at another moment. `judge` gets their sums. `how` names the method for people.
    """

    how: str
    select: tuple[str, ...]
    judge: Callable[[Sequence[int]], Verdict]
    quick: str = ""
    """One more such expression, cheaper than all others: 0, for a window with as many rows as were exported, proves
    that they are the same rows, so that no sum has to be asked for."""
