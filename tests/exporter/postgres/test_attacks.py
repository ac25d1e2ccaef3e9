"""No day is ever wrong that an adversary attacks who knows the seal: PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exporter.adversary import attack_seeds
from tests.seeds import seeds_of

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seal compares many stretches, as of a large day."""
    monkeypatch.setattr("exporter.read.slice_loop._GATHER_ROWS", 40)


@pytest.mark.fault("written", step="export")
def test_attacks_that_know_the_seal_never_make_a_wrong_export(postgres_database: str, tmp_path: Path) -> None:
    attack_seeds(postgres_database, tmp_path, range(100))


@pytest.mark.nightly
@pytest.mark.fault("written", step="export")
def test_attacks_that_know_the_seal_never_make_a_wrong_export_in_thousands(
    postgres_database: str, tmp_path: Path
) -> None:
    attack_seeds(postgres_database, tmp_path, seeds_of(range(10_000, 13_400)))
