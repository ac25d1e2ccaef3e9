"""Knows where table formats keep their log.

It says which Parquet files are the table now. Without it a reader of the files takes rows that were deleted, or
replaced, or never committed. https://github.com/delta-io/delta/blob/master/PROTOCOL.md,
https://iceberg.apache.org/spec/, https://hudi.apache.org/, https://paimon.apache.org/docs/master/concepts/spec/
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TableLog:
    """A folder of logs, and how the names of logs end.

    It is beside or above a table's files.
    """

    format: str
    folder: str
    suffix: str = ""


TABLE_LOGS = (
    TableLog("Delta Lake", "_delta_log"),
    TableLog("Apache Hudi", ".hoodie"),
    TableLog("Apache Iceberg", "metadata", ".metadata.json"),
    TableLog("Apache Iceberg", "metadata", ".metadata.json.gz"),  # how old writers named it packed
    TableLog("Apache Paimon", "snapshot", "LATEST"),
)


def find_table_log(names: Iterable[str], files: Iterable[str]) -> tuple[str, str] | None:
    """Return the table whose log and files are among these.

    (format, the table's folder) if one of `names` is a log of a table that one of `files` lies in.
    """
    roots: dict[str, str] = {}
    for name in names:
        folder, _, leaf = name.rpartition("/")
        segments = folder.split("/")
        for log in TABLE_LOGS:
            if log.folder in segments and leaf.endswith(log.suffix):
                at = segments.index(log.folder)
                roots["".join(f"{segment}/" for segment in segments[:at])] = log.format
    for file in files:
        for root, table_format in roots.items():
            if file.startswith(root):
                return table_format, root
    return None
