"""The one way to read a shard's file.

For the first count, and for the task that processes it. A file that is a shard where it lies was written by somebody
else, and two readers may understand it in two ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl


def scan_shard(paths: Sequence[Path], schema: pl.Schema) -> pl.LazyFrame:
    """Return a lazy frame of files that need not be there yet.

    They must have these columns when it runs. What else a foreign file has is not read.
    """
    return pl.scan_parquet([*paths], schema=schema, glob=False, hive_partitioning=False, extra_columns="ignore")
