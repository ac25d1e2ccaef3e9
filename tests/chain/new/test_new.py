"""A first pipeline file: what is proposed is what a person would choose, and the file works as it stands."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from chain.cli import cli
from chain.demo.rows import Shop
from chain.demo.shop import fill_shop
from chain.new.propose import propose
from exporter.inspect.reflect import SeenColumn, SeenTable, reflect_table
from staging.config.file import load_pipeline
from staging.errors import InputError
from tests.servers.server import PASSWORD
from tests.warm import warm_python


def column(name: str, kind: str) -> SeenColumn:
    return SeenColumn(
        name, kind, kind in ("DATETIME", "TIMESTAMP"), kind.startswith("DEC"), kind == "BIGINT", nullable=False
    )


def table(*columns: str, primary_key: str = "id", index: str = "") -> SeenTable:
    parts = [each.partition(" ") for each in columns]
    seen = tuple(column(name, kind) for name, _, kind in parts)
    return SeenTable("shop.orders", "mysql", seen, (primary_key,), ((index,),) if index else ())


def test_owner_indexed_time_and_money_are_proposed() -> None:
    found = propose(
        table(
            "id BIGINT",
            "product_id BIGINT",
            "user_id BIGINT",
            "shipped_at DATETIME",
            "paid_at DATETIME",
            "fee DEC",
            "total DEC",
            index="paid_at",
        ),
        key=None,
        time=None,
        columns=None,
    )
    assert (found.key, found.time, found.columns, found.index) == (("user_id",), "paid_at", ("fee", "total"), "")


def test_an_index_that_is_missing_is_proposed_and_what_is_given_stays() -> None:
    found = propose(
        table("id BIGINT", "shop BIGINT", "made DATETIME", "cents BIGINT"), key="shop", time=None, columns="cents"
    )
    assert (found.key, found.columns) == (("shop",), ("cents",))
    assert found.index == "CREATE INDEX orders_made ON shop.orders (made)"


@pytest.mark.parametrize(
    ("columns", "given", "says"),
    [
        (("id BIGINT", "total DEC"), {}, "no column with a time"),
        (("id BIGINT", "at DATETIME", "name VARCHAR"), {}, "no column with an exact sum"),
        (("id BIGINT", "at DATETIME", "total DEC"), {"key": "user"}, "has no user"),
    ],
)
def test_what_does_not_fit_is_named(columns: tuple[str, ...], given: dict[str, str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        propose(table(*columns), **({"key": None, "time": None, "columns": None} | given))


def test_a_table_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as database:
        database.execute("CREATE TABLE orders (id INTEGER)")
    with pytest.raises(InputError) as caught:
        reflect_table(f"sqlite:///{tmp_path}/x.db", "order")
    assert "The database has orders." in caught.value.why


def test_a_script_is_told_what_is_missing_and_nothing_is_written_over(tmp_path: Path) -> None:
    fill_shop(f"sqlite:///{tmp_path}/shop.db", Shop(1, 5, 20), replace=False, say=lambda _: None)
    url = ("--url", f"sqlite:///{tmp_path}/shop.db")
    ended = CliRunner().invoke(cli, ["new", *url, "--out", str(tmp_path / "a.toml")], obj={})
    assert ended.exit_code == 2
    assert "purchases, users" in ended.output
    (tmp_path / "a.toml").write_text("mine")
    ended = CliRunner().invoke(cli, ["new", *url, "--table", "purchases", "--out", str(tmp_path / "a.toml")], obj={})
    assert isinstance(ended.exception, InputError)
    assert (tmp_path / "a.toml").read_text() == "mine"


@pytest.mark.integration
def test_the_file_works_as_it_stands(tmp_path: Path) -> None:
    fill_shop(f"sqlite:///{tmp_path}/shop.db", Shop(1, 30, 900), replace=False, say=lambda _: None)

    def penstock(*arguments: str) -> str:
        command = [warm_python(), "-m", "chain", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    penstock("new", "--url", f"sqlite:///{tmp_path}/shop.db", "--table", "purchases", "--timezone", "Europe/Berlin")
    penstock("init")  # the one pipeline file of the folder
    report = json.loads(penstock("run", "--day", "2026-10-25", "--logs", "logs", "--json"))
    assert report["conserved"][0]["source"] == "amount"
    with closing(sqlite3.connect(tmp_path / "shop.db")) as shop:
        assert shop.execute("SELECT count(*) FROM purchases_per_user").fetchone()[0] == report["rows_loaded"]


@pytest.mark.integration
def test_a_password_goes_into_no_file(postgres_database: str, tmp_path: Path) -> None:
    fill_shop(postgres_database, Shop(1, 5, 20), replace=False, say=lambda _: None)
    out = tmp_path / "p.toml"
    ended = CliRunner().invoke(
        cli, ["new", "--url", postgres_database, "--table", "purchases", "--out", str(out)], obj={}
    )
    assert ended.exit_code == 0, ended.exception
    assert load_pipeline(out, environ={}).source.url.reference == "env:SOURCE_URL"
    canary = PASSWORD.split("@", maxsplit=1)[0]
    assert canary not in out.read_text() + ended.output
    assert "purchased_at" in out.read_text()
