"""What tests of comparing share: days of 200 rows that are exported, changed in the source, and compared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from exporter.compare.days import DayCompared, DayComparer
from staging.config.pipeline import Pipeline
from staging.documents.exports import find_current_manifest
from staging.documents.manifest import Manifest
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.cancel import Cancel
from tests.exporter.days import pipeline, run_export
from tests.exporter.sliced_reads import calm
from tests.shop.purchases import create_purchases, insert_purchases
from tests.shop.tables import Database

FIRST = date(2026, 11, 10)
ROWS = 200


class ChangingDays:
    """A table `purchases` in one database, and a folder with exports of its days."""

    def __init__(self, database: Database, folder: Path, *, read: str = "auto", **source: Any) -> None:
        self.database = database
        self.folder = folder
        self.settings: Pipeline = calm(pipeline(database.url, folder, export={"read": read, "shards": 2}, **source))

    def create(self, days: int) -> None:
        """Make the table, with rows 0 to 199 of each day: of user n % 20, over n / 4 and a cent."""
        columns = {
            "id": "integer PRIMARY KEY",
            "purchased_at": "timestamp NOT NULL",
            "amount": "decimal(10,2) NOT NULL",
            "status": "varchar(10) NOT NULL",
        }
        create_purchases(self.database, columns=columns)
        for number in range(days):
            self.insert([self.row(number, n) for n in range(ROWS)])

    def row(self, day: int, number: int, *, id_: int | None = None) -> tuple[Any, ...]:
        at = f"{FIRST + timedelta(day)} {number // 20 + 6:02}:{number % 60:02}:00"
        return id_ or day * 1000 + number + 1, number % 20, at, str(Decimal(number) / 4 + Decimal("0.01")), "paid"

    def insert(self, rows: Sequence[tuple[Any, ...]]) -> None:
        insert_purchases(self.database, rows)

    def export(self, *days: int, fresh: bool = False) -> list[dict[str, Any]]:
        """Export days, and return their manifests."""
        run = "again" if fresh else "first"
        made = [
            run_export(self.settings, day=FIRST + timedelta(day), run_id=f"run-{run}-{day}", fresh_export=fresh)
            for day in days
        ]
        return [export.manifest for export in made]

    def compare(self, days: int, *, forget: Sequence[str] = (), budget: float | None = None) -> list[DayCompared]:
        """Compare the first days; `forget` are entries of evidence that their manifests are to lack."""
        with open_store(self.settings.staging.url) as store:

            def read_stored(day: date) -> Manifest | None:
                found = find_current_manifest(store, DayNames(self.settings.name, day))
                if found is None:
                    return None
                source = found.source
                evidence = {name: text for name, text in source.evidence.items() if name not in forget}
                return found.model_copy(update={"source": source.model_copy(update={"evidence": evidence})})

            comparer = DayComparer(self.settings, store, Cancel(), budget)
            return list(comparer.compare([FIRST + timedelta(day) for day in range(days)], read_stored))

    def outcomes(self, days: int, *, forget: Sequence[str] = ()) -> list[str]:
        return [each.compared.outcome for each in self.compare(days, forget=forget)]

    def one(self) -> tuple[str, str]:
        """Compare the first day: what came of it, and why."""
        (found,) = self.compare(1)
        return found.compared.outcome, found.compared.why
