"""An export made by hand for tests of what reads one: pyarrow and plain JSON, nothing of the project but its layout.

Shards are decided here in plain Python, digests by hashlib and google-crc32c, documents are dictionaries. Nothing is
shared with the code that writes exports, so both can't be wrong alike.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq

DAY = date(2026, 11, 14)
WINDOW = (datetime(2026, 11, 13, 23, tzinfo=UTC), datetime(2026, 11, 14, 23, tzinfo=UTC))  # Europe/Berlin
PIPELINE = "daily_revenue"
RUN_ID = "run-0001"
EXPORT_ID = "20261115T021500Z-0123456789ab"
PREFIX = f"{PIPELINE}/day={DAY}/"
SCHEMA = pa.schema(
    [
        pa.field("user_id", pa.int64(), nullable=False),
        pa.field("purchased_at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("amount", pa.decimal128(12, 2), nullable=False),
    ]
)
Row = Mapping[str, Any]
Put = Callable[[str, bytes], int]
"""Writes an object and returns its generation."""


def fibonacci_shard(key: int, shards: int) -> int:
    """The shard of an integer key, as plain integers say it."""
    return ((key * 0x9E3779B97F4A7C15) % 2**64 // 2**32) % shards


def xxh64_shard(key: str, shards: int) -> int:
    """The shard of a text key of fewer than 32 bytes: XXH64 with seed 0, as its specification says.

    https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
    """
    p1, p2, p3, p4, p5 = (
        *(0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5),
    )
    mask = 2**64 - 1

    def turn(value: int, bits: int) -> int:
        return ((value << bits) | (value & mask) >> (64 - bits)) & mask

    data = key.encode()
    assert len(data) < 32
    total, rest = (p5 + len(data)) & mask, data
    while len(rest) >= 8:
        lane = turn(int.from_bytes(rest[:8], "little") * p2 & mask, 31) * p1 & mask
        total, rest = (turn(total ^ lane, 27) * p1 + p4) & mask, rest[8:]
    if len(rest) >= 4:
        total = (turn(total ^ int.from_bytes(rest[:4], "little") * p1 & mask, 23) * p2 + p3) & mask
        rest = rest[4:]
    for byte in rest:
        total = turn(total ^ byte * p5 & mask, 11) * p1 & mask
    for bits, prime in ((33, p2), (29, p3), (32, 1)):
        total = (total ^ total >> bits) * prime & mask
    return total % shards


def purchases(count: int, *, users: int = 50, seed: int = 1) -> list[Row]:
    """Purchases and refunds inside the window; a few users have most of them."""
    draw = random.Random(seed)
    span = (WINDOW[1] - WINDOW[0]) // timedelta(microseconds=1)
    return [
        {
            "user_id": min(draw.randrange(users), draw.randrange(users)),
            "purchased_at": WINDOW[0] + timedelta(microseconds=draw.randrange(span)),
            "amount": Decimal(draw.randrange(-5_000, 100_000)).scaleb(-2),
        }
        for _ in range(count)
    ]


def expected_revenue(rows: Sequence[Row], column: str = "amount") -> dict[Any, tuple[Decimal, int]]:
    """The oracle: revenue and purchases of each key, by decimal alone."""
    found: dict[Any, tuple[Decimal, int]] = {}
    for row in rows:
        if row[column] is not None:
            total, count = found.get(row["user_id"], (Decimal(0), 0))
            found[row["user_id"]] = total + row[column], count + 1
    return found


def put_in_folder(folder: Path) -> Put:
    """Write plain files; the folder's generations are modification times in microseconds."""

    def put(name: str, data: bytes) -> int:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path.stat().st_mtime_ns // 1000

    return put


