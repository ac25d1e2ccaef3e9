"""docs/connect.md lists exactly the options that are read."""

from __future__ import annotations

import re
from pathlib import Path

from databases.mysql.url import OPTIONS as MYSQL_OPTIONS
from databases.postgres.url import OPTIONS as POSTGRES_OPTIONS

TEXT = (Path(__file__).parents[2] / "docs" / "connect.md").read_text(encoding="utf-8")


def _listed(heading: str) -> set[str]:
    section = TEXT.split(f"### {heading}\n")[1].split("\n#")[0]
    first_cells = (line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))
    return {name.partition("=")[0] for cell in first_cells for name in re.findall(r"`([^`]+)`", cell)}


def test_every_option_of_mysql_s_is_described_and_no_other() -> None:
    assert _listed("MySQL and MariaDB") == set(MYSQL_OPTIONS)


def test_every_option_of_postgres_s_is_described_and_no_other() -> None:
    assert _listed("PostgreSQL") == set(POSTGRES_OPTIONS)
