"""Seals all tables of a read in slices at one instant.

In one snapshot, after the last slice of the last table: what was read of each table is what that snapshot holds of it,
or nothing counts (docs/decisions/0018).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from exporter.port.sliced_source import Seal, Slices, StartOverError
from exporter.read.again import Again
from exporter.read.slice_loop import SlicedRead
from staging.process.cancel import Cancel

_TRIES = 3


class Sealing:
    """The seal of all tables.

    `seal` begins its snapshot and `end` ends it. In between, tables without a time are read in it. `tables` are all of
    them, those too. Both run in the reader's thread.
    """

    def __init__(
        self, reads: Sequence[SlicedRead], tables: Sequence[Slices], cancel: Cancel, begin: Callable[[], None]
    ) -> None:
        self._reads = reads
        self._tables = tables
        self._cancel = cancel
        self._begin = begin
        self._again = Again(tables[0], cancel)
        self.seals: list[Seal] = []

    @property
    def repeated(self) -> int:
        """How often the seal was begun anew."""
        return self._again.repeated

    def seal(self) -> None:
        """Compare each table with what was read of it.

        Errors as those of `end`.
        """
        self._cancel.check()
        self._begin()
        self._again.do(self._seal_all, _TRIES)
        if not self.seals[-1].agrees:
            self.end()

    def end(self) -> None:
        """End the snapshot.

        IntegrityError or StartOverError where a table was replaced, or may have been; StartOverError where rows differ
        from those that were read.
        """
        self.check_tables()
        seal = self.seals[-1]
        if not seal.agrees:
            least = max(seal.rows_differ, 1)
            differ = "1 row differs" if least == 1 else f"{least} rows differ"
            raise StartOverError(
                f"The table changed while it was read in slices: at least {differ}.",
                why=f"{self._of_which()}The seal ({seal.how}) found {seal.found}; expected {seal.expected}.",
                fix='Run again when nobody writes rows of that day, or set `export.read = "snapshot"`.',
            )

    def check_tables(self) -> None:
        """End the snapshot where it is open, then check each table.

        Raises the errors of `Slices.check_table`. That of a table which was replaced for certain comes first.
        """
        self._tables[0].end_seal()
        touched: StartOverError | None = None
        for table in self._tables:
            try:
                table.check_table()
            except StartOverError as error:
                touched = touched or error
        if touched is not None:
            raise touched

    def _seal_all(self) -> None:
        """Seal one table after the other, until one does not agree."""
        self.seals = []
        try:
            for read in self._reads:
                self.seals.append(read.slices.seal(read.counts.stretches))
                if not self.seals[-1].agrees:
                    break
        except BaseException:
            self._tables[0].end_seal()
            raise

    def _of_which(self) -> str:
        return f"It is {self._tables[len(self.seals) - 1].table_sql}. " if len(self._tables) > 1 else ""
