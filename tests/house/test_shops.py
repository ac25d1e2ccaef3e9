"""The table `purchases` is made in one place: who writes it out by hand has a reason that is listed."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
BY_HAND = {
    "databases/test_hostile_defaults.py": "by a session that the server's defaults do not reach",
    "exporter/adversary_shop.py": "partitions and heirs, on the connection of who attacks",
    "exporter/compare/test_row_versions.py": "partitions",
    "exporter/mysql/test_mysql_settings.py": "its name is spelled otherwise",
    "exporter/mysql/test_partitions.py": "partitions",
    "exporter/postgres/test_slices.py": "partitions",
    "exporter/refuse/test_full_scan.py": "partitions",
    "exporter/test_refuses_bad_input.py": "how the table is declared is what is refused",
    "shop/purchases.py": "the builder",
}
_WRITTEN = re.compile(r"CREATE\s+TABLE\s+(IF\s+NOT\s+EXISTS\s+)?[\"'`\\]*purchases\b", re.IGNORECASE)


def is_by_hand(source: str) -> bool:
    """Whether this text creates the table itself."""
    return _WRITTEN.search(source) is not None


def test_the_table_is_written_out_only_where_a_reason_is_listed() -> None:
    written = {
        path.relative_to(TESTS).as_posix() for path in TESTS.rglob("*.py") if is_by_hand(path.read_text("utf-8"))
    }
    assert sorted(written - BY_HAND.keys()) == [], "use create_purchases of tests/shop/purchases.py"
    assert sorted(BY_HAND.keys() - written) == [], "is no longer by hand: take it out of the list"


def test_the_rule_sees_what_it_refuses() -> None:
    name = "purchases"
    assert is_by_hand(f"x = 'CREATE TABLE {name} (id int)'")
    assert is_by_hand(f'create  table if not exists "{name}"(id int)')
    assert not is_by_hand(f"CREATE TABLE {name}_1 PARTITION OF {name}")
    assert not is_by_hand(f"create_{name}(database)")
