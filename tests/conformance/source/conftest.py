"""Where days come from, as the one suite sees it: each database, by each of its reads, Parquet files, a function."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from databases.url import parse_url
from exporter.any_dialect import AnySource
from exporter.export_day import OpenSource
from exporter.open_source import open_source
from exporter.port.database import Source
from staging.config.pipeline import Pipeline
from staging.process.cancel import Cancel
from tests.conformance.source.mysql_family_shop import MysqlFamilyShop
from tests.conformance.source.postgres_shop import PostgresShop
from tests.conformance.source.sliced_shop import SlicedShop
from tests.exporter.days import Export, run_export
from tests.exporter.days import pipeline as pipeline_of_table
from tests.exporter.sliced_reads import calm
from tests.shop.purchases import create_purchases

_NUMBERS = itertools.count()


@dataclass(frozen=True, slots=True)
class Purchase:
    """A row of the source."""

    user_id: int
    purchased_at: datetime
    amount: Decimal | None
    coupon: int | None = None


class SourceUnderTest(ABC):
    """A source without rows; `export` writes into `staging`."""

    opener: OpenSource = staticmethod(open_source)

    def __init__(self, folder: Path) -> None:
        self.staging = folder / "staging"
        self._folder = folder

    @abstractmethod
    def put(self, rows: Sequence[Purchase], *, floats: bool = False) -> None:
        """Make the source have these rows; with amounts that are binary floats, if so asked."""

    @abstractmethod
    def pipeline(self, *, export: dict[str, Any], **source: Any) -> Pipeline: ...

    def export(self, *, export: dict[str, Any] | None = None, cancel: Cancel | None = None, **source: Any) -> Export:
        settings = self.pipeline(export=export or {}, **source)
        return run_export(settings, opener=self.opener, cancel=cancel)


class Table(SourceUnderTest):
    """A table of a database, in a snapshot or in slices."""

    def __init__(self, folder: Path, url: str, read: str) -> None:
        super().__init__(folder)
        self._url, self._read = url, read

    def put(self, rows: Sequence[Purchase], *, floats: bool = False) -> None:
        create_purchases(
            self._url,
            [(n, row.user_id, row.purchased_at, row.amount, row.coupon) for n, row in enumerate(rows)],
            columns={"amount": "double precision" if floats else "decimal(12,2)", "coupon": "bigint"},
        )

    def pipeline(self, *, export: dict[str, Any], **source: Any) -> Pipeline:
        made = pipeline_of_table(self._url, self.staging, export={"read": self._read} | export, **source)
        return calm(made) if self._read == "slices" else made


class TableOfAnyDialect(Table):
    """A table, read as one of a database that only SQLAlchemy knows."""

    @staticmethod
    @contextmanager
    def opener(url: str) -> Iterator[Source]:
        source = AnySource(parse_url(url))
        yield source
        source.close()


class _NoTable(SourceUnderTest):
    def _pipeline(self, export: dict[str, Any], source: dict[str, Any]) -> Pipeline:
        section = {"key": "user_id", "time": "purchased_at", "columns": ["amount"], "timezone": "Europe/Berlin"}
        return Pipeline.model_validate(
            {
                "name": "daily_revenue",
                "source": section | source,
                "staging": {"url": self.staging.as_uri()},
                "export": export,
                "target": {"url": "sqlite:///target.db", "table": "revenue"},
            }
        )

    @staticmethod
    def _arrow(rows: Sequence[Purchase], *, floats: bool) -> pa.Table:
        money = pa.float64() if floats else pa.decimal128(12, 2)
        amounts = [float(row.amount) if floats and row.amount is not None else row.amount for row in rows]
        return pa.table(
            {
                "user_id": pa.array([row.user_id for row in rows], pa.int64()),
                "purchased_at": pa.array([row.purchased_at for row in rows], pa.timestamp("us", "UTC")),
                "amount": pa.array(amounts, money),
                "coupon": pa.array([row.coupon for row in rows], pa.int64()),
            }
        )


class Files(_NoTable):
    """Two Parquet files in a folder."""

    def put(self, rows: Sequence[Purchase], *, floats: bool = False) -> None:
        lake = self._folder / "lake"
        lake.mkdir()
        for number, some in enumerate((rows[::2], rows[1::2])):
            pq.write_table(self._arrow(some, floats=floats), lake / f"{number}.parquet")

    def pipeline(self, *, export: dict[str, Any], **source: Any) -> Pipeline:
        return self._pipeline(export, source | {"parquet": f"{(self._folder / 'lake').as_uri()}/*.parquet"})


class Function(_NoTable):
    """A Python function that gives two batches."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._module = f"conforming_source_{next(_NUMBERS)}"

    def put(self, rows: Sequence[Purchase], *, floats: bool = False) -> None:
        pq.write_table(self._arrow(rows, floats=floats), self._folder / "all.parquet")
        text = f"""\
import polars as pl

def read(day, start, end, columns=COLUMNS):
    rows = pl.read_parquet("{self._folder / "all.parquet"}").select(columns)
    yield rows[::2]
    yield rows[1::2]
"""
        self._text = text

    def pipeline(self, *, export: dict[str, Any], **source: Any) -> Pipeline:
        carried = [name for name in source.get("columns", ["amount"]) if name in ("amount", "coupon")]
        text = self._text.replace("COLUMNS", repr(("user_id", "purchased_at", *carried)))
        (self._folder / f"{self._module}.py").write_text(text)
        return self._pipeline(export, source | {"python": f"{self._module}:read"})


TABLES = {
    f"{server}-{read}": (f"{server}_database", read)
    for server in ("postgres", "mariadb", "mysql", "sqlite")
    for read in ("snapshot", "slices")
    if (server, read) != ("sqlite", "slices")
}


@pytest.fixture(params=[*TABLES, "any dialect", "parquet", "python"])
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SourceUnderTest:
    """Each adapter in turn, by each of its reads; a new one is one more parameter here."""
    if request.param == "parquet":
        return Files(tmp_path)
    if request.param == "python":
        monkeypatch.syspath_prepend(str(tmp_path))
        return Function(tmp_path)
    if request.param == "any dialect":
        return TableOfAnyDialect(tmp_path, request.getfixturevalue("postgres_database"), "snapshot")
    fixture, read = TABLES[request.param]
    return Table(tmp_path, request.getfixturevalue(fixture), read)


@pytest.fixture(params=["postgres", "mariadb", "mysql"])
def sliced_shop(request: pytest.FixtureRequest) -> Iterator[SlicedShop]:
    """Each server that is read in slices; a new one is one more parameter here."""
    url = request.getfixturevalue(f"{request.param}_database")
    made = PostgresShop(url) if request.param == "postgres" else MysqlFamilyShop(url)
    yield made
    made.close()
