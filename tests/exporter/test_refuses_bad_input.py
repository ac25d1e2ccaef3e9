"""Bad input in a real database: an error that names it, the exit code, and nothing that counts."""

from __future__ import annotations

import sqlite3
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from staging.errors import ExitCode, InputError, PenstockError, UnavailableError
from tests.exporter.days import committed, pipeline, run_export
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

NOON = "'2026-11-14 12:00:00'"
Case = tuple[list[str], dict[str, Any], list[str]]
"""Statements that make the source, changes of `[source]`, and what the error must say."""


def _table(
    columns: str = "", *rows: str, key: str = "bigint", time: str = "timestamp", amount: str = "decimal(10,2)"
) -> list[str]:
    created = f"CREATE TABLE purchases (user_id {key}, purchased_at {time}, amount {amount}{columns})"
    return [created, *(f"INSERT INTO purchases VALUES ({row})" for row in rows)]


GOOD = f"1, {NOON}, 1.00"
EVERYWHERE: dict[str, Case] = {
    "no such table": (_table(), {"table": "purchase"}, ["purchase", "did you mean 'purchases'"]),
    "no such schema": (_table(), {"table": "elsewhere.purchases"}, ["elsewhere.purchases"]),
    "names are compared exactly": (_table(), {"columns": ["Amount"]}, ["'Amount'", "exactly"]),
    "NULL key": (_table("", GOOD, f"NULL, {NOON}, 1.00"), {}, ["user_id", "is NULL", "purchased_at"]),
    "NULL time": (
        _table("", GOOD, "7, NULL, 1.00", time="timestamp NULL"),
        {},
        ["purchased_at", "NULL", "user_id is 7"],
    ),
    "where of two statements": (_table(), {"where": "1=1; DROP TABLE purchases"}, ["source.where", "';'"]),
    "where that closes our parenthesis": (_table(), {"where": "1=1) OR (1=1"}, ["source.where", "parenthesis"]),
    "where with a comment": (_table(), {"where": "1=1 -- "}, ["source.where", "comment"]),
    "where of no such column": (_table(), {"where": "status = 'paid'"}, ["status", "source.where"]),
    "where that is no SQL": (_table(), {"where": "amount >"}, ["source.where"]),
    "a float key": (_table(key="double precision"), {}, ["key", "Float64"]),
    "a time that is none": (_table(time="decimal(10,2)"), {}, ["purchased_at", "can't decide the day"]),
}
TIMES_OF_NUMBERS: dict[str, Case] = {
    f"a time of {name}": (_table("", f"5, {number}, 1", time="bigint"), {}, ["purchased_at", "no seconds", str(number)])
    for name, number in {"a date's digits": 20261114, "a time's digits": 20261114120000, "minutes": 29911440}.items()
}
POSTGRES: dict[str, Case] = {
    "NaN": (_table("", GOOD, f"5, {NOON}, 'NaN'"), {}, ["amount", "NaN", "user_id is 5"]),
    "an infinite time": (_table("", "8, 'infinity', 1"), {}, ["purchased_at", "infinite", "user_id is 8"]),
    "an infinite date": (
        _table(", d date", f"9, {NOON}, 1, 'infinity'"),
        {"columns": ["amount", "d"]},
        ["Column d", "user_id is 9"],
    ),
    "a year before Christ": (
        _table(", d timestamp", f"9, {NOON}, 1, '0044-03-15 BC'"),
        {"columns": ["d"]},
        ["Column d", "user_id is 9"],
    ),
    "midnight as 24:00": (
        _table(", d time", f"9, {NOON}, 1, '24:00'"),
        {"columns": ["d"]},
        ["Column d", "24:00", "user_id is 9"],
    ),
    "a double that is NaN": (
        _table(", f double precision", f"9, {NOON}, 1, 'NaN'"),
        {"columns": ["f"], "allow_float": True},
        ["Column f", "nan"],
    ),
    "numeric without precision": (_table(amount="numeric"), {}, ["amount", "precision", "numeric(20, 2)"]),
    "numeric of 40 digits": (_table(amount="numeric(40,2)"), {}, ["amount", "40 digits"]),
    "money": (_table(amount="money"), {}, ["amount", "locale"]),
    "an array": (_table(amount="integer[]"), {}, ["amount", "lists"]),
    "an interval": (_table(amount="interval"), {}, ["amount", "month"]),
    "an address": (_table(amount="inet"), {}, ["amount", "INET"]),
    "a key of a folding collation": (
        [
            "CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
            *_table(key="text COLLATE folding"),
        ],
        {},
        ["user_id", "folding", "different keys"],
    ),
    "a key of citext": (
        ["CREATE EXTENSION citext", *_table(key="citext")],
        {},
        ["user_id", "citext", "cast to text first"],
    ),
    "a key of an address": (_table(key="inet"), {}, ["user_id", "Choose another column as `source.key`"]),
    "a key of jsonb": (_table(key="jsonb"), {}, ["user_id is JSON", "1 and 1.0"]),
    "a key of a domain over json": (
        ["CREATE DOMAIN document AS json", *_table(key="document")],
        {},
        ["user_id is JSON", "1 and 1.0"],
    ),
}
MARIADB: dict[str, Case] = TIMES_OF_NUMBERS | {
    "a zero date as the time": (
        ["SET sql_mode=''", *_table("", "3, '0000-00-00 00:00:00', 1", time="datetime")],
        {},
        ["purchased_at", "zeros", "user_id is 3"],
    ),
    "a zero date": (
        ["SET sql_mode=''", *_table(", d date", f"4, {NOON}, 1, '0000-00-00'")],
        {"columns": ["d"]},
        ["Column d", "0000-00-00", "user_id is 4"],
    ),
    "a negative time": (
        _table(", d time", f"4, {NOON}, 1, '-12:00:00'"),
        {"columns": ["d"]},
        ["Column d", "-12:00:00", "user_id is 4"],
    ),
    "decimal of 40 digits": (_table(amount="decimal(40,2)"), {}, ["amount", "40 digits"]),
    "a key that folds case": (
        _table(key="varchar(20) COLLATE utf8mb4_general_ci"),
        {},
        ["user_id", "utf8mb4_general_ci", "utf8mb4_0900_bin"],
    ),
    "an engine without snapshots": ([f"{_table()[0]} ENGINE=MyISAM"], {}, ["MyISAM", "InnoDB"]),
    "a point": (_table(", p point"), {"columns": ["p"]}, ["Column p"]),
}
MYSQL: dict[str, Case] = {
    "a key of JSON": (_table(key="json"), {}, ["user_id is JSON", "1 and 1.0"]),
}
MYSQL |= {
    f"a key under {collation}": (_table(key=f"varchar(20) COLLATE {collation}"), {}, ["user_id", collation, "0900_bin"])
    for collation in (
        *("utf8mb4_0900_as_cs", "utf8mb4_0900_as_ci", "utf8mb4_0900_ai_ci", "utf8mb4_de_pb_0900_as_cs"),
        *("utf8mb4_ja_0900_as_cs_ks", "latin1_general_cs"),
    )
}
MARIADB_ALONE: dict[str, Case] = {
    f"a key under {collation}": (
        _table(key=f"varchar(20) COLLATE {collation}"),
        {},
        ["user_id", collation, "nopad_bin"],
    )
    for collation in ("utf8mb4_uca1400_as_cs", "utf8mb4_uca1400_nopad_as_cs", "latin1_general_cs", "latin7_general_cs")
}
SQLITE: dict[str, Case] = {
    "text in a number": (_table("", GOOD, f"6, {NOON}, 'abc'"), {}, ["amount", "'abc'", "user_id is 6"]),
    "a blob in a number": (_table("", f"6, {NOON}, x'61'"), {}, ["amount", "blob", "user_id is 6"]),
    "1e20": (_table("", f"6, {NOON}, 1e20"), {}, ["amount", "1.0e+20", "Decimal(10, 2)", "user_id is 6"]),
    "infinity": (_table("", f"6, {NOON}, 9e999"), {}, ["amount", "Inf", "user_id is 6"]),
    "a digit too many": (_table("", f"6, {NOON}, 1.005"), {}, ["amount", "1.005", "user_id is 6"]),
    "a sum of binary fractions": (_table("", f"6, {NOON}, 0.1 + 0.2"), {}, ["amount", "0.30000000000000004"]),
    "more digits than declared": (_table("", f"6, {NOON}, 123456789012.5"), {}, ["amount", "123456789012.5"]),
    "a fraction in an integer": (_table("", f"1.5, {NOON}, 1"), {}, ["user_id", "real 1.5"]),
    "text in an integer": (_table("", f"'x', {NOON}, 1"), {}, ["user_id", "text 'x'"]),
    "a number among texts of time": (
        _table("", GOOD, "5, 1794614400, 1"),
        {},
        ["purchased_at", "else than text", "user_id is 5"],
    ),
    "text among unix seconds": (
        _table("", "5, '2026-11-14', 1", time="integer"),
        {},
        ["purchased_at", "else than a number"],
    ),
    "a time that is no time": (
        _table("", "5, '2026-11-14 25:00:00', 1"),
        {},
        ["purchased_at", "25:00:00", "user_id is 5"],
    ),
    "a wall clock that never was": (
        _table("", "5, '2026-03-29 02:30:00', 1"),
        {"column_timezone": "Europe/Berlin", "_day": "2026-03-29"},
        ["purchased_at", "02:30:00"],
    ),
    **{
        f"a time that is {name}": (
            _table("", GOOD, f"5, '{text}', 1", time="text"),
            {},
            ["purchased_at", "no ISO time", "user_id is 5"],
        )
        for name, text in {
            "seconds as text": "1794614400",
            "milliseconds as text": "1794614400000",
            "behind a space": " 2026-11-14 10:00:00",
            "of slashes": "2026/11/14 10:00:00",
            "of digits alone": "20261114T100000",
            "of points": "2026.11.14",
            "of spaces": "2026 11 14",
            "of a day first": "14.11.2026 10:00:00",
            "of a month first": "11/14/2026",
            "in words": "Nov 14 2026",
            "of nothing": "",
        }.items()
    },
    **{
        f"a {unit} without its zero": (
            _table("", f"5, '{text}', 1"),
            {"_day": day},
            ["purchased_at", "no ISO time", "user_id is 5"],
        )
        for unit, text, day in (
            ("month", "2026-3-14 10:00:00", "2026-03-14"),
            ("day", "2026-11-4 10:00:00", "2026-11-04"),
            ("day at its end", "2026-11-4", "2026-11-04"),
        )
    },
    **{
        f"a time at the day's edge {name}": (
            _table("", GOOD, f"5, '{text}', 1", time="text"),
            {"timezone": "Europe/Berlin"},
            ["purchased_at", "no ISO time", "user_id is 5"],
        )
        for name, text in {
            "without the hour's zero": "2026-11-14T9:30:00",
            "behind a small t": "2026-11-14t10:30:00",
            "in the evening": "2026-11-13 11:30 PM",
        }.items()
    },
    "an edge's time in UTC where the clock is another": (
        _table("", GOOD, "5, '2026-11-13T23:30:00Z', 1", time="text"),
        {"timezone": "Europe/Berlin", "column_timezone": "Europe/Berlin"},
        ["purchased_at", "zone of its own", "user_id is 5"],
    ),
    "a date with a time of day that is another day's": (
        _table("", "4, '2026-11-14', 1", "5, '2026-11-14 23:30:00', 1", time="date"),
        {"timezone": "Europe/Berlin"},
        ["purchased_at", "time of day", "user_id is 5"],
    ),
    "a date with a zone of its own": (
        _table("", "5, '2026-11-14T23:30:00-08:00', 1", time="date"),
        {},
        ["purchased_at", "zone of its own", "user_id is 5"],
    ),
    **TIMES_OF_NUMBERS,
    "text that is no UTF-8": (_table("", f"CAST(X'61FF' AS TEXT), {NOON}, 1", key="text"), {}, ["user_id", "X'61FF'"]),
    "carried text that is no UTF-8": (
        _table(", note text", f"5, {NOON}, 1, CAST(X'FF' AS TEXT)"),
        {"columns": ["amount", "note"]},
        ["note", "X'FF'", "no UTF-8"],
    ),
    "an offset of its own": (
        _table("", "5, '2026-11-15 00:30:00+02:00', 1"),
        {},
        ["purchased_at", "zone of its own", "user_id is 5"],
    ),
    "a column without type": (_table(amount=""), {}, ["amount", "(none)"]),
    "decimal without precision": (_table(amount="decimal"), {}, ["amount", "precision"]),
    "a key that folds case": (_table(key="text COLLATE NOCASE"), {}, ["user_id", "NOCASE"]),
    "a boolean of 2": (
        _table(", b boolean", f"5, {NOON}, 1, 2"),
        {"columns": ["b"]},
        ["Column b", "2", "user_id is 5"],
    ),
}
CASES = [
    *(
        (fixture, name, case)
        for fixture in ("postgres_database", "mariadb_database", "mysql_database", "sqlite_database")
        for name, case in EVERYWHERE.items()
    ),
    *(("postgres_database", name, case) for name, case in POSTGRES.items()),
    *((fixture, name, case) for fixture in ("mariadb_database", "mysql_database") for name, case in MARIADB.items()),
    *(("mysql_database", name, case) for name, case in MYSQL.items()),
    *(("mariadb_database", name, case) for name, case in MARIADB_ALONE.items()),
    *(("sqlite_database", name, case) for name, case in SQLITE.items()),
]


