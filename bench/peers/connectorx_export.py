"""One day to 32 zstd Parquet files by connectorx and polars: `URL FOLDER SHARDS`."""

import sys
from pathlib import Path

import connectorx
import polars as pl

url, folder, shards = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
folder.mkdir(parents=True, exist_ok=True)
query = (
    "SELECT user_id, purchased_at, amount FROM purchases"
    " WHERE purchased_at >= '2026-11-14' AND purchased_at < '2026-11-15'"
)
rows = connectorx.read_sql(url, query, return_type="polars")
money = pl.col("amount").cast(pl.Decimal(12, 2))  # connectorx makes every decimal a Decimal(38, 10)
sharded = rows.with_columns(money, shard=pl.col("user_id").hash() % shards)
for (shard,), part in sharded.partition_by("shard", as_dict=True, include_key=False).items():
    part.write_parquet(folder / f"{shard}.parquet", compression="zstd")
