"""The demo on a server: tables of its own, the day in them, and nobody else's table taken or dropped."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chain.cli import cli
from chain.demo import on_server
from chain.demo.rows import Shop
from staging.errors import InputError
from tests.servers.server import PASSWORD
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

DAY = "2026-10-25"
TABLES = ("penstock_demo_users", "penstock_demo_purchases", "penstock_demo_revenue", "penstock_demo_ledger")


@pytest.fixture(params=["postgres", "mariadb", "mysql"])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Database:
    """An empty database on each server; the shop is small, and its pace never waits."""
    monkeypatch.setattr(on_server, "_SHOP", Shop(seed=1, users=90, purchases=6_000))  # more than one batch
    monkeypatch.setenv("PENSTOCK_PACING__GENTLE", "replica")
    return Database(request.getfixturevalue(f"{request.param}_database"))


def _demo(database: Database, folder: Path, *options: str) -> Result:
    found = CliRunner().invoke(
        cli, ["demo", "--url", database.url, "--folder", str(folder), *options], obj=dict(os.environ)
    )
    assert PASSWORD not in found.output
    return found


def _tables(database: Database) -> set[str]:
    schema = "current_schema()" if database.dialect == "postgresql" else "DATABASE()"
    asked = f"SELECT table_name FROM information_schema.tables WHERE table_schema = {schema}"
    return {str(name) for (name,) in database.execute(asked)}


def _expected(database: Database) -> dict[int, tuple[Decimal, int]]:
    low, high = ("2026-10-24 22:00:00", "2026-10-25 23:00:00")
    zone = "+00" if database.dialect == "postgresql" else ""
    bought = database.execute(
        "SELECT user_id, amount FROM penstock_demo_purchases WHERE status IN ('paid', 'refunded') "
        f"AND purchased_at >= '{low}{zone}' AND purchased_at < '{high}{zone}'"
    )
    found: dict[int, tuple[Decimal, int]] = {}
    for user, amount in bought:
        total, count = found.get(user, (Decimal(0), 0))
        found[user] = (total + Decimal(amount), count + 1)
    return found


def test_it_makes_its_tables_runs_the_day_and_removes_them_again(database: Database, tmp_path: Path) -> None:
    database.execute("CREATE TABLE users (a int)")
    first = _demo(database, tmp_path)
    assert first.exit_code == 0, first.output
    assert "every sum agrees to the last digit" in first.output
    assert len(re.findall(r"^  User \d{6}", first.output, re.MULTILINE)) == 10
    assert _tables(database) == {"users", *TABLES}
    asked = "SELECT user_id, revenue, purchases FROM penstock_demo_revenue"
    loaded = database.execute(asked)
    assert {user: (Decimal(revenue), count) for user, revenue, count in loaded} == _expected(database)
    (config,) = tmp_path.glob("*/shop.toml")
    assert PASSWORD not in config.read_text(encoding="utf-8")
    assert (config.parent / "url").stat().st_mode & 0o077 == 0

    # Half a shop, as after a demo that was stopped, is made anew; what is whole is not.
    database.execute("DELETE FROM penstock_demo_purchases WHERE purchase_id > 5000")
    again = _demo(database, tmp_path)
    assert again.exit_code == 0, again.output
    assert "Making a shop" in again.output
    assert {user: (Decimal(revenue), count) for user, revenue, count in database.execute(asked)} == _expected(database)

    (command,) = re.findall(r"demo --url (\S+) --remove$", again.output, re.MULTILINE)
    removed = CliRunner().invoke(
        cli, ["demo", "--url", command, "--folder", str(tmp_path), "--remove"], obj=dict(os.environ)
    )
    assert removed.exit_code == 0, removed.output
    assert _tables(database) == {"users"}
    assert list(tmp_path.iterdir()) == []
    assert "no demo" in _demo(database, tmp_path, "--remove").output


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("options", [(), ("--remove",)])
def test_a_table_of_its_names_that_it_did_not_make_is_refused_and_stays(
    database: Database, tmp_path: Path, table: str, options: tuple[str, ...]
) -> None:
    database.execute(f"CREATE TABLE {table} (a int)")
    found = _demo(database, tmp_path, *options)
    assert isinstance(found.exception, InputError)
    assert f"{table} in the database" in found.exception.what
    assert _tables(database) == {table}


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shop.db").touch()
    found = CliRunner().invoke(
        cli, ["demo", "--url", f"sqlite:///{tmp_path / 'shop.db'}", "--folder", str(tmp_path)], obj=dict(os.environ)
    )
    assert isinstance(found.exception, InputError)
    assert "PostgreSQL, MySQL and MariaDB" in found.exception.what