@pytest.mark.parametrize(("fixture", "name", "case"), CASES, ids=[f"{f.split('_')[0]}: {n}" for f, n, _ in CASES])
def test_it_is_named_and_nothing_counts(
    request: pytest.FixtureRequest, tmp_path: Path, fixture: str, name: str, case: Case
) -> None:
    url = request.getfixturevalue(fixture)
    statements, changes, fragments = case
    _execute(url, statements)
    changes = dict(changes)
    day = date.fromisoformat(changes.pop("_day", "2026-11-14"))
    with pytest.raises(InputError) as caught:
        run_export(pipeline(url, tmp_path / "stage", **changes), day=day)
    text = str(caught.value)
    assert caught.value.exit_code == ExitCode.INPUT
    assert all((caught.value.what, caught.value.why, caught.value.fix))
    for fragment in fragments:
        assert fragment.lower() in text.lower(), text
    assert committed(tmp_path / "stage") == []


def _execute(url: str, statements: list[str]) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def test_a_naive_day_whose_edge_lies_in_the_repeated_hour_is_refused(sqlite_database: str, tmp_path: Path) -> None:
    _execute(sqlite_database, _table("", GOOD))
    settings = pipeline(sqlite_database, tmp_path, timezone="Atlantic/Cape_Verde", column_timezone="Europe/Berlin")
    with pytest.raises(InputError, match="occurs twice"):
        run_export(settings, day=date(2026, 10, 25))


