"""What MySQL says in other words than MariaDB, so that a test can be written once."""

from __future__ import annotations

import re

_SEQUENCE = re.compile(r"\bseq_(\d+)_to_(\d+)\b")


def in_words_of(server_version: str, sql: str) -> str:
    """Return SQL that was written for MariaDB as the server of this version takes it.

    A table `seq_1_to_9` is MariaDB's alone; MySQL counts by a query, and has no type for UUIDs.
    """
    if "mariadb" in server_version.lower():
        return sql
    sql = sql.replace(" uuid", " char(36) CHARACTER SET ascii COLLATE ascii_bin")
    return _SEQUENCE.sub(lambda found: _count(int(found[1]), int(found[2])), sql)


def _count(first: int, last: int) -> str:
    counted = f"WITH RECURSIVE s AS (SELECT {first} AS seq UNION ALL SELECT seq + 1 FROM s WHERE seq < {last})"
    return f"({counted} SELECT seq FROM s) AS seq_{first}_to_{last}"
