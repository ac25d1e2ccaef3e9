"""The `[target]` section: what receives the rows."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator

from staging.config.checks import check_staging_url
from staging.config.database import DatabaseSection
from staging.config.section import Name, Section


class _Files(Section):
    """The keys that take the place of a table."""

    parquet: Annotated[Name, AfterValidator(check_staging_url)] | None = None


class TargetConfig(DatabaseSection, _Files):
    """What receives one row per key and day.

    A table, or `parquet` files below a URL.
    """

    section: ClassVar[str] = "target"
    elsewhere: ClassVar[tuple[str, ...]] = ("parquet",)
    rows_go: ClassVar[str] = "go to files"

    ledger: Name = "penstock_ledger"

    @property
    def place(self) -> str:
        """Where the rows go, as a sentence begins with it."""
        return f"Parquet files in {self.parquet}" if self.parquet is not None else f"Table {self.table}"
