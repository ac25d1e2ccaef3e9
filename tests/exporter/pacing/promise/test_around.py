"""The promise around a read: several tables, a file of SQLite, what `plan` and `doctor` say, an account's limit."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from databases.url import parse_url
from exporter.inspect.doctor import SourceLook, examine_source
from exporter.inspect.latency import describe_promise
from exporter.pacing.postgres_signals import PostgresSessions
from exporter.pacing.signal_connection import SignalConnection
from exporter.port.source import Estimate
from exporter.read.choose import choose_read
from staging.config.pacing import PacingConfig
from staging.config.pipeline import ExportConfig, Pipeline
from tests.exporter.days import DAY, NOW, pipeline, run_export
from tests.exporter.sliced_reads import Watched
from tests.servers.postgres import PostgresServer
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

PROBE = "SELECT amount FROM purchases WHERE id = 1"
ROWS = [(n, n % 7, f"2026-11-14 12:00:{n % 60:02}.000000", f"{n}.25") for n in range(500)]


def settings(url: str, folder: Path, *, read: str = "auto", **more: Any) -> Pipeline:
    made = pipeline(url, folder, export={"read": read, "shards": 3}, column_timezone="UTC", **more)
    promise = PacingConfig(gentle="replica", latency_probe=PROBE, max_p99_increase=20)
    return made.model_copy(update={"pacing": promise})


class SlowSeal(Watched):
    """The seal takes long enough for probes."""

    def watch(self, slices: Any) -> Any:
        seal = slices.seal

        def slow(*given: Any) -> Any:
            time.sleep(1)
            return seal(*given)

        slices.seal = slow
        return slices


@pytest.fixture(params=["postgres_database", "mariadb_database", "mysql_database"])
def shop(request: pytest.FixtureRequest) -> Database:
    return create_purchases(
        request.getfixturevalue(request.param), ROWS, columns={"purchased_at": "timestamp NOT NULL"}
    )


@pytest.mark.integration
def test_the_seals_snapshot_with_a_table_of_no_day_is_measured_beside_reading(shop: Database, tmp_path: Path) -> None:
    shop.execute("CREATE TABLE users (id bigint PRIMARY KEY, country varchar(2) NOT NULL)")
    shop.execute("INSERT INTO users VALUES (0, 'DE'), (1, 'FR'), (2, 'IT')")
    users = {"users": {"table": "users", "key": "id", "columns": ["country"]}}
    export = run_export(settings(shop.url, tmp_path, read="slices", **{"with": users}), opener=SlowSeal())
    assert sum(export.totals().values()) == sum(Decimal(row[3]) for row in ROWS)
    (table,) = export.manifest["tables"]
    assert table["rows"] == 3
    probed = export.manifest["reading"]["probed"]
    sealing = [window for window in probed["windows"] if window["kind"] == "seal"]
    assert sum(window["probes"] for window in sealing) > 0
    assert probed["beside_probes"] == sum(
        window["probes"] for window in probed["windows"] if window["kind"] != "resting"
    )


@pytest.mark.integration
def test_doctor_tries_the_probe_and_one_connection_more(shop: Database, tmp_path: Path) -> None:
    def look(made: Pipeline) -> dict[str, tuple[str, str]]:
        found = examine_source(made, DAY, SourceLook(), lambda: NOW)
        return {each.name: (each.level, each.text) for each in found}

    made = settings(shop.url, tmp_path)
    silent = look(made.model_copy(update={"pacing": PacingConfig()}))
    found = look(made)
    assert "source probe" not in silent
    assert found["source probe"][0] == "ok"
    assert "times a second" in found["source probe"][1]
    without, with_probe = (int(each["source connections"][1].split()[0]) for each in (silent, found))
    assert with_probe == without + 1
    bad = made.model_copy(update={"pacing": PacingConfig(latency_probe="SELECT 1 FROM no_such_table")})
    assert look(bad)["source probe"][0] == "fault"


@pytest.mark.integration
def test_a_file_of_sqlite_is_measured_as_well(sqlite_database: str, tmp_path: Path) -> None:
    shop = create_purchases(sqlite_database, ROWS, index=False)
    export = run_export(settings(shop.url, tmp_path))
    assert sum(export.totals().values()) == sum(Decimal(row[3]) for row in ROWS)
    probed = export.manifest["reading"]["probed"]
    assert probed["resting_probes"] >= 50
    assert probed["held"] is False
    assert "could not be measured" in probed["why_not"]


def test_a_plan_says_what_is_promised() -> None:
    only_measured = PacingConfig(latency_probe=PROBE)
    promised = PacingConfig(latency_probe=PROBE, max_p99_increase=1.25)
    assert describe_promise(PacingConfig(), 3, "slices") is None
    assert "nothing is promised" in str(describe_promise(only_measured, 3, "slices"))
    assert "at most 1.25 times that without: rests from 3 to 100 s" in str(describe_promise(promised, 3, "slices"))
    assert "can't be held" in str(describe_promise(promised, 3, "snapshot"))


def test_auto_prefers_slices_where_something_is_promised_of_a_replica_too() -> None:
    def mode(*, promises: bool, rows: int = 1_000_000) -> str:
        return choose_read(
            ExportConfig(),
            gentle="replica",
            dialect="postgresql",
            estimate=Estimate(rows, "expected"),
            why_no_slices="",
            closed=None,
            promises=promises,
        ).mode

    assert mode(promises=False) == "snapshot"
    assert mode(promises=True) == "slices"
    assert mode(promises=True, rows=1000) == "snapshot"


@pytest.mark.integration
def test_our_own_probe_is_no_active_session(postgres_server: PostgresServer) -> None:
    def looks(name: str) -> int:
        with (
            postgres_server.connect() as busy,
            closing(SignalConnection(parse_url(postgres_server.url()), "postgresql")) as connection,
        ):
            busy.execute(f"SET application_name = '{name}'")
            sleeping = threading.Thread(target=busy.execute, args=("SELECT pg_sleep(1)",))
            sleeping.start()
            sessions, most = PostgresSessions(connection, 25, None), 0
            while sleeping.is_alive():
                most = max(most, sessions.count())
            sleeping.join()
            return most

    assert looks("shop") == 1
    assert looks("penstock-probe") == 0
