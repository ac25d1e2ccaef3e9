"""`penstock plan` on real databases: what it says is what a run then does, and it leaves no trace."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.chain.terminal import on_terminal, plain
from tests.servers.server import PASSWORD
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database
from tests.warm import warm_python

pytestmark = pytest.mark.integration

DAY = "2026-10-25"  # clocks are set back in Berlin: 25 hours
START = datetime(2026, 10, 24, 22, tzinfo=UTC)
ROWS = 5000
STEP = timedelta(minutes=2)


def penstock(*arguments: object, url: str, columns: int = 80) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PLAN_URL": url, "COLUMNS": str(columns)}
    return subprocess.run(
        [warm_python(), "-m", "chain", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )


@pytest.fixture(params=["postgres_database", "mariadb_database", "mysql_database", "sqlite_database"])
def database(request: pytest.FixtureRequest) -> Database:
    return _shop(Database(request.getfixturevalue(request.param)))


def _shop(database: Database) -> Database:
    time = "timestamptz" if database.dialect == "postgresql" else "datetime"
    zone = "+00" if database.dialect == "postgresql" else ""
    declared = {"id": "integer PRIMARY KEY", "purchased_at": f"{time} NOT NULL", "amount": "decimal(10,2) NOT NULL"}
    times = [f"{START - timedelta(days=3) + n * STEP:%Y-%m-%d %H:%M:%S}{zone}" for n in range(ROWS)]
    create_purchases(
        database,
        [(n, n % 7, at, "1.50", None, 0.5) for n, at in enumerate(times)],
        columns=declared | {"note": "varchar(9)", "ratio": "double precision"},
    )
    if database.dialect != "sqlite":
        database.execute("ANALYZE purchases" if database.dialect == "postgresql" else "ANALYZE TABLE purchases")
    return database


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "stage").mkdir()
    path = tmp_path / "daily.toml"
    path.write_text(f"""\
