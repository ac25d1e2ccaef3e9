"""What breaks while a day is read in slices of MariaDB and MySQL; tests/conformance/source has what all share."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from staging.errors import InputError, UnavailableError
from tests.conformance.source.mysql_family_shop import MysqlFamilyShop
from tests.conformance.source.sliced_shop import AMOUNT, ROWS
from tests.exporter.days import committed, run_export
from tests.exporter.sliced_reads import Before, sliced_pipeline
from tests.servers.mysql_family import MysqlFamilyServer
from tests.servers.tcp_cut import cut_line_at_byte

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.read.again._FIRST_WAIT_SECONDS", 0.1)


@pytest.fixture
def shop(mysql_family_database: str) -> str:
    MysqlFamilyShop(mysql_family_database).close()
    return mysql_family_database


def _check_right(manifest: dict[str, Any]) -> None:
    assert (manifest["rows"], manifest["sums"]) == (ROWS, {"amount": AMOUNT})


def _through(url: str, port: int) -> str:
    return sa.make_url(url).set(port=port).render_as_string(hide_password=False)


def _cut_somewhere(shop: str, folder: Path, seed: int, total_bytes: int) -> bool:
    """Export over a line that is cut; return whether it came through."""
    port = sa.make_url(shop).port
    assert port is not None
    with cut_line_at_byte(port, random.Random(seed).randrange(1, total_bytes)) as line:
        line.arm()
        try:
            _check_right(run_export(sliced_pipeline(_through(shop, line.port), folder)).manifest)
        except (UnavailableError, InputError):
            assert committed(folder) == []
            return False
        assert line.cuts == 1
    return True


def _answered_bytes(shop: str, folder: Path) -> int:
    """How many bytes the server sends for a whole export."""
    port, most = sa.make_url(shop).port, 10**9
    assert port is not None
    with cut_line_at_byte(port, most) as line:
        line.arm()
        run_export(sliced_pipeline(_through(shop, line.port), folder))
        return most - line.bytes_left


def _cut_anywhere(shop: str, folder: Path, seeds: range) -> None:
    total = _answered_bytes(shop, folder / "whole")
    came_through = [_cut_somewhere(shop, folder / str(seed), seed, total) for seed in seeds]
    assert any(came_through)


@pytest.mark.fault("cut", step="export")
def test_a_line_cut_at_any_byte_gives_a_right_export_or_none(shop: str, tmp_path: Path) -> None:
    _cut_anywhere(shop, tmp_path, range(5))


@pytest.mark.nightly
@pytest.mark.fault("cut", step="export")
def test_a_line_cut_at_any_of_twenty_bytes_gives_a_right_export_or_none(shop: str, tmp_path: Path) -> None:
    _cut_anywhere(shop, tmp_path, range(20))


@pytest.mark.fault("server down", step="export")
def test_a_server_that_was_restarted_makes_the_read_start_over(
    own_mysql_family: MysqlFamilyServer, tmp_path: Path
) -> None:
    url = own_mysql_family.url(own_mysql_family.create_database())
    MysqlFamilyShop(url).close()
    time.sleep(3)  # so that the new uptime is shorter beyond doubt

    def restart() -> None:
        own_mysql_family.kill()
        own_mysql_family.start()

    before = Before(restart, 3)
    _check_right(run_export(sliced_pipeline(url, tmp_path), opener=before).manifest)
    assert before.reads == 2