@pytest.mark.parametrize("fixture", ["postgres_database", "mariadb_database", "mysql_database"])
def test_a_wrong_password_a_missing_right_and_a_dead_server_are_told_apart(
    request: pytest.FixtureRequest, tmp_path: Path, fixture: str
) -> None:
    url = sa.make_url(request.getfixturevalue(fixture))
    password, role = "s@:/%cr;}et", f"reader_{tmp_path.name[-8:].replace('-', '')}_{fixture[:2]}"
    database = Database(url.render_as_string(hide_password=False))
    _execute(database.url, _table("", GOOD))
    if fixture == "postgres_database":
        _execute(database.url, [f"CREATE ROLE {role} LOGIN PASSWORD '{password}'"])
        grants, drops = [f"GRANT SELECT ON purchases TO {role}"], [f"DROP OWNED BY {role}", f"DROP ROLE {role}"]
    else:
        _execute(
            database.url,
            [
                f"CREATE USER {role} IDENTIFIED BY '{password}'",
                "CREATE TABLE other (a int)",
                f"GRANT SELECT ON other TO {role}",
            ],
        )
        grants, drops = [f"GRANT SELECT ON purchases TO {role}"], [f"DROP USER {role}"]
    try:
        right = url.set(username=role, password=password)
        no_right = _error(right, tmp_path)
        assert isinstance(no_right, InputError)
        assert "GRANT SELECT" in no_right.fix or "no table or view purchases" in no_right.what
        _execute(database.url, grants)
        assert (
            run_export(pipeline(right.render_as_string(hide_password=False), tmp_path / "good")).manifest["rows"] == 1
        )
        wrong = _error(right.set(password="wr@ng:/%cr;}et"), tmp_path)
        if fixture != "postgres_database":  # the test's PostgreSQL may trust everybody on this machine
            assert isinstance(wrong, InputError)
            assert "password" in wrong.fix
    finally:
        _execute(database.url, drops)
    unreachable = _error(url.set(port=1, password=password), tmp_path)
    assert isinstance(unreachable, UnavailableError)
    assert unreachable.exit_code == ExitCode.UNAVAILABLE
    nowhere = _error(url.set(database="no_such_database"), tmp_path)
    assert isinstance(nowhere, InputError)
    for error in (no_right, unreachable, nowhere):
        for spelling in (password, "s%40", "cr;}et", "cr%3B"):
            assert spelling not in str(error)
    assert [name for name in committed(tmp_path) if not name.startswith("good/")] == []


