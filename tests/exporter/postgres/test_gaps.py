"""No export with writes in the gaps of a read in slices is ever wrong: PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exporter.gaps import export_seeds

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seal compares many stretches, as of a large day."""
    monkeypatch.setattr("exporter.read.slice_loop._GATHER_ROWS", 40)


@pytest.mark.fault("written", step="export")
def test_writes_between_slices_never_make_a_wrong_export(postgres_database: str, tmp_path: Path) -> None:
    export_seeds(postgres_database, tmp_path, range(12))


@pytest.mark.nightly
@pytest.mark.fault("written", step="export")
def test_writes_between_slices_never_make_a_wrong_export_in_two_hundred(postgres_database: str, tmp_path: Path) -> None:
    export_seeds(postgres_database, tmp_path, range(1000, 1200))
