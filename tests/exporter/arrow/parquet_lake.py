"""A pipeline over Parquet files in a folder, for tests that need a source without a server."""

from __future__ import annotations

import json
from pathlib import Path


def pipeline_of(folder: Path, *, shards: int = 3, columns: tuple[str, ...] = ("amount",), more: str = "") -> str:
    """The pipeline file: `folder/lake/*.parquet`, `folder/staging`, a table in `folder/target.sqlite`."""
    return f"""
name = "daily_revenue"
[source]
parquet = "file://{folder}/lake/*.parquet"
key = "user_id"
time = "purchased_at"
columns = {json.dumps(list(columns))}
timezone = "Europe/Berlin"
[staging]
url = "file://{folder}/staging"
[export]
shards = {shards}
[target]
url = "sqlite:///{folder}/target.sqlite"
table = "revenue"
{more}
"""
