"""Processed runs made by hand for tests of the loader: parts by pyarrow, receipts and run.json as dictionaries.

The oracle is plain Python: what the target must hold is the list of rows a test wrote down.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import google_crc32c
import pyarrow as pa

from tests.shop.hand_made_export import parquet_of

PIPELINE = "daily_revenue"
DAY = date(2026, 11, 14)
HEAD_ID = "5f" * 16
Row = Mapping[str, Any]
Documents = dict[str, Any]

OUTPUT = pa.schema(
    [
        pa.field("user_id", pa.int64(), nullable=False),
        pa.field("revenue", pa.decimal128(28, 2)),
        pa.field("purchases", pa.int64()),
    ]
)
_DTYPES = {
    pa.int8(): "Int8",
    pa.int16(): "Int16",
    pa.int32(): "Int32",
    pa.int64(): "Int64",
    pa.uint8(): "UInt8",
    pa.uint16(): "UInt16",
    pa.uint32(): "UInt32",
    pa.uint64(): "UInt64",
    pa.float32(): "Float32",
    pa.float64(): "Float64",
    pa.bool_(): "Boolean",
    pa.string(): "String",
    pa.large_string(): "String",
    pa.binary(): "Binary",
    pa.large_binary(): "Binary",
    pa.date32(): "Date",
    pa.time64("ns"): "Time",
    pa.timestamp("us"): "Datetime(us)",
    pa.timestamp("us", "UTC"): "Datetime(us, UTC)",
}


def dtype_of(each: pa.DataType) -> str:
    """The receipts' spelling of an Arrow type."""
    return f"Decimal({each.precision}, {each.scale})" if pa.types.is_decimal(each) else _DTYPES[each]


def revenue(users: Sequence[int], *, cents: Callable[[int], int] = lambda user: user * 37 % 10_000) -> list[Row]:
    """One row a user."""
    return [{"user_id": u, "revenue": Decimal(cents(u)).scaleb(-2), "purchases": abs(u) % 9 + 1} for u in users]


