"""Targets that can't take a day exactly are refused with 10 before a row is written."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from staging.errors import InputError, IntegrityError, UnavailableError
from tests.loader.runs import OUTPUT, LoaderRun, revenue
from tests.loader.target_fixtures import LoaderTarget, expected, mysql_family_target
from tests.servers.mysql_family import MysqlFamilyServer
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.integration

Make = Callable[..., LoaderRun]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    folder = tmp_path / "staging"
    folder.mkdir()

    def new(rows: Any = None, **options: Any) -> LoaderRun:
        return LoaderRun(folder, revenue(range(30)) if rows is None else rows, **options).write()

    return new


def refused(target: LoaderTarget, run: LoaderRun, *words: str, url: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        target.load(run, url=url)
    for word in words:
        assert word in str(caught.value)
    assert "canary" not in str(caught.value)
    return str(caught.value)


def refused_untouched(target: LoaderTarget, run: LoaderRun, *words: str) -> None:
    before = target.state()
    refused(target, run, *words)
    assert target.state() == before


def test_without_a_target_table_init_is_proposed(target: LoaderTarget, make: Make) -> None:
    if target.kind == "sqlite":
        target.execute("CREATE TABLE something (a)")
    refused(target, make(), "no table revenue", "penstock init")


def test_without_a_ledger_init_is_proposed(target: LoaderTarget, make: Make) -> None:
    target.init(run := make())
    target.execute("DROP TABLE penstock_ledger")
    refused(target, run, "no ledger", "penstock init")


def test_a_table_that_is_no_ledger_is_not_used_as_one(target: LoaderTarget, make: Make) -> None:
    target.init(run := make())
    target.execute("CREATE TABLE notes (id integer PRIMARY KEY)")
    target.ledger = "notes"
    refused(target, run, "can't be the ledger", "lacks target_schema")


_KEY = "user_id bigint NOT NULL, day date NOT NULL"
SHAPES = {
    f"{_KEY}, revenue {{money}}, PRIMARY KEY (day, user_id)": "no column purchases",
    "user_id bigint NOT NULL, revenue {money}, purchases bigint, PRIMARY KEY (user_id)": "no column day",
    f"{_KEY}, revenue {{money}}, purchases bigint": "no unique key",
    f"{_KEY}, revenue {{money}}, purchases bigint, PRIMARY KEY (user_id)": "unique (user_id)",
    f"{_KEY}, revenue {{money}}, purchases bigint, UNIQUE (user_id), PRIMARY KEY (day, user_id)": "another unique key",
    f"{_KEY}, revenue {{money}}, purchases bigint, shop int, PRIMARY KEY (day, user_id, shop)": "another unique key",
    f"{_KEY}, revenue {{money}}, purchases bigint, shop int NOT NULL, PRIMARY KEY (day, user_id)": "can't fill: shop",
    f"{_KEY}, revenue double precision, purchases bigint, PRIMARY KEY (day, user_id)": "can't hold decimal numbers",
    f"{_KEY}, revenue bigint, purchases bigint, PRIMARY KEY (day, user_id)": "can't hold decimal numbers",
    "user_id bigint, day bigint, revenue {money}, purchases bigint, PRIMARY KEY (day, user_id)": "column day is",
}


@pytest.mark.parametrize(("columns", "words"), SHAPES.items())
def test_a_table_of_the_wrong_shape_is_refused(target: LoaderTarget, make: Make, columns: str, words: str) -> None:
    money = target.pick(sqlite="text", postgres="numeric(20,2)", mariadb="decimal(20,2)")
    target.execute(f"CREATE TABLE revenue ({columns.format(money=money)})")
    run = make()
    target.init(run)  # adds the ledger, leaves the table
    refused_untouched(target, run, words)


def test_sqlite_columns_that_would_make_floats_of_money_are_refused(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    for declared in ("DECIMAL(20,2)", "NUMERIC", "REAL"):
        target.execute(
            "DROP TABLE IF EXISTS revenue",
            f"CREATE TABLE revenue ({_KEY}, revenue {declared}, purchases INT, PRIMARY KEY (day, user_id))",
        )
        target.init(run := make())
        refused(target, run, f"revenue is {declared}", "can't hold decimal numbers")


NARROW: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "too many digits": (
        {"revenue": "numeric(6,2)"},
        {"user_id": 1, "revenue": Decimal("10000.00"), "purchases": 1},
        "values reach from",
    ),
    "too many negative digits": (
        {"revenue": "numeric(6,2)"},
        {"user_id": 1, "revenue": Decimal("-10000.00"), "purchases": 1},
        "-10000.00",
    ),
    "too few decimal places": (
        {"revenue": "numeric(20,1)"},
        {"user_id": 1, "revenue": Decimal("1.05"), "purchases": 1},
        "more than 1 decimal places",
    ),
    "integers that are too big": (
        {"purchases": "smallint"},
        {"user_id": 1, "revenue": Decimal("1.05"), "purchases": 32768},
        "purchases is smallint",
    ),
    "keys that are too big": (
        {"user_id": "int"},
        {"user_id": 2**31, "revenue": Decimal("1.05"), "purchases": 1},
        "user_id is int",
    ),
    "NULL where none may be": (
        {"purchases": "bigint NOT NULL"},
        {"user_id": 1, "revenue": Decimal("1.05"), "purchases": None},
        "values are NULL",
    ),
}


@pytest.mark.parametrize("case", NARROW)
def test_values_that_do_not_fit_are_refused_by_the_values_that_are_there(
    server_target: LoaderTarget, make: Make, case: str
) -> None:
    declared, row, words = NARROW[case]
    types = {"user_id": "bigint", "revenue": "numeric(28,2)", "purchases": "bigint", **declared}
    columns = ", ".join(f"{name} {type_}" for name, type_ in types.items())
    server_target.execute(f"CREATE TABLE revenue ({columns}, day date, PRIMARY KEY (day, user_id))")
    fitting = make(revenue(range(5), cents=lambda user: user * 10))
    server_target.init(fitting)
    server_target.load(fitting)
    run = make([*revenue(range(5, 9)), row], run_id="run-0002", export_id="export-0002", fence=2)
    refused_untouched(server_target, run, words)


@pytest.mark.parametrize(("dtype", "value"), [(pa.float64(), float("nan")), (pa.time64("ns"), 1)], ids=["NaN", "time"])
def test_a_value_that_the_database_would_not_keep_is_refused(
    target: LoaderTarget, make: Make, dtype: pa.DataType, value: object
) -> None:
    schema = pa.schema([OUTPUT.field("user_id"), pa.field("extra", dtype)])
    run = make([{"user_id": 1, "extra": value}], schema=schema, money=None)
    target.init(run)
    if target.kind == "postgres" and dtype == pa.float64():
        assert target.load(run).loaded.inserted == 1  # PostgreSQL has a NaN
        return
    if target.kind == "postgres":
        target.execute("ALTER TABLE revenue ALTER extra TYPE time")  # says nothing of digits
    refused_untouched(target, run, "extra is")


def test_a_narrow_column_takes_a_day_that_fits_it(server_target: LoaderTarget, make: Make) -> None:
    server_target.execute(
        "CREATE TABLE revenue (user_id smallint, day date, revenue numeric(5,1), purchases smallint,"
        " PRIMARY KEY (day, user_id))"
    )
    run = make([{"user_id": -32768, "revenue": Decimal("-9999.90"), "purchases": 32767}])
    server_target.init(run)
    server_target.load(run)
    assert server_target.rows() == expected(run)


def test_a_table_that_others_inherit_from_can_not_be_the_target(postgres_database: str, make: Make) -> None:
    target = LoaderTarget("postgres", postgres_database)
    target.init(run := make([{"user_id": user, "revenue": Decimal("5.00"), "purchases": 1} for user in (1, 2)]))
    target.execute("CREATE TABLE heir () INHERITS (revenue)")
    # User 1 twice and user 2 not at all: as many rows, and the same sums.
    target.execute(
        "INSERT INTO heir (user_id, day, revenue, purchases) SELECT 1, '2026-11-14', 5, 1 FROM generate_series(1, 2)"
    )
    refused_untouched(target, run, "other tables inherit from it")


def test_two_keys_that_are_one_to_the_targets_collation_are_told_as_that(postgres_database: str, make: Make) -> None:
    target = LoaderTarget("postgres", postgres_database)
    target.execute(
        "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level1', deterministic = false)",
        "CREATE TABLE revenue (user_id text COLLATE blind, day date, revenue numeric(28,2), purchases bigint, "
        "PRIMARY KEY (day, user_id))",
    )
    schema = pa.schema([pa.field("user_id", pa.string(), nullable=False), *list(OUTPUT)[1:]])
    rows = [{"user_id": user, "revenue": Decimal("5.00"), "purchases": 1} for user in ("ada", "Ada")]
    target.init(run := make(rows, schema=schema))
    with pytest.raises(IntegrityError, match="collation overlooks case"):
        target.load(run)


def test_views_can_not_be_the_target(target: LoaderTarget, make: Make) -> None:
    target.init(run := make())
    target.execute("CREATE VIEW revenue_view AS SELECT * FROM revenue")
    target.table = "revenue_view"
    refused(target, run, "it is a view")


def test_tables_without_transactions_can_not_be_the_target(mysql_family_database: str, make: Make) -> None:
    target = mysql_family_target(mysql_family_database)
    target.init(run := make())
    target.execute("ALTER TABLE revenue ENGINE = MyISAM")
    refused_untouched(target, run, "MyISAM has no transactions")
    # MyISAM's keys are shorter.
    other = target.pick(mariadb="Aria TRANSACTIONAL = 0", mysql="MyISAM, CONVERT TO CHARACTER SET latin1")
    target.execute("ALTER TABLE revenue ENGINE = InnoDB", f"ALTER TABLE penstock_ledger ENGINE = {other}")
    refused_untouched(target, run, "can't be the ledger", other.split()[0].strip(","))


def test_generated_columns_can_not_be_filled(target: LoaderTarget, make: Make) -> None:
    money = target.pick(sqlite="text", postgres="numeric(28,2)", mariadb="decimal(28,2)")
    target.execute(
        f"CREATE TABLE revenue (user_id bigint NOT NULL, day date NOT NULL, revenue {money},"
        " purchases bigint GENERATED ALWAYS AS (user_id + 1) STORED, PRIMARY KEY (day, user_id))"
    )
    target.init(run := make())
    refused_untouched(target, run, "purchases is generated")


def test_other_columns_with_defaults_keep_their_values(target: LoaderTarget, make: Make) -> None:
    target.init(run := make())
    note = target.pick(sqlite="TEXT", postgres="text", mariadb="varchar(9)")
    target.execute(f"ALTER TABLE revenue ADD note {note} NOT NULL DEFAULT 'none'")
    target.load(run)
    target.execute("UPDATE revenue SET note = 'mine'")
    target.load(make(revenue(range(31), cents=lambda user: user), run_id="run-0002", export_id="export-0002", fence=2))
    assert dict(target.query("SELECT note, COUNT(*) FROM revenue GROUP BY note")) == {"mine": 30, "none": 1}


# --- rights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["SELECT", "INSERT", "UPDATE", "DELETE"])
def test_a_missing_right_is_told_before_anything_is_written(
    server_target: LoaderTarget, make: Make, request: pytest.FixtureRequest, missing: str
) -> None:
    server_target.init(run := make())
    url = _user_with(server_target, request, [r for r in ("SELECT", "INSERT", "UPDATE", "DELETE") if r != missing])
    before = server_target.state()
    text = refused(server_target, run, url=url)
    assert "right" in text or "no table" in text or "denied" in text
    assert server_target.state() == before


def test_exactly_the_documented_rights_are_enough(
    server_target: LoaderTarget, make: Make, request: pytest.FixtureRequest
) -> None:
    server_target.init(run := make())
    url = _user_with(server_target, request, ["SELECT", "INSERT", "UPDATE", "DELETE"])
    server_target.load(run, url=url)
    assert server_target.rows() == expected(run)


def _user_with(target: LoaderTarget, request: pytest.FixtureRequest, rights: list[str]) -> str:
    """A user who may do this to the target, what is documented to the ledger, and nothing else; the URL as them."""
    password = "canary-p@ss:w/o%rd"
    grant = ", ".join(rights)
    database = target.url.rsplit("/", 1)[1]
    name = f"u_{database[-8:]}"
    if target.kind == "postgres":
        postgres: PostgresServer = request.getfixturevalue("postgres_server")
        target.execute(
            f"CREATE USER {name} PASSWORD '{password}'",
            f"GRANT {grant} ON revenue TO {name}",
            f"GRANT SELECT, INSERT, UPDATE ON penstock_ledger TO {name}",
        )
        request.addfinalizer(lambda: target.execute(f"DROP OWNED BY {name}", f"DROP USER {name}"))
        return postgres.url(database, user=name, password=password)
    server: MysqlFamilyServer = request.getfixturevalue(f"{target.kind}_server")
    target.execute(
        f"CREATE USER {name} IDENTIFIED BY '{password}'",
        f"GRANT CREATE TEMPORARY TABLES ON {database}.* TO {name}",
        f"GRANT {grant} ON {database}.revenue TO {name}",
        f"GRANT SELECT, INSERT, UPDATE ON {database}.penstock_ledger TO {name}",
    )
    request.addfinalizer(lambda: target.execute(f"DROP USER {name}"))
    return server.url(database, user=name, password=password)


def test_a_session_that_is_read_only_is_refused(postgres_database: str, make: Make) -> None:
    target = LoaderTarget("postgres", postgres_database)
    target.init(run := make())
    target.execute(f"ALTER DATABASE {postgres_database.rsplit('/', 1)[1]} SET default_transaction_read_only = on")
    refused_untouched(target, run, "takes no writes")


@pytest.mark.parametrize("variable", ["read_only", "super_read_only"])
def test_a_server_that_is_read_only_is_refused(own_mysql_family: MysqlFamilyServer, make: Make, variable: str) -> None:
    target = mysql_family_target(own_mysql_family.url(own_mysql_family.create_database()))
    if variable == "super_read_only" and target.kind == "mariadb":
        return  # MySQL's alone
    target.init(run := make())
    name = "plain"  # an account without the right to write all the same
    target.execute(f"CREATE USER {name} IDENTIFIED BY 'canary'", f"GRANT ALL ON *.* TO {name}")
    if variable == "read_only":
        exempt = target.pick(mariadb="READ_ONLY ADMIN", mysql="SUPER, CONNECTION_ADMIN")
        target.execute(f"REVOKE {exempt} ON *.* FROM {name}")
    target.execute(f"SET GLOBAL {variable} = 1")
    url = own_mysql_family.url(target.url.rsplit("/", 1)[1], user=name, password="canary")
    refused(target, run, "takes no writes", "read-only", url=url)
    assert target.rows() == []


def test_rows_hidden_by_a_policy_are_refused(
    postgres_database: str, make: Make, request: pytest.FixtureRequest
) -> None:
    target = LoaderTarget("postgres", postgres_database)
    target.init(run := make())
    url = _user_with(target, request, ["SELECT", "INSERT", "UPDATE", "DELETE"])
    target.execute(
        "ALTER TABLE revenue ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY few ON revenue USING (user_id < 3) WITH CHECK (true)",
    )
    refused(target, run, "row-level security", url=url)


def test_a_read_only_sqlite_file_is_refused(sqlite_database: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(run := make())
    path = Path(sqlite_database.removeprefix("sqlite:///"))
    refused(target, run, "takes no writes", url=f"sqlite:///file:{path}?mode=ro&uri=true")
    if os.geteuid() != 0:
        path.chmod(stat.S_IRUSR)
        refused(target, run, "takes no writes")


# --- connections -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["wrong-canary", "wr@ng:/%canary"])
def test_a_wrong_password_is_told_without_showing_it(
    server_target: LoaderTarget, make: Make, request: pytest.FixtureRequest, password: str
) -> None:
    server = request.getfixturevalue(f"{server_target.kind}_server")
    text = refused(server_target, make(), "refuses the connection", url=server.url(password=password))
    assert password not in text


def test_a_password_with_unescaped_signs_is_told_without_showing_it(make: Make) -> None:
    target = LoaderTarget("postgres", "postgresql://u:pa@canary-rest@127.0.0.1/x")
    refused(target, make(), "%40")


def test_an_unknown_database_is_told(server_target: LoaderTarget, make: Make, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(f"{server_target.kind}_server")
    refused(server_target, make(), "refuses the connection", "not_there", url=server.url("not_there"))


def test_an_unreachable_server_is_unavailable(
    server_target: LoaderTarget, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loader.attempts.MOST_ATTEMPTS", 2)
    url = server_target.url.split("@")[0] + "@127.0.0.1:9/x"
    with pytest.raises(UnavailableError, match="can't be reached") as caught:
        server_target.load(make(), url=url)
    assert "canary" not in str(caught.value)


def test_a_missing_sqlite_file_is_told_and_not_created(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    refused(target, make(), "can't be used", "penstock init")
    assert not Path(sqlite_database.removeprefix("sqlite:///")).exists()


def test_a_file_that_is_no_database_is_told(sqlite_database: str, make: Make) -> None:
    Path(sqlite_database.removeprefix("sqlite:///")).write_bytes(b"no database at all" * 100)
    refused(LoaderTarget("sqlite", sqlite_database), make(), "can't be used")


def test_a_database_in_memory_is_refused(make: Make) -> None:
    refused(LoaderTarget("sqlite", "sqlite://"), make(), "no SQLite file")


def test_an_output_with_a_column_day_is_refused(target: LoaderTarget, make: Make) -> None:
    target.init(make())
    schema = OUTPUT.append(pa.field("day", pa.date32()))
    refused(target, make([{**row, "day": None} for row in revenue(range(3))], schema=schema), "column day")
