"""A month's revenue of each user by polars alone, of the shards that lie in a folder: `STAGING OUT`."""

from __future__ import annotations

import sys

import polars as pl


def main(staging: str, out: str) -> None:
    """Scan all shards, group, sort and write."""
    rows = pl.scan_parquet(f"{staging}/**/*.parquet", hive_partitioning=False)
    totals = rows.group_by("user_id").agg(revenue=pl.col("amount").sum(), purchases=pl.len()).sort("user_id")
    totals.sink_parquet(out, compression="zstd")


if __name__ == "__main__":
    main(*sys.argv[1:])
