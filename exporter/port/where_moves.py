"""What makes a `source.where` depend on more than its row, in any dialect: a subquery, the clock.

The seal sees rows that change. It can't see a row that joins or leaves the window because something else did.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_WITHOUT_A_ROW = "may change without any row changing"


@dataclass(frozen=True, slots=True)
class WhereWords:
    """How a dialect writes a string, and which words begin a subquery or ask for the clock."""

    text: re.Pattern[str]
    subquery: re.Pattern[str]
    clock: re.Pattern[str]

    def strip_texts(self, where: str) -> str:
        """Return it with all its strings empty, so that what stands in them is not taken for SQL."""
        return self.text.sub("''", where)

    def why_it_moves(self, bare: str) -> str:
        """Return what in it, its strings empty, may give the same row another answer, as a clause; "" for nothing."""
        if self.subquery.search(bare):
            return f"source.where has a subquery: what it asks {_WITHOUT_A_ROW}"
        if clock := self.clock.search(bare):
            return f"source.where asks for {clock[1].lower()}, which changes without any row changing"
        return ""


def words(pattern: str) -> re.Pattern[str]:
    """Return what finds one of these words, `a|b`, in either case."""
    return re.compile(rf"\b({pattern})\b", re.IGNORECASE)


def calls(name: str) -> str:
    """Return the clause that names a function whose answer is not the row's alone."""
    return f"source.where calls {name}(), whose answer {_WITHOUT_A_ROW}"
