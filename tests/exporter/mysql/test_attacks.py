"""No day is ever wrong that an adversary attacks who knows the seal: MariaDB and MySQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exporter.adversary import attack_seeds
from tests.seeds import seeds_of

pytestmark = pytest.mark.integration


@pytest.mark.fault("written", step="export")
def test_attacks_that_know_the_seal_never_make_a_wrong_export(mariadb_database: str, tmp_path: Path) -> None:
    attack_seeds(mariadb_database, tmp_path, range(50))


@pytest.mark.nightly
@pytest.mark.fault("written", step="export")
def test_attacks_that_know_the_seal_never_make_a_wrong_export_in_thousands(
    mariadb_database: str, tmp_path: Path
) -> None:
    attack_seeds(mariadb_database, tmp_path, seeds_of(range(20_000, 23_300)))


@pytest.mark.fault("written", step="export")
def test_attacks_that_know_the_seal_never_make_a_wrong_export_of_mysql(mysql_database: str, tmp_path: Path) -> None:
    attack_seeds(mysql_database, tmp_path, range(100, 150))


@pytest.mark.nightly
@pytest.mark.fault("written", step="export")
def test_attacks_that_know_the_seal_never_make_a_wrong_export_of_mysql_in_thousands(
    mysql_database: str, tmp_path: Path
) -> None:
    attack_seeds(mysql_database, tmp_path, seeds_of(range(30_000, 33_300)))
