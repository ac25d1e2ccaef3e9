"""One day of PostgreSQL to 32 zstd Parquet folders by DuckDB's postgres extension: `URL FOLDER SHARDS`."""

import sys

from load_extension import connect_with

url, folder, shards = sys.argv[1], sys.argv[2], int(sys.argv[3])
connection = connect_with("postgres_scanner")
connection.execute(f"ATTACH '{url}' AS shop (TYPE postgres, READ_ONLY)")
connection.execute(f"""
    COPY (SELECT user_id, purchased_at, amount, hash(user_id) % {shards} AS shard FROM shop.purchases
          WHERE purchased_at >= '2026-11-14T00:00:00Z' AND purchased_at < '2026-11-15T00:00:00Z')
    TO '{folder}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (shard), OVERWRITE)
""")
