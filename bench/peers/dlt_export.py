"""One day to Parquet files by dlt's sql_database source, its fastest backend: `URL FOLDER SHARDS` (it does not shard)."""

import os
import sys
from pathlib import Path
from typing import Any

url, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
os.environ |= {
    "DLT_DATA_DIR": str(folder / "dlt"),
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "DESTINATION__FILESYSTEM__BUCKET_URL": (folder / "out").as_uri(),
    "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
}

import dlt  # noqa: E402 - reads its settings when imported
from dlt.sources.sql_database import sql_table  # noqa: E402
from sqlalchemy import Column, MetaData, Select, Table, text  # noqa: E402


def only_these(table: Table) -> Table:
    kept = [table.c.user_id, table.c.purchased_at, table.c.amount]
    return Table("purchases", MetaData(), *(Column(c.name, c.type, nullable=False) for c in kept))


def one_day(query: Select[Any], table: Table) -> Select[Any]:
    del table
    return query.where(text("purchased_at >= '2026-11-14' AND purchased_at < '2026-11-15'"))


purchases = sql_table(
    url,
    "purchases",
    backend="connectorx",
    backend_kwargs={"conn": url.replace("+psycopg", "").replace("mariadb+pymysql", "mysql").replace("+pymysql", "")},
    table_adapter_callback=only_these,
    query_adapter_callback=one_day,
    reflection_level="full_with_precision",
)
pipeline = dlt.pipeline("bench", destination="filesystem", dataset_name="day", pipelines_dir=str(folder / "dlt"))
pipeline.run(purchases, loader_file_format="parquet", write_disposition="replace")