name = "daily_revenue"
[source]
url = "env:PLAN_URL"
table = "purchases"
key = "user_id"
time = "purchased_at"
columns = ["amount"]
timezone = "Europe/Berlin"
[staging]
url = "{(tmp_path / "stage").as_uri()}"
[export]
shards = 3
[target]
url = "sqlite:///{tmp_path}/target.db"
table = "revenue"
""")
    return path


def _plan(config: Path, database: Database, *more: str, code: int = 0) -> dict[str, Any]:
    done = penstock("plan", "--config", config, "--day", DAY, "--json", *more, url=database.url)
    assert done.returncode == code, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_says_what_would_be_read_and_writes_nothing(database: Database, config: Path) -> None:
    plan = _plan(config, database)
    assert (plan["window_start"], plan["window_end"]) == ("2026-10-24T22:00:00+00:00", "2026-10-25T23:00:00+00:00")
    assert (plan["local_start"], plan["local_end"]) == ("2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00")
    assert plan["hours"] == 25
    assert [(c["name"], c["part"], c["dtype"], c["conserved"]) for c in plan["columns"]] == [
        ("user_id", "key", "Int64", False),
        ("purchased_at", "time", "Datetime(us, UTC)", False),
        ("amount", "carried", "Decimal(10, 2)", True),
    ]
    assert plan["read"] == "snapshot"
    assert "auto" in plan["why_read"]
    assert (plan["shards"], plan["tasks"], plan["refused"], plan["stored_export_id"]) == (3, 3, [], None)
    assert any("by_time" in step or "ALL on purchases" in step for step in plan["explain"])
    assert 100 < plan["rows"] <= ROWS  # 750, as each planner guesses
    assert plan["size_bytes"] >= plan["rows"] * 16
    assert [path for path in (config.parent / "stage").rglob("*") if path.is_file()] == []
    # The statement is the one that a run puts to the database.
    rows = [row for row in database.execute(plan["statement"]) if row]
    # Text has a `T` or a blank between date and time: SQLite gives some rows more, which are dropped here.
    assert len(rows) == (26 if database.dialect == "sqlite" else 25) * 30


def test_no_row_of_the_table_is_read(postgres_database: str, config: Path) -> None:
    database = _shop(Database(postgres_database))
    counters = (
        "SELECT seq_scan, seq_tup_read, idx_scan, idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'purchases'"
    )
    engine = sa.create_engine(postgres_database, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        before = connection.exec_driver_sql(counters).fetchall()
        _plan(config, database)
        _plan(config, database, "--set", "export.read=slices")
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        assert connection.exec_driver_sql(counters).fetchall() == before


def test_all_that_would_be_refused_is_told_at_once(database: Database, config: Path) -> None:
    plan = _plan(config, database, "--set", "source.columns=amount,ratio,nope", code=10)
    assert [column["name"] for column in plan["columns"] if column["refused"]] == ["nope"]
    assert plan["refused"][0]["exit_code"] == 10
    done = penstock(
        *("plan", "--config", config, "--day", DAY, "--set", "source.columns=amount,nope"), url=database.url
    )
    assert done.returncode == 10
    assert "REFUSED" in done.stdout
    assert "would be refused, for 1 reason" in done.stderr
    assert max(map(len, _on_terminal(config, database, "--set", "source.columns=amount,nope"))) <= 80


def test_a_plan_fits_eighty_columns(database: Database, config: Path) -> None:
    lines = _on_terminal(config, database)
    assert lines[0] == f"daily_revenue {DAY}: 25 hours of Europe/Berlin"
    assert any("2026-10-25 23:00:00 UTC = 2026-10-26 00:00:00 CET" in line for line in lines)
    assert any("Nothing would be refused." in line for line in lines)
    assert max(len(line) for line in lines if not line.startswith("  SELECT ")) <= 80  # which is there to be copied


def _on_terminal(config: Path, database: Database, *arguments: str) -> list[str]:
    """What `plan` shows people: in a pipe no line is broken."""
    line = [warm_python(), "-m", "chain", "plan", "--config", config.name, "--day", DAY, *arguments]
    _, screen = on_terminal(line, config.parent, PLAN_URL=database.url)
    return plain(screen)


def test_a_stored_export_and_a_done_day_are_told(sqlite_database: str, config: Path) -> None:
    database = _shop(Database(sqlite_database))
    sa.create_engine(f"sqlite:///{config.parent}/target.db", poolclass=sa.NullPool).connect().close()
    assert penstock("init", "--config", config, url=database.url).returncode == 0
    ran = penstock("run", "--config", config, "--day", DAY, "--json", "--logs", config.parent / "l", url=database.url)
    report = json.loads(ran.stdout)
    plan = _plan(config, database)
    assert (plan["stored_export_id"], plan["loaded_run_id"]) == (report["export_id"], report["run_id"])
    assert plan["rows"] - 30 == report["rows_exported"] == 750
    told = penstock("plan", "--config", config, "--day", DAY, url=database.url).stdout
    assert "the day is done by" in told
    other = _plan(config, database, "--set", "source.columns=id", code=10)
    assert "made with other settings" in other["refused"][0]["what"]


def test_a_database_that_is_away_is_unavailable(config: Path) -> None:
    url = "postgresql+psycopg://u:secret-word@127.0.0.1:9/db"
    done = penstock("plan", "--config", config, "--day", DAY, url=url)
    assert done.returncode == 20
    assert "secret-word" not in done.stdout + done.stderr


def test_slices_are_planned_with_their_rests(postgres_database: str, config: Path) -> None:
    database = _shop(Database(postgres_database))
    plan = _plan(config, database, "--set", "export.read=slices", "--set", "pacing.max_rows_per_second=10")
    assert plan["read"] == "slices"
    assert plan["seconds"] == pytest.approx(plan["rows"] / 10)


def test_a_day_that_is_not_over_is_no_day_for_slices_and_may_be_one_later(postgres_database: str, config: Path) -> None:
    database = _shop(Database(postgres_database))
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    done = penstock(
        *("plan", "--config", config, "--day", today, "--set", "export.read=slices", "--set", "source.timezone=UTC"),
        url=database.url,
    )
    assert done.returncode == 20
    assert "not over yet" in done.stdout.splitlines()[0]
    assert "REFUSED" in done.stdout


def test_drift_against_the_last_export_is_told(sqlite_database: str, config: Path) -> None:
    database = _shop(Database(sqlite_database))
    sa.create_engine(f"sqlite:///{config.parent}/target.db", poolclass=sa.NullPool).connect().close()
    assert penstock("init", "--config", config, url=database.url).returncode == 0
    ran = penstock("run", "--config", config, "--day", "2026-10-24", "--logs", config.parent / "l", url=database.url)
    assert ran.returncode == 0, ran.stderr
    database.execute("ALTER TABLE purchases RENAME COLUMN amount TO old")
    database.execute("ALTER TABLE purchases ADD COLUMN amount decimal(12,3) NOT NULL DEFAULT 0")
    plan = _plan(config, database, code=10)
    assert "amount was decimal(10,2) (Decimal(10, 2)) and is decimal(12,3)" in plan["refused"][0]["why"]
    assert "schema_changes=accept_all" in plan["refused"][0]["fix"]
