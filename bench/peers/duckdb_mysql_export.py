"""One day of MariaDB to zstd Parquet folders by DuckDB's mysql extension: `URL FOLDER SHARDS`."""

import importlib.util
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import duckdb

url, folder, shards = urlsplit(sys.argv[1]), sys.argv[2], int(sys.argv[3])
package = Path(importlib.util.find_spec("duckdb_extension_mysql_scanner").origin).parent
extension = next(package.glob("extensions/*/mysql_scanner.duckdb_extension*"))
connection = duckdb.connect()
connection.execute(f"LOAD '{extension}'")
connection.execute(
    f"CREATE SECRET (TYPE mysql, HOST '{url.hostname}', PORT {url.port}, DATABASE '{url.path.strip('/')}',"
    f" USER '{url.username}', PASSWORD '{unquote(url.password or '')}')"
)
connection.execute("ATTACH '' AS shop (TYPE mysql, READ_ONLY)")
connection.execute(f"""
    COPY (SELECT user_id, purchased_at, amount, hash(user_id) % {shards} AS shard FROM shop.purchases
          WHERE purchased_at >= '2026-11-14' AND purchased_at < '2026-11-15')
    TO '{folder}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (shard), OVERWRITE)
""")
