"""No export with writes in the gaps of a read in slices is ever wrong: MariaDB and MySQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exporter.gaps import export_seeds

pytestmark = pytest.mark.integration


@pytest.mark.fault("written", step="export")
def test_writes_between_slices_never_make_a_wrong_export(mysql_family_database: str, tmp_path: Path) -> None:
    export_seeds(mysql_family_database, tmp_path, range(12))


@pytest.mark.nightly
@pytest.mark.fault("written", step="export")
def test_writes_between_slices_never_make_a_wrong_export_in_two_hundred(
    mysql_family_database: str, tmp_path: Path
) -> None:
    export_seeds(mysql_family_database, tmp_path, range(2000, 2200))