def _error(url: sa.URL, tmp_path: Path) -> PenstockError:
    try:
        run_export(pipeline(url.render_as_string(hide_password=False), tmp_path / "bad"))
    except PenstockError as error:
        return error
    return InputError("nothing was raised")


def test_a_missing_file_and_one_that_is_no_database_are_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file"):
        run_export(pipeline(f"sqlite:///{tmp_path}/none.db", tmp_path / "stage"))
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "text.db").write_text("hello, this is no database at all" * 100)
    with pytest.raises(InputError, match="not a database"):
        run_export(pipeline(f"sqlite:///{tmp_path}/text.db", tmp_path / "stage"))


def test_a_locked_file_is_said_to_be_unavailable(
    sqlite_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.sqlite.connection._BUSY_SECONDS", 0)
    _execute(sqlite_database, _table("", GOOD))
    other = sqlite3.connect(sqlite_database.removeprefix("sqlite:///"), isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UnavailableError, match="locked"):
            run_export(pipeline(sqlite_database, tmp_path / "stage"))
    finally:
        other.close()


def test_only_carried_columns_can_be_allowed_to_be_null() -> None:
    with pytest.raises(ValueError, match="allow_null names user_id"):
        pipeline("sqlite:///x", Path("/x"), allow_null=["user_id"])
