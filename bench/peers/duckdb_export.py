"""One day of PostgreSQL to 32 zstd Parquet folders by DuckDB's postgres extension: `URL FOLDER SHARDS`."""

import importlib.util
import sys
from pathlib import Path

import duckdb

url, folder, shards = sys.argv[1], sys.argv[2], int(sys.argv[3])
package = Path(importlib.util.find_spec("duckdb_extension_postgres_scanner").origin).parent
extension = next(package.glob("extensions/*/postgres_scanner.duckdb_extension*"))
connection = duckdb.connect()
connection.execute(f"LOAD '{extension}'")
connection.execute(f"ATTACH '{url}' AS shop (TYPE postgres, READ_ONLY)")
connection.execute(f"""
    COPY (SELECT user_id, purchased_at, amount, hash(user_id) % {shards} AS shard FROM shop.purchases
          WHERE purchased_at >= '2026-11-14T00:00:00Z' AND purchased_at < '2026-11-15T00:00:00Z')
    TO '{folder}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (shard), OVERWRITE)
""")