def put_in_bucket(url: str, endpoint: str) -> Put:
    """Write by plain HTTP: https://cloud.google.com/storage/docs/json_api/v1/objects/insert."""
    bucket, _, prefix = url.removeprefix("gs://").partition("/")

    def put(name: str, data: bytes) -> int:
        full = quote("/".join(filter(None, [prefix, name])), safe="")
        target = f"{endpoint}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={full}"
        request = urllib.request.Request(target, data=data, headers={"Content-Type": "application/octet-stream"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            return int(json.load(reply)["generation"])

    return put


def put_at(url: str, endpoint: str = "") -> Put:
    """Write to `file:///…` or `gs://…`."""
    parts = urlsplit(url)
    return put_in_folder(Path(unquote(parts.path))) if parts.scheme == "file" else put_in_bucket(url, endpoint)


def parquet_of(rows: Sequence[Row], schema: pa.Schema = SCHEMA, **options: Any) -> bytes:
    """The rows as a Parquet file by pyarrow."""
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", **options)
    return sink.getvalue()


def columns_of(schema: pa.Schema) -> list[dict[str, Any]]:
    """The manifest's spelling of an Arrow schema."""
    names = {
        pa.int32(): "Int32",
        pa.int64(): "Int64",
        pa.uint64(): "UInt64",
        pa.string(): "String",
        pa.float64(): "Float64",
        pa.date32(): "Date",
        pa.timestamp("us"): "Datetime(us)",
        pa.timestamp("us", "UTC"): "Datetime(us, UTC)",
    }
    return [
        {
            "name": each.name,
            "dtype": f"Decimal({each.type.precision}, {each.type.scale})"
            if pa.types.is_decimal(each.type)
            else names[each.type],
            "source_type": "whatever the database calls it",
            "nullable": each.nullable,
        }
        for each in schema
    ]


def exact_sum(rows: Sequence[Row], column: str) -> str:
    """A column's sum as text, never rounded and never in exponent notation."""
    with localcontext(prec=80):
        return f"{sum((Decimal(row[column] or 0) for row in rows), Decimal(0)):f}"


def conserved_columns(schema: pa.Schema) -> list[str]:
    """Columns besides key and time that have an exact sum."""
    return [f.name for f in list(schema)[2:] if pa.types.is_decimal(f.type) or pa.types.is_integer(f.type)]


@dataclass
class HandMade:
    """An export in a store: `manifest` is the document as a dictionary, to be bent and written again."""

    put: Put
    rows: Sequence[Row]
    schema: pa.Schema = SCHEMA
    shards: int = 4
    shard_function: str = "fibonacci-u64"
    shard_of: Callable[[Any, int], int] = fibonacci_shard
    manifest: dict[str, Any] = field(default_factory=dict)
    export: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        files = [self.put_shard(shard) for shard in range(self.shards)]
        self.manifest = self.manifest_of(files)

    def shard_rows(self, shard: int) -> list[Row]:
        """Rows of one shard, in the order they came."""
        return [row for row in self.rows if self.shard_of(row[self.schema[0].name], self.shards) == shard]

    def shard_name(self, shard: int, file: int = 0) -> str:
        """Object name of a shard's file."""
        return f"{PREFIX}export={EXPORT_ID}/shard={shard:05d}/{file}.parquet"

    def put_shard(self, shard: int, data: bytes | None = None, *, rows: int | None = None) -> dict[str, Any]:
        """Write a shard's file (or `data` in its place) and return the manifest's entry for it."""
        own = self.shard_rows(shard)
        data = parquet_of(own, self.schema, row_group_size=1000) if data is None else data
        return {
            "name": self.shard_name(shard),
            "generation": self.put(self.shard_name(shard), data),
            "size_bytes": len(data),
            "crc32c": google_crc32c.value(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "rows": len(own) if rows is None else rows,
        }

    def manifest_of(self, files: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The document that says all this."""
        columns = columns_of(self.schema)
        sums_of = conserved_columns(self.schema)
        shards = []
        for number, file in enumerate(files):
            own = self.shard_rows(number)
            keys = [row[self.schema[0].name] for row in own]
            shards.append(
                {
                    "shard": number,
                    "files": [file],
                    "rows": len(own),
                    "min_key": str(min(keys)) if keys else None,
                    "max_key": str(max(keys)) if keys else None,
                    "sums": {c: exact_sum(own, c) for c in sums_of},
                }
            )
        text = json.dumps([[column["name"], column["dtype"], column["nullable"]] for column in columns])
        return {
            "format": 1,
            "export_id": EXPORT_ID,
            "pipeline": PIPELINE,
            "day": DAY.isoformat(),
            "timezone": "Europe/Berlin",
            "window_start": WINDOW[0].isoformat(),
            "window_end": WINDOW[1].isoformat(),
            "as_of": "2026-11-15T02:15:00+00:00",
            "source": {
                "dialect": "postgresql",
                "server_version": "15",
                "server_identity": "one",
                "table": "purchases",
                "key": self.schema[0].name,
                "time": self.schema[1].name,
                "where": None,
                "statement": "SELECT …",
                "evidence": {},
            },
            "columns": columns,
            "schema_fingerprint": hashlib.sha256(text.encode()).hexdigest(),
            "shard_function": self.shard_function,
            "shards": shards,
            "rows": len(self.rows),
            "sums": {c: exact_sum(self.rows, c) for c in sums_of},
            "reading": {"mode": "snapshot", "why": "small", "reader": "none", "seconds": 1.0, "waited_seconds": {}},
            "created_at": "2026-11-15T02:16:00+00:00",
            "penstock_version": "0.1.0",
        }

    def commit(self, run_id: str = RUN_ID, *, text: bytes | None = None) -> None:
        """Write the manifest, or `text` in its place, and the run's `export.json` that names it."""
        data = json.dumps(self.manifest).encode() if text is None else text
        generation = self.put(f"{PREFIX}export={EXPORT_ID}/manifest.json", data)
        self.export = {
            "format": 1,
            "export_id": EXPORT_ID,
            "manifest_generation": generation,
            "manifest_sha256": hashlib.sha256(data).hexdigest(),
        }
        self.use(run_id)

    def use(self, run: str, **changes: Any) -> None:
        """Let one more run use the committed export."""
        self.put(f"{PREFIX}run={run}/export.json", json.dumps({**self.export, "run_id": run, **changes}).encode())


def flip_bits(data: bytes, count: int, *, seed: int = 1) -> Iterator[bytes]:
    """`data` with one bit flipped, `count` times at sampled places."""
    draw = random.Random(seed)
    for place in draw.sample(range(len(data) * 8), count):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        yield bytes(flipped)


PIPELINE_TEXT = """
name = "daily_revenue"
[source]
url = "env:PENSTOCK_TEST_SOURCE_THAT_IS_NOT_SET"
table = "purchases"
key = "user_id"
time = "purchased_at"
columns = ["amount"]
timezone = "Europe/Berlin"
[staging]
url = "{staging}"
[process]
transform = "{transform}"
[target]
url = "env:PENSTOCK_TEST_TARGET_THAT_IS_NOT_SET"
table = "revenue"
"""


def pipeline_text(staging: str, transform: str = "processor.revenue:revenue_per_user") -> str:
    """A pipeline file whose databases can't be looked up: the processor must not need them."""
    return PIPELINE_TEXT.format(staging=staging, transform=transform)
