"""One day of MariaDB to zstd Parquet folders by DuckDB's mysql extension: `URL FOLDER SHARDS`."""

import sys
from urllib.parse import unquote, urlsplit

from load_extension import connect_with

url, folder, shards = urlsplit(sys.argv[1]), sys.argv[2], int(sys.argv[3])
connection = connect_with("mysql_scanner")
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
