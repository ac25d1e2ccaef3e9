"""What breaks while a day is read in slices of a real PostgreSQL: a right export or the error that names it."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from staging.errors import InputError, UnavailableError
from tests.exporter.days import committed, run_export
from tests.exporter.killed_slices import kill_and_run_again
from tests.exporter.sliced_reads import Before, sliced_pipeline
from tests.servers.postgres import PostgresServer
from tests.servers.tcp_cut import ByteCut, cut_line_at_byte
from tests.shop.purchases import create_purchases

pytestmark = pytest.mark.integration

ROWS = 3000
AMOUNT = "4498500.00"


def _create(url: str) -> None:
    made = create_purchases(url)
    made.execute(
        "INSERT INTO purchases SELECT g, g % 50, timestamptz '2026-11-13 23:00+00' + g * interval '28 seconds', g "
        f"FROM generate_series(0, {ROWS - 1}) g"
    )
    made.execute("ANALYZE purchases")


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.read.again._FIRST_WAIT_SECONDS", 0.1)


@pytest.fixture
def shop(postgres_database: str) -> str:
    _create(postgres_database)
    return postgres_database


@contextmanager
def _other(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


def _end_ours(url: str, how: str = "pg_terminate_backend") -> None:
    with _other(url) as other:
        other.execute(
            f"SELECT {how}(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'penstock-exporter' AND query NOT LIKE '%pg_class%' AND pid <> pg_backend_pid()"
        )


def _check_right(manifest: dict[str, Any]) -> None:
    assert (manifest["rows"], manifest["sums"]) == (ROWS, {"amount": AMOUNT})


@pytest.mark.fault("cut", step="export", database="postgres")
def test_a_connection_that_is_ended_is_made_again_and_the_slice_read_again(shop: str, tmp_path: Path) -> None:
    before = Before(lambda: _end_ours(shop), 2)
    manifest = run_export(sliced_pipeline(shop, tmp_path), opener=before).manifest
    _check_right(manifest)
    assert manifest["source"]["evidence"]["slices_repeated"] == "1"
    assert before.reads == 1


@pytest.mark.fault("cut", step="export", database="postgres")
def test_a_connection_that_is_ended_again_and_again_is_given_up(shop: str, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        run_export(sliced_pipeline(shop, tmp_path), opener=Before(lambda: _end_ours(shop), *range(2, 20)))
    assert committed(tmp_path) == []


def _over(line: ByteCut, shop: str, folder: Path) -> dict[str, Any]:
    """Export over the line, which is armed by the first slice."""
    through = sa.make_url(shop).set(port=line.port).render_as_string(hide_password=False)
    return run_export(sliced_pipeline(through, folder), opener=Before(line.arm, 0)).manifest


@pytest.mark.fault("cut", step="export", database="postgres")
def test_a_line_cut_at_any_byte_of_slices_and_seal_gives_a_right_export(shop: str, tmp_path: Path) -> None:
    port, most = sa.make_url(shop).port, 10**9
    assert port is not None
    with cut_line_at_byte(port, most) as line:
        _check_right(_over(line, shop, tmp_path / "whole"))
    total = most - line.bytes_left
    for seed in range(20):
        at_byte = random.Random(seed).randrange(1, total)
        with cut_line_at_byte(port, at_byte) as line:
            _check_right(_over(line, shop, tmp_path / str(seed)))
            assert line.cuts == 1


@pytest.mark.fault("server down", step="export", database="postgres")
def test_a_server_that_was_restarted_makes_the_read_start_over(own_postgres: PostgresServer, tmp_path: Path) -> None:
    url = own_postgres.url(own_postgres.create_database())
    _create(url)

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
    _create(url)

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


@pytest.mark.fault("locked", step="export", database="postgres")
def test_a_slice_does_not_wait_long_behind_an_alter(shop: str, tmp_path: Path) -> None:
    """It gives up its place in the queue after a second, and comes again."""
    longest = 0.0
    done = threading.Event()

    def alter() -> None:
        held = threading.Event()

        def hold() -> None:
            with _other(shop) as other, other.transaction():
                other.execute("LOCK TABLE purchases IN ACCESS EXCLUSIVE MODE")
                held.set()
                time.sleep(2.5)

        def watch() -> None:
            nonlocal longest
            with _other(shop) as other:
                while not done.wait(0.05):
                    ((seconds,),) = other.execute(
                        "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0)::float "
                        "FROM pg_locks WHERE NOT granted AND relation = 'purchases'::regclass"
                    ).fetchall()
                    longest = max(longest, seconds)

        for work in (hold, watch):
            threading.Thread(target=work, daemon=True).start()
        held.wait(10)

    before = Before(alter, 2)
    manifest = run_export(sliced_pipeline(shop, tmp_path), opener=before).manifest
    done.set()
    _check_right(manifest)
    assert int(manifest["source"]["evidence"]["slices_repeated"]) >= 1
    assert 0.0 < longest < 2.0
    assert before.reads == 1


def test_a_slice_that_the_statement_timeout_ends_is_read_again_and_shorter(
    shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row takes long the first time. What was once, a lock of the session says: no rollback gives it back."""
    monkeypatch.setattr("exporter.postgres.slices.SLICE_TIMEOUT_SECONDS", 1)
    with _other(shop) as other:
        # Declared as what it is not, or the condition would be refused.
        other.execute(
            "CREATE FUNCTION lags_once(id bigint) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN "
            "IF id = 1500 AND NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) "
            "THEN PERFORM pg_advisory_lock_shared(1500); PERFORM pg_sleep(60); END IF; RETURN true; END $$"
        )
    settings = sliced_pipeline(shop, tmp_path)
    settings = settings.model_copy(update={"source": settings.source.model_copy(update={"where": "lags_once(id)"})})
    manifest = run_export(settings).manifest
    _check_right(manifest)
    assert int(manifest["source"]["evidence"]["slices_repeated"]) >= 1


