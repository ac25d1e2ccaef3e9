"""No export with writes in the gaps of a read in slices is ever wrong: MariaDB."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exporter_gaps import Shop, export_with_writes


def _export_seeds(url: str, folder: Path, seeds: range) -> None:
    shop = Shop.create(url)
    outcomes = [export_with_writes(shop, folder / str(seed), seed) for seed in seeds]
    assert sum(each.accepted for each in outcomes) > len(seeds) / 2, "hardly any export came through"
    assert any(each.caught for each in outcomes), "no write ever hit a gap"
    print(
        f"\n{len(seeds)} exports: {sum(each.accepted for each in outcomes)} accepted, all right; "
        f"{sum(each.caught for each in outcomes)} wrong reads caught, {sum(each.false_alarms for each in outcomes)} "
        "right ones refused"
    )


def test_writes_between_slices_never_make_a_wrong_export(mariadb_database: str, tmp_path: Path) -> None:
    _export_seeds(mariadb_database, tmp_path, range(25))


@pytest.mark.nightly
def test_writes_between_slices_never_make_a_wrong_export_in_two_hundred(mariadb_database: str, tmp_path: Path) -> None:
    _export_seeds(mariadb_database, tmp_path, range(2000, 2200))
