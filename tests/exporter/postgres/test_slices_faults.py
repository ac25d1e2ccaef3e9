"""What breaks while a day is read in slices of PostgreSQL; tests/conformance/source has what all servers share."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from staging.errors import UnavailableError
from tests.conformance.source.postgres_shop import PostgresShop
from tests.conformance.source.sliced_shop import AMOUNT, ROWS
from tests.exporter.days import committed, run_export
from tests.exporter.sliced_reads import Before, sliced_pipeline
from tests.servers.postgres import PostgresServer
from tests.servers.tcp_cut import ByteCut, cut_line_at_byte

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.read.again._FIRST_WAIT_SECONDS", 0.1)


@pytest.fixture
def shop(postgres_database: str) -> Iterator[PostgresShop]:
    made = PostgresShop(postgres_database)
    yield made
    made.close()


def _check_right(manifest: dict[str, Any]) -> None:
    assert (manifest["rows"], manifest["sums"]) == (ROWS, {"amount": AMOUNT})


def _over(line: ByteCut, url: str, folder: Path) -> dict[str, Any]:
    """Export over the line, which is armed by the first slice."""
    through = sa.make_url(url).set(port=line.port).render_as_string(hide_password=False)
    return run_export(sliced_pipeline(through, folder), opener=Before(line.arm, 0)).manifest


@pytest.mark.fault("cut", step="export", database="postgres")
def test_a_line_cut_at_any_byte_of_slices_and_seal_gives_a_right_export(shop: PostgresShop, tmp_path: Path) -> None:
    port, most = sa.make_url(shop.url).port, 10**9
    assert port is not None
    with cut_line_at_byte(port, most) as line:
        _check_right(_over(line, shop.url, tmp_path / "whole"))
    total = most - line.bytes_left
    for seed in range(20):
        at_byte = random.Random(seed).randrange(1, total)
        with cut_line_at_byte(port, at_byte) as line:
            _check_right(_over(line, shop.url, tmp_path / str(seed)))
            assert line.cuts == 1


@pytest.mark.fault("server down", step="export", database="postgres")
def test_a_server_that_was_restarted_makes_the_read_start_over(own_postgres: PostgresServer, tmp_path: Path) -> None:
    url = own_postgres.url(own_postgres.create_database())
    PostgresShop(url).close()

    def restart() -> None:
        own_postgres.stop()
        own_postgres.start()

    before = Before(restart, 3)
    _check_right(run_export(sliced_pipeline(url, tmp_path), opener=before).manifest)
    assert before.reads == 2


@pytest.mark.fault("server down", step="export", database="postgres")
def test_a_server_that_crashed_makes_the_read_start_over(own_postgres: PostgresServer, tmp_path: Path) -> None:
    """One backend that dies takes all with it; the postmaster and its start time stay as they were."""
    url = own_postgres.url(own_postgres.create_database())
    PostgresShop(url).close()

    def crash() -> None:
        with psycopg.connect(url.replace("+psycopg", "")) as victim:
            os.kill(victim.info.backend_pid, signal.SIGKILL)
            while own_postgres.is_ready():
                time.sleep(0.02)
        while not own_postgres.is_ready():
            time.sleep(0.05)

    before = Before(crash, 3)
    _check_right(run_export(sliced_pipeline(url, tmp_path), opener=before).manifest)
    assert before.reads == 2


def test_a_slice_that_the_statement_timeout_ends_is_read_again_and_shorter(
    shop: PostgresShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row takes long the first time. What was once, a lock of the session says: no rollback gives it back."""
    monkeypatch.setattr("exporter.postgres.slices.SLICE_TIMEOUT_SECONDS", 1)
    # Declared as what it is not, or the condition would be refused.
    shop.do(
        "CREATE FUNCTION lags_once(id bigint) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN "
        "IF id = 1500 AND NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) "
        "THEN PERFORM pg_advisory_lock_shared(1500); PERFORM pg_sleep(60); END IF; RETURN true; END $$"
    )
    settings = shop.settings(tmp_path, where="lags_once(id)")
    manifest = run_export(settings).manifest
    _check_right(manifest)
    assert int(manifest["source"]["evidence"]["slices_repeated"]) >= 1


def test_a_slice_that_the_statement_timeout_ends_each_time_is_given_up(
    shop: PostgresShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.postgres.slices.SLICE_TIMEOUT_SECONDS", 1)
    shop.do(
        "CREATE FUNCTION lags(id bigint) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS "
        "$$ BEGIN IF id = 1500 THEN PERFORM pg_sleep(9); END IF; RETURN true; END $$"
    )
    settings = shop.settings(tmp_path, where="lags(id)")
    with pytest.raises(UnavailableError) as caught:
        run_export(settings)
    assert "statement timeout" in caught.value.why
    assert committed(tmp_path) == []
