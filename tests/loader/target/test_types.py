"""Keys and values of every kind arrive bit by bit, under any name, in every database."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from staging.errors import InputError, IntegrityError
from tests.loader.runs import LoaderRun, Make, Row, loader_runs, revenue
from tests.loader.target_fixtures import LoaderTarget, expected, mysql_family_target

pytestmark = pytest.mark.integration

WORDS = [
    "",
    " ",
    "a",
    "A",
    "ä",
    "a\tb",
    "a\nb",
    "a\r\nb",
    "back\\slash",
    "\\N",
    "\\.",
    "NULL",
    "'",
    '"',
    "`",
    "%s",
    "🦆",
    "x" * 200,
]

TABLE = (
    "CREATE TABLE revenue (user_id {}, day date, revenue numeric(20,2), purchases bigint, PRIMARY KEY (day, user_id))"
)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return loader_runs(tmp_path)


def money(key: pa.Field) -> pa.Schema:
    return pa.schema([key, pa.field("revenue", pa.decimal128(28, 2)), pa.field("purchases", pa.int64())])


def rows_of(keys: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"user_id": key, "revenue": Decimal(n).scaleb(-2), "purchases": n} for n, key in enumerate(keys)]


def load_twice(target: LoaderTarget, make: Make, rows: Sequence[Row], **options: Any) -> LoaderRun:
    """Load, and load the same again: what is read back is what was written, and equal values are seen to be equal."""
    target.init(run := make(rows, **options))
    target.load(run)
    again = target.load(make(rows, number=2, **options)).loaded
    assert (again.inserted, again.updated, again.deleted) == (0, 0, 0)
    return run


KEYS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "integers": (pa.int64(), [-(2**63), -(2**53) - 1, -1, 0, 1, 2**53 + 1, 2**63 - 1]),
    "small integers": (pa.int16(), [-32768, 0, 32767]),
    "unsigned integers": (pa.uint32(), [0, 2**31, 2**32 - 1]),
    "decimals": (pa.decimal128(18, 0), [Decimal(-(10**17)), Decimal(0), Decimal(10**17)]),
    "text": (pa.string(), WORDS),
    "UUIDs": (pa.string(), [str(uuid.UUID(int=n * 0x1234567890ABCDEF1234567, version=4)) for n in range(20)]),
    "bytes": (pa.binary(), [b"", b"\0", b"\xff", b"\\", b"\n", b"a", bytes(range(256))[:200]]),
}


@pytest.mark.parametrize("kind", KEYS)
def test_keys_arrive_exactly(target: LoaderTarget, make: Make, kind: str) -> None:
    dtype, keys = KEYS[kind]
    run = load_twice(target, make, rows_of(keys), schema=money(pa.field("user_id", dtype, nullable=False)))
    found = target.query(f"SELECT user_id, revenue, purchases FROM {target.full_name} ORDER BY purchases")
    assert [(type(run.rows[0]["user_id"])(row[0]), Decimal(row[1]), row[2]) for row in found] == [
        tuple(row.values()) for row in run.rows
    ]


def test_unsigned_64_bit_keys_arrive_exactly(server_target: LoaderTarget, make: Make) -> None:
    schema = money(pa.field("user_id", pa.uint64(), nullable=False))
    run = load_twice(server_target, make, rows_of([0, 2**53 + 1, 2**63, 2**64 - 1]), schema=schema)
    assert server_target.rows() == expected(run)


def test_unsigned_keys_beyond_63_bits_need_a_text_column_in_sqlite(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    schema = money(pa.field("user_id", pa.uint64(), nullable=False))
    target.init(run := make(rows_of([0, 2**64 - 1]), schema=schema))
    with pytest.raises(InputError, match=r"user_id is INTEGER; values reach from \d+ to 18446744073709551615"):
        target.load(run)
    target.execute(
        "DROP TABLE revenue",
        "CREATE TABLE revenue (user_id TEXT, day, revenue TEXT, purchases INT, PRIMARY KEY (day, user_id))",
    )
    target.load(run)
    assert target.query("SELECT user_id FROM revenue ORDER BY 1") == [("0",), ("18446744073709551615",)]


@pytest.mark.parametrize("texts", [["1", "2"], ["b "], ["A"]])
def test_a_text_that_a_column_of_choices_would_make_another_choice_is_refused(
    mysql_family_database: str, make: Make, texts: list[str]
) -> None:
    target = LoaderTarget("mysql" if mysql_family_database.startswith("mysql") else "mariadb", mysql_family_database)
    choices = "enum('a', 'b', 'it''s') COLLATE utf8mb4_general_ci"
    schema = money(pa.field("user_id", pa.string(), nullable=False))
    target.init(good := make(rows_of(["a", "b", "it's"]), schema=schema))
    target.execute(f"ALTER TABLE revenue MODIFY user_id {choices} NOT NULL")
    target.load(good)
    with pytest.raises(InputError, match="has no choice") as told:
        target.load(make(rows_of(texts), schema=schema, number=2))
    assert repr(texts[0]) in str(told.value)
    assert target.rows() == expected(good)


def test_uuid_text_goes_into_uuid_columns(server_target: LoaderTarget, make: Make) -> None:
    keys = KEYS["UUIDs"][1]
    server_target.execute(TABLE.format("char(36)" if server_target.kind == "mysql" else "uuid"))
    load_twice(server_target, make, rows_of(keys), schema=money(pa.field("user_id", pa.string(), nullable=False)))
    assert sorted(str(row[0]) for row in server_target.query("SELECT user_id FROM revenue")) == sorted(keys)


VALUES = pa.schema(
    [
        pa.field("user_id", pa.int64(), nullable=False),
        pa.field("revenue", pa.decimal128(38, 10)),
        pa.field("words", pa.string()),
        pa.field("raw", pa.binary()),
        pa.field("yes", pa.bool_()),
        pa.field("born", pa.date32()),
        pa.field("at_time", pa.time64("ns")),
        pa.field("local", pa.timestamp("us")),
        pa.field("instant", pa.timestamp("us", "UTC")),
        pa.field("share", pa.float64()),
        pa.field("small_share", pa.float32()),
        pa.field("tiny", pa.int8()),
        pa.field("big", pa.uint32()),
    ]
)


def test_values_of_every_type_arrive_exactly(target: LoaderTarget, make: Make) -> None:
    instant = dt.datetime(2026, 3, 29, 1, 59, 59, 999_999, tzinfo=dt.UTC)
    row: dict[str, Any] = {
        "revenue": Decimal("-9999999999999999999999999999.0000000001"),
        "raw": b"\0\\\xff\n\t'",
        "yes": True,
        "born": dt.date(1900, 2, 28),
        "at_time": dt.time(23, 59, 59, 999_999),
        "local": instant.replace(tzinfo=None),
        "instant": instant,
        "share": 0.1,
        "small_share": 0.5,
        "tiny": -128,
        "big": 2**32 - 1,
    }
    names = [field.name for field in VALUES]
    rows = [{**row, "user_id": n, "words": word} for n, word in enumerate(WORDS)]
    rows += [dict.fromkeys(names) | {"user_id": -1}]
    rows += [
        {**row, "user_id": -2, "words": "", "raw": b"", "yes": False, "share": 5e-324, "revenue": Decimal("0E-10")}
    ]
    load_twice(target, make, rows, schema=VALUES)
    found = {found[0]: found[1:] for found in target.query(f"SELECT {', '.join(names)} FROM {target.full_name}")}
    assert found == {each["user_id"]: tuple(_stored(target.kind, each[name]) for name in names[1:]) for each in rows}


def _stored(kind: str, value: Any) -> Any:
    """What the driver gives back for a value."""
    if kind == "sqlite":
        if isinstance(value, Decimal):
            return f"{value:f}"
        if isinstance(value, dt.datetime):
            return value.replace(tzinfo=None).isoformat(" ", "microseconds")
        if isinstance(value, dt.date | dt.time):
            return value.isoformat()
    if kind in ("mariadb", "mysql"):
        if isinstance(value, dt.datetime):
            return value.replace(tzinfo=None)
        if isinstance(value, dt.time):
            return dt.timedelta(
                hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond
            )
    return value


NAMES = [
    "plain",
    "two words",
    'quo"te',
    "tick`s",
    "semi;colon",
    "dotted.name",
    "per%cent %s %(x)s",
    "größe_数",
    "select",
    "Upper",
]


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_of_tables_and_columns_work(target: LoaderTarget, make: Make, name: str) -> None:
    target.table, target.ledger = name, "odd ledger"
    schema = pa.schema(
        [
            pa.field(f"{name} key", pa.int64(), nullable=False),
            pa.field(f"{name} sum", pa.decimal128(28, 2)),
            pa.field(f"{name} raw", pa.binary()),
        ]
    )
    names = [field.name for field in schema]
    rows = [dict(zip(names, (n, Decimal(n), b"%s"), strict=True)) for n in range(5)]
    options = {"schema": schema, "key": names[0], "money": names[1]}
    run = load_twice(target, make, rows, **options)
    target.load(make([{**row, names[1]: Decimal(1)} for row in rows[1:]], number=3, **options))
    assert len(target.rows(names)) == 4
    assert target.verify(run).run_id == "run-0003"


def test_a_table_in_a_schema_brings_its_ledger_there(
    server_target: LoaderTarget, make: Make, request: pytest.FixtureRequest
) -> None:
    if server_target.kind == "postgres":
        place = "Odd.schema"
        server_target.execute(f"CREATE SCHEMA {server_target.quote(place)}")
    else:
        place = f"{server_target.url.rsplit('/', 1)[1]}_odd.schema"
        server_target.execute(f"CREATE DATABASE {server_target.quote(place)}")
        request.addfinalizer(lambda: server_target.execute(f"DROP DATABASE {server_target.quote(place)}"))
    server_target.schema = place
    run = load_twice(server_target, make, revenue(range(5)))
    assert server_target.rows() == expected(run)
    ledger = f"{server_target.quote(place)}.{server_target.quote('penstock_ledger')}"
    assert server_target.query(f"SELECT target_schema, target_table FROM {ledger}") == [(place, "revenue")]


def test_the_schema_main_is_sqlites_own(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database, schema="main")
    run = load_twice(target, make, revenue(range(5)))
    assert target.rows() == expected(run)
    target.schema = "elsewhere"
    with pytest.raises(InputError, match="no table elsewhere"):
        target.load(run)


def test_one_table_has_one_ledger_row_however_it_is_named(server_target: LoaderTarget, make: Make) -> None:
    server_target.init(run := make(revenue(range(3))))
    server_target.load(run)
    server_target.schema = "public" if server_target.kind == "postgres" else server_target.url.rsplit("/", 1)[1]
    assert server_target.load(run).already


# --- collations: keys that the database calls equal, and we do not ----------------------------------------------------

TEXT_KEY = money(pa.field("user_id", pa.string(), nullable=False))


def _case_blind(target: LoaderTarget) -> None:
    key = target.pick(
        sqlite="TEXT COLLATE NOCASE",
        postgres="varchar(20) COLLATE nocase",
        mariadb="varchar(20) COLLATE utf8mb4_general_ci",
    )
    if target.kind == "postgres":
        target.execute("CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    money_type = "TEXT" if target.kind == "sqlite" else "numeric(20,2)"
    note = "TEXT" if target.kind == "sqlite" else "varchar(20)"
    target.execute(
        f"CREATE TABLE revenue (user_id {key}, day date, revenue {money_type}, purchases bigint, note {note},"
        " PRIMARY KEY (day, user_id))"
    )


def test_a_key_that_changes_its_case_is_changed(target: LoaderTarget, make: Make) -> None:
    _case_blind(target)
    target.init(first := make(rows_of(["anna", "Bob"]), schema=TEXT_KEY))
    target.load(first)
    second = make(rows_of(["Anna", "Bob"]), number=2, schema=TEXT_KEY)
    loaded = target.load(second).loaded
    assert (loaded.inserted, loaded.updated, loaded.deleted) == (0, 1, 0)
    assert target.rows() == expected(second)


def test_keys_that_differ_only_in_case_are_refused_by_a_case_blind_table(target: LoaderTarget, make: Make) -> None:
    _case_blind(target)
    target.init(first := make(rows_of(["anna"]), schema=TEXT_KEY))
    target.load(first)
    before = target.state()
    with pytest.raises((IntegrityError, InputError)):
        target.load(make(rows_of(["anna", "Anna"]), number=2, schema=TEXT_KEY))
    assert target.state() == before


def test_text_that_changes_only_its_case_or_its_end_is_updated(mysql_family_database: str, make: Make) -> None:
    target = mysql_family_target(mysql_family_database)
    target.execute(
        "CREATE TABLE revenue (user_id bigint, day date, note varchar(20) COLLATE utf8mb4_general_ci,"
        " PRIMARY KEY (day, user_id))"
    )
    schema = pa.schema([pa.field("user_id", pa.int64(), nullable=False), pa.field("note", pa.string())])
    target.init(first := make([{"user_id": 1, "note": "a"}, {"user_id": 2, "note": "b"}], schema=schema, money=None))
    target.load(first)
    second = make([{"user_id": 1, "note": "A"}, {"user_id": 2, "note": "b "}], number=2, schema=schema, money=None)
    assert target.load(second).loaded.updated == 2
    assert sorted(target.query("SELECT user_id, note FROM revenue")) == [(1, "A"), (2, "b ")]


def test_fixed_length_text_that_ends_in_spaces_is_refused(server_target: LoaderTarget, make: Make) -> None:
    server_target.execute(TABLE.format("char(5)"))
    server_target.init(run := make(rows_of(["ab ", "b"]), schema=TEXT_KEY))
    with pytest.raises(InputError, match="drops the spaces"):
        server_target.load(run)


@pytest.mark.parametrize(("length", "fits"), [(5, True), (4, False)])
def test_text_is_measured_in_characters_or_bytes_as_the_column_is(
    server_target: LoaderTarget, make: Make, length: int, fits: bool
) -> None:
    server_target.execute(TABLE.format(f"varchar({length})"))
    server_target.init(run := make(rows_of(["ääää🦆"]), schema=TEXT_KEY))
    if fits:
        server_target.load(run)
        assert server_target.rows() == expected(run)
    else:
        with pytest.raises(InputError, match="a value has 5 characters"):
            server_target.load(run)


def test_the_character_nul_is_refused_by_postgres(postgres_database: str, make: Make) -> None:
    target = LoaderTarget("postgres", postgres_database)
    target.init(run := make(rows_of(["a\0b"]), schema=TEXT_KEY))
    with pytest.raises(InputError, match="NUL"):
        target.load(run)


@pytest.mark.parametrize("over", ["", "CREATE DOMAIN money2 AS euro;ALTER TABLE revenue ALTER revenue TYPE money2"])
def test_a_domain_is_as_narrow_as_its_innermost_type(postgres_database: str, make: Make, over: str) -> None:
    target = LoaderTarget("postgres", postgres_database)
    target.execute(
        "CREATE DOMAIN euro AS numeric(6,2) NOT NULL",
        "CREATE TABLE revenue (user_id bigint, day date, revenue euro, purchases int, PRIMARY KEY (day, user_id))",
        *filter(None, over.split(";")),
    )
    target.init(run := make(rows_of(range(3))))
    target.load(run)
    assert target.rows() == expected(run)
    with pytest.raises(InputError, match=r"values reach from 10000\.00"):
        target.load(make([{"user_id": 1, "revenue": Decimal("10000.00"), "purchases": 1}], number=2))


def test_a_check_constraint_that_turns_rows_down_is_told(target: LoaderTarget, make: Make) -> None:
    money_type = "TEXT" if target.kind == "sqlite" else "numeric(20,2)"
    target.execute(
        f"CREATE TABLE revenue (user_id bigint, day date, revenue {money_type}, purchases int CHECK (purchases < 2),"
        " PRIMARY KEY (day, user_id))"
    )
    target.init(run := make(rows_of(range(5))))
    with pytest.raises(InputError, match="refuses rows"):
        target.load(run)
    assert target.rows() == []