def test_a_slice_that_the_statement_timeout_ends_each_time_is_given_up(
    shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.postgres.slices.SLICE_TIMEOUT_SECONDS", 1)
    with _other(shop) as other:
        other.execute(
            "CREATE FUNCTION lags(id bigint) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS "
            "$$ BEGIN IF id = 1500 THEN PERFORM pg_sleep(9); END IF; RETURN true; END $$"
        )
    settings = sliced_pipeline(shop, tmp_path)
    settings = settings.model_copy(update={"source": settings.source.model_copy(update={"where": "lags(id)"})})
    with pytest.raises(UnavailableError) as caught:
        run_export(settings)
    assert "statement timeout" in caught.value.why
    assert committed(tmp_path) == []


@pytest.mark.fault("locked", step="export", database="postgres")
def test_a_lock_that_is_never_given_back_is_an_error_that_says_so(shop: str, tmp_path: Path) -> None:
    with _other(shop) as other:

        def lock() -> None:
            other.execute("BEGIN")
            other.execute("LOCK TABLE purchases IN ACCESS EXCLUSIVE MODE")

        with pytest.raises(UnavailableError) as caught:
            run_export(sliced_pipeline(shop, tmp_path), opener=Before(lock, 2))
    assert "lock" in caught.value.why
    assert committed(tmp_path) == []


def test_a_right_that_is_taken_away_is_named(shop: str, tmp_path: Path) -> None:
    with _other(shop) as other:
        ((database,),) = other.execute("SELECT current_database()").fetchall()
        user = f"reader_{database}"
        other.execute(f"CREATE USER {user} PASSWORD 'x'")
        other.execute(f"GRANT SELECT ON purchases TO {user}")
        try:
            url = sa.make_url(shop).set(username=user, password="x").render_as_string(hide_password=False)
            before = Before(lambda: other.execute(f"REVOKE SELECT ON purchases FROM {user}"), 2)
            with pytest.raises(InputError) as caught:
                run_export(sliced_pipeline(url, tmp_path), opener=before)
        finally:
            other.execute(f"DROP OWNED BY {user}")
            other.execute(f"DROP USER {user}")
    assert "GRANT SELECT" in caught.value.fix
    assert committed(tmp_path) == []


def _kill_and_run_again(shop: str, folder: Path, seed: int) -> None:
    with _other(shop) as other:

        def count_sessions() -> int:
            ((ours,),) = other.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'penstock-exporter'"
            ).fetchall()
            return int(ours)

        export = kill_and_run_again(shop, folder, seed, count_sessions)
    _check_right(export.manifest)
    # No manifest without its shards, whatever it had come to.
    assert sum(file.stat().st_size > 0 for file in export.files()) == 3


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.fault("killed", step="export", database="postgres")
def test_after_a_kill_at_any_moment_the_same_run_goes_on(shop: str, tmp_path: Path, seed: int) -> None:
    _kill_and_run_again(shop, tmp_path / "here", seed)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", [2, 3, *range(100, 200)])
@pytest.mark.fault("killed", step="export", database="postgres")
def test_after_a_kill_at_any_of_a_hundred_moments_the_same_run_goes_on(shop: str, tmp_path: Path, seed: int) -> None:
    _kill_and_run_again(shop, tmp_path / "here", seed)


@pytest.mark.fault("cut", step="export", database="postgres")
def test_a_kill_by_people_of_every_statement_ends_in_a_right_export_or_the_error(shop: str, tmp_path: Path) -> None:
    done = threading.Event()

    def cancel_all() -> None:
        while not done.wait(0.003):
            _end_ours(shop, "pg_cancel_backend")

    killer = threading.Thread(target=cancel_all, daemon=True)
    killer.start()
    try:
        _check_right(run_export(sliced_pipeline(shop, tmp_path)).manifest)
    except UnavailableError as error:
        assert "cancel" in error.why  # noqa: PT017 - either outcome is right
        assert committed(tmp_path) == []
    finally:
        done.set()
        killer.join()