@dataclass
class LoaderRun:
    """One run, ready to load, in a folder. Documents stay as dictionaries, to be bent before `write`."""

    folder: Path
    rows: Sequence[Row]
    schema: pa.Schema = OUTPUT
    key: str | tuple[str, ...] = "user_id"
    money: str | None = "revenue"
    day: date = DAY
    run_id: str = "run-0001"
    export_id: str = "20261115t021500z-0001"
    pipeline: str = PIPELINE
    head_id: str = HEAD_ID
    fence: int = 1
    shards: int = 3
    as_of: datetime = datetime(2026, 11, 15, 2, 15, tzinfo=UTC)
    window: tuple[datetime, datetime] | None = None
    parts: dict[int, bytes] = field(default_factory=dict)
    receipts: dict[int, Documents] = field(default_factory=dict)
    manifest: Documents = field(default_factory=dict)
    record: Documents = field(default_factory=dict)

    def __post_init__(self) -> None:
        midnight = datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC) - timedelta(hours=1)
        self.window = self.window or (midnight, midnight + timedelta(days=1))
        self.parts = {s: parquet_of(self.rows_of(s), self.schema) for s in range(self.shards)}
        self.manifest = self._manifest()
        self.record = {
            "format": 1,
            "run_id": self.run_id,
            "pipeline": self.pipeline,
            "day": self.day.isoformat(),
            "head_id": self.head_id,
            "fence": self.fence,
            "kind": "run",
            "fresh_export": False,
            "created_at": "2026-11-15T02:10:00+00:00",
        }
        self.receipts = {s: self._receipt(s) for s in range(self.shards)}

    @property
    def staging_url(self) -> str:
        return self.folder.as_uri()

    def rows_of(self, shard: int) -> list[Row]:
        """Any fixed distribution does: the loader does not ask which shard a key belongs to."""
        return [row for number, row in enumerate(self.rows) if number % self.shards == shard]

    def total(self, shard: int | None = None) -> str:
        """Sum of the conserved column, by decimal alone."""
        rows = self.rows if shard is None else self.rows_of(shard)
        if (money := self.money) is None:
            return "0"
        scale = self.schema.field(money).type.scale
        with localcontext() as context:
            context.prec = 80
            return f"{sum((row[money] or Decimal(0) for row in rows), Decimal(0).scaleb(-scale)):f}"

    def write(self) -> LoaderRun:
        """Put all objects where a run has them."""
        prefix = f"{self.pipeline}/day={self.day}/"
        for shard, data in self.parts.items():
            part = self._put(f"{prefix}run={self.run_id}/part-{shard:05d}.parquet", data)
            self.receipts[shard]["part"]["generation"] = part
        for shard, receipt in self.receipts.items():
            self._put_json(f"{prefix}run={self.run_id}/receipt-{shard:05d}.json", receipt)
        name = f"{prefix}export={self.export_id}/manifest.json"
        data = json.dumps(self.manifest).encode()
        generation = self._put(name, data)
        export = {
            "format": 1,
            "run_id": self.run_id,
            "export_id": self.export_id,
            "manifest_generation": generation,
            "manifest_sha256": hashlib.sha256(data).hexdigest(),
        }
        self._put_json(f"{prefix}run={self.run_id}/export.json", export)
        self._put_json(f"{prefix}run={self.run_id}/run.json", self.record)
        return self

    def path(self, name: str) -> Path:
        """A file of the run, such as `receipt-00000.json`."""
        return self.folder / self.pipeline / f"day={self.day}" / f"run={self.run_id}" / name

    def _put(self, name: str, data: bytes) -> int:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path.stat().st_mtime_ns // 1000

    def _put_json(self, name: str, document: Documents) -> None:
        self._put(name, json.dumps(document).encode())

    def _receipt(self, shard: int) -> Documents:
        data = self.parts[shard]
        return {
            "format": 1,
            "run_id": self.run_id,
            "export_id": self.export_id,
            "shard": shard,
            "rows_in": len(self.rows_of(shard)),
            "rows_out": len(self.rows_of(shard)),
            "rows_quarantined": 0,
            "quarantine_reasons": {},
            "part": {
                "name": f"{self.pipeline}/day={self.day}/run={self.run_id}/part-{shard:05d}.parquet",
                "generation": 0,
                "size_bytes": len(data),
                "crc32c": google_crc32c.value(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "rows": len(self.rows_of(shard)),
            },
            "quarantine": None,
            "output_columns": {each.name: dtype_of(each.type) for each in self.schema},
            "key": self.key,
            "conserved": [
                {
                    "output": self.money,
                    "source": "amount",
                    "shard": self.total(shard),
                    "part": self.total(shard),
                    "quarantine": "0",
                }
            ]
            if self.money
            else [],
            "transform": "processor.revenue:revenue_per_user",
            "engine": "polars",
        }

    def _shard_file(self, shard: int) -> Documents:
        """The exporter's file: only `verify` opens it, and only where a test has written it."""
        name = f"{self.pipeline}/day={self.day}/export={self.export_id}/shard={shard:05d}/0.parquet"
        rows = len(self.rows_of(shard))
        return {"name": name, "generation": 1, "size_bytes": 1, "crc32c": 0, "sha256": "0" * 64, "rows": rows}

    def _manifest(self) -> Documents:
        scale = self.schema.field(self.money).type.scale if self.money else 2
        columns = [
            {"name": "id", "dtype": "Int64", "source_type": "bigint", "nullable": False},
            {"name": "purchased_at", "dtype": "Datetime(us)", "source_type": "timestamp", "nullable": False},
            {"name": "amount", "dtype": f"Decimal(28, {scale})", "source_type": "numeric", "nullable": True},
        ]
        text = json.dumps([[c["name"], c["dtype"], c["nullable"]] for c in columns])
        assert self.window is not None
        return {
            "format": 1,
            "export_id": self.export_id,
            "pipeline": self.pipeline,
            "day": self.day.isoformat(),
            "timezone": "Europe/Berlin",
            "window_start": self.window[0].isoformat(),
            "window_end": self.window[1].isoformat(),
            "as_of": self.as_of.isoformat(),
            "source": {
                "dialect": "postgresql",
                "server_version": "15",
                "server_identity": "one",
                "table": "purchases",
                "key": "id",
                "time": "purchased_at",
                "where": None,
                "statement": "SELECT …",
                "evidence": {},
            },
            "columns": columns,
            "schema_fingerprint": hashlib.sha256(text.encode()).hexdigest(),
            "shard_function": "fibonacci-u64",
            "shards": [
                {
                    "shard": shard,
                    "files": [self._shard_file(shard)],
                    "rows": len(self.rows_of(shard)),
                    "min_key": None,
                    "max_key": None,
                    "sums": {"amount": self.total(shard)},
                }
                for shard in range(self.shards)
            ],
            "rows": len(self.rows),
            "sums": {"amount": self.total()},
            "reading": {"mode": "snapshot", "why": "small", "reader": "none", "seconds": 1.0, "waited_seconds": {}},
            "created_at": "2026-11-15T02:16:00+00:00",
            "penstock_version": "0.1.0",
        }


Make = Callable[..., LoaderRun]


def loader_runs(folder: Path) -> Make:
    """Return what makes runs in one staging folder, each with its own id, export and fence, unless told otherwise."""
    unwritten = unwritten_runs(folder)

    def new(rows: Any, number: int = 1, **options: Any) -> LoaderRun:
        return unwritten(number, rows=rows, **options).write()

    return new


def unwritten_runs(folder: Path) -> Make:
    """As `loader_runs`, of 30 users unless told otherwise; nothing is in the folder yet, so that a test may bend it."""
    staging = folder / "staging"
    staging.mkdir()

    def new(number: int = 1, *, rows: Any = None, **options: Any) -> LoaderRun:
        ids = {"run_id": f"run-{number:04d}", "export_id": f"export-{number:04d}", "fence": number}
        return LoaderRun(staging, rows if rows is not None else revenue(range(30)), **{**ids, **options})

    return new
