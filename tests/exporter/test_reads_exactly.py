"""Each reader on its real server, against rows that this file made in plain Python."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest

from databases.url import parse_url
from exporter.any_dialect import AnySource
from exporter.export_day import OpenSource
from exporter.open_source import open_source
from exporter.port.database import Source
from tests.exporter.days import DAY, Export, pipeline, run_export
from tests.shop.hand_made_export import fibonacci_shard
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

TABLE = 'Odd "purchases"; DROP'
KEY, TIME = "the key", "select"
BERLIN = ZoneInfo("Europe/Berlin")


@contextmanager
def _any(url: str) -> Iterator[Source]:
    source = AnySource(parse_url(url))
    yield source
    source.close()


@dataclass(frozen=True)
class Kind:
    """A column in one database: its declaration, values in its own form, the value a shard must hold, Arrow's type."""

    declared: str
    values: tuple[tuple[Any, Any], ...]
    arrow: pa.DataType


def _same(*values: Any) -> tuple[tuple[Any, Any], ...]:
    return tuple((value, value) for value in values)


_SMALL = (Decimal("0.00"), Decimal("-0.01"), Decimal("99999999.99"), Decimal("-99999999.99"), Decimal("12.30"))
_WIDE = (Decimal("99999999999999999999999999.99"), Decimal("-1.00"), Decimal("0.07"))
_INSTANT = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)
_WALL = datetime(2026, 3, 29, 2, 30, 0, 123456)  # noqa: DTZ001 - a wall clock
_TEXTS = _same("", "a'b\"c\\d;--", "naïve €𝄞\u2028", "x" * 300, None)

POSTGRES = {
    'amount "paid"': Kind("numeric(10,2) NOT NULL", _same(*_SMALL), pa.decimal128(10, 2)),
    "wide": Kind("numeric(28,2) NOT NULL", _same(*_WIDE), pa.decimal128(28, 2)),
    "widest": Kind(
        "numeric(38,10)", _same(Decimal("1234567890123456789012345678.0123456789"), None), pa.decimal128(38, 10)
    ),
    "small": Kind("smallint NOT NULL", _same(-32768, 32767, 0), pa.int16()),
    "medium": Kind("integer NOT NULL", _same(-(2**31), 2**31 - 1), pa.int32()),
    "big": Kind("bigint NOT NULL", _same(-(2**63), 2**63 - 1), pa.int64()),
    "text": Kind("text", _TEXTS, pa.string()),
    "fixed": Kind("char(5)", (("ab", "ab"), (None, None)), pa.string()),
    "bytes": Kind("bytea", _same(b"", b"\x00\xff'", None), pa.binary()),
    "uuid": Kind("uuid", _same("fe8a6024-357c-477e-8b1a-447d94b663c7", None), pa.string()),
    "boolean": Kind("boolean", _same(True, False, None), pa.bool_()),
    "date": Kind("date", _same(date(2026, 2, 28), date(1, 1, 1), date(9999, 12, 31), None), pa.date32()),
    "time": Kind("time", _same(time(23, 59, 59, 999999), time(0), None), pa.time64("ns")),
    "instant": Kind("timestamptz", _same(_INSTANT, None), pa.timestamp("us", "UTC")),
    "wall": Kind("timestamp", _same(_WALL, None), pa.timestamp("us")),
    "json": Kind("jsonb", (('{"a": 1}', '{"a": 1}'), (None, None)), pa.string()),
    "mood": Kind("mood", _same("happy", "so so", None), pa.string()),
    "domain": Kind("cents NOT NULL", _same(Decimal("1.05")), pa.decimal128(6, 2)),
}
MARIADB = {
    "amount `paid`": Kind("decimal(10,2) NOT NULL", _same(*_SMALL), pa.decimal128(10, 2)),
    "wide": Kind("decimal(28,2) NOT NULL", _same(*_WIDE), pa.decimal128(28, 2)),
    "widest": Kind(
        "decimal(38,10)", _same(Decimal("1234567890123456789012345678.0123456789"), None), pa.decimal128(38, 10)
    ),
    "boolean": Kind("boolean NOT NULL", ((True, 1), (False, 0)), pa.int8()),
    "tiny": Kind("tinyint NOT NULL", _same(-128, 127), pa.int8()),
    "utiny": Kind("tinyint unsigned NOT NULL", _same(0, 255), pa.uint8()),
    "medium": Kind("mediumint NOT NULL", _same(-(2**23)), pa.int32()),
    "uint": Kind("int unsigned NOT NULL", _same(0, 2**32 - 1), pa.uint32()),
    "ubig": Kind("bigint unsigned NOT NULL", _same(0, 2**64 - 1), pa.uint64()),
    "bits": Kind("bit(10) NOT NULL", ((b"\x03\xff", 1023), (b"\x00\x00", 0)), pa.uint64()),
    "year": Kind("year NOT NULL", _same(1999, 2026), pa.int16()),
    "text": Kind("varchar(400) CHARACTER SET utf8mb4", _TEXTS, pa.string()),
    "latin": Kind("varchar(20) CHARACTER SET latin1", _same("éü", None), pa.string()),
    "long": Kind("longtext", _same("ß" * 70_000, "", None), pa.string()),
    "bytes": Kind("varbinary(10)", _same(b"\x00\xff'", b"", None), pa.binary()),
    "date": Kind("date", _same(date(2026, 2, 28), date(9999, 12, 31), None), pa.date32()),
    "wall": Kind("datetime(6)", _same(_WALL, None), pa.timestamp("us")),
    "second": Kind("datetime", _same(_WALL.replace(microsecond=0), None), pa.timestamp("us")),
    "instant": Kind(
        "timestamp(6) NULL", ((_INSTANT.replace(tzinfo=None), _INSTANT), (None, None)), pa.timestamp("us", "UTC")
    ),
    "time": Kind("time(6)", (("23:59:59.999999", time(23, 59, 59, 999999)), (None, None)), pa.time64("ns")),
    "mood": Kind("enum('happy','so so')", _same("happy", "so so", None), pa.string()),
    "tags": Kind("set('x','y')", _same("x,y", "", None), pa.string()),
    "json": Kind("json", _same('{"a": 1}', None), pa.string()),
    "uuid": Kind("uuid", _same("fe8a6024-357c-477e-8b1a-447d94b663c7", None), pa.string()),
}
SQLITE = {
    'amount "paid"': Kind(
        "decimal(10,2) NOT NULL",
        (*((str(d), d) for d in _SMALL), (7, Decimal("7.00")), (0.1, Decimal("0.10"))),
        pa.decimal128(10, 2),
    ),
    "wide": Kind("decimal text(28,2) NOT NULL", tuple((str(d), d) for d in _WIDE), pa.decimal128(28, 2)),
    "big": Kind("bigint NOT NULL", _same(-(2**63), 2**63 - 1, 0), pa.int64()),
    "text": Kind("varchar(400)", _TEXTS, pa.string()),
    "bytes": Kind("blob", _same(b"\x00\xff'", b"", None), pa.binary()),
    "boolean": Kind("boolean", ((1, True), (0, False), (None, None)), pa.bool_()),
    "date": Kind("date", (("2026-02-28", date(2026, 2, 28)), (None, None)), pa.date32()),
    "time": Kind("time", (("23:59:59.5", time(23, 59, 59, 500000)), ("01:02:03", time(1, 2, 3))), pa.time64("ns")),
    "wall": Kind(
        "timestamp",
        ((_WALL.isoformat(), _WALL), ("2026-03-29 02:30:00.123456", _WALL), (None, None)),
        pa.timestamp("us"),
    ),
}
_ANY = {
    name: POSTGRES[name]
    for name in ('amount "paid"', "wide", "big", "text", "bytes", "date", "instant", "wall", "boolean")
}

READERS = {
    "postgresql": ("postgres_database", POSTGRES, open_source, "adbc-postgresql"),
    "mariadb": ("mariadb_database", MARIADB, open_source, "pymysql-mariadb, rows as text"),
    "mysql": ("mysql_database", MARIADB, open_source, "pymysql-mysql, rows as text"),
    "sqlite": ("sqlite_database", SQLITE, open_source, "adbc-sqlite"),
    "any dialect": ("postgres_database", _ANY, _any, "sqlalchemy-postgresql+psycopg"),
}


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> tuple[Database, dict[str, Kind], OpenSource, str]:
    fixture, kinds, opener, name = READERS[request.param]
    return Database(request.getfixturevalue(fixture)), kinds, opener, name


def _times(database: Database, count: int) -> list[datetime]:
    """Instants: the day's edges in Berlin and their neighbours, then any around the day."""
    chance = random.Random(7)
    first = datetime(2026, 11, 14, tzinfo=BERLIN).astimezone(UTC)
    last = datetime(2026, 11, 15, tzinfo=BERLIN).astimezone(UTC)
    step = timedelta(microseconds=1)
    edges = [first - step, first, last - step, last]
    return edges + [first + timedelta(microseconds=chance.randrange(-(10**11), 2 * 10**11)) for _ in range(count - 4)]


def _inside(instant: datetime) -> bool:
    return instant.astimezone(BERLIN).date() == DAY


def _fill(database: Database, kinds: dict[str, Kind], rows: int) -> list[dict[str, Any]]:
    """Create the table, insert the rows, and return what the shards must hold of the day."""
    chance = random.Random(11)
    time_type = {"postgresql": "timestamptz", "sqlite": "datetime"}.get(database.dialect, "datetime(6)")
    declared = [f"{database.quote(KEY)} bigint NOT NULL", f"{database.quote(TIME)} {time_type} NOT NULL"]
    declared += [f"{database.quote(name)} {kind.declared}" for name, kind in kinds.items()]
    if database.dialect == "postgresql":
        database.execute("CREATE TYPE mood AS ENUM ('happy', 'so so')")
        database.execute("CREATE DOMAIN cents AS numeric(6,2)")
    table = database.quote(TABLE)
    database.execute(f"CREATE TABLE {table} (id integer PRIMARY KEY, {', '.join(declared)})")
    values, expected = [], []
    for number, instant in enumerate(_times(database, rows)):
        key = (number * 7919) % 97 - 40 if number % 10 else -(2**63) + number
        chosen = [
            chance.choice(kind.values) if number >= len(kind.values) else kind.values[number] for kind in kinds.values()
        ]
        at: Any = instant
        if database.dialect != "postgresql":
            at = instant.replace(tzinfo=None)
        if database.dialect == "sqlite":
            at = at.isoformat(sep="T" if number % 2 else " ")
        values.append((number, key, at, *(stored for stored, _ in chosen)))
        if _inside(instant):
            expected.append({KEY: key, TIME: instant, **dict(zip(kinds, (value for _, value in chosen), strict=True))})
    mark = "?" if database.dialect == "sqlite" else "%s"
    database.execute(f"INSERT INTO {table} VALUES ({', '.join([mark] * len(values[0]))})", values)
    return expected


def _sorted(rows: list[dict[str, Any]]) -> list[str]:
    # An instant is the same whatever class its zone is of.
    plain = [
        {k: v.astimezone(UTC) if isinstance(v, datetime) and v.tzinfo else v for k, v in row.items()} for row in rows
    ]
    return sorted(repr(sorted(row.items())) for row in plain)


def test_every_type_comes_through_exactly_in_the_shard_of_its_key(
    reader: tuple[Database, dict[str, Kind], OpenSource, str], tmp_path: Path
) -> None:
    database, kinds, opener, name = reader
    expected = _fill(database, kinds, 600)
    settings = pipeline(
        database.url,
        tmp_path / "stage",
        export={"shards": 5},
        table=TABLE,
        schema="",
        key=KEY,
        time=TIME,
        columns=list(kinds),
    )
    export = run_export(settings, opener=opener)
    table = export.table()
    utc = pa.timestamp("us", "UTC")
    assert {field.name: field.type for field in _plain(table).schema} == {
        KEY: pa.int64(),
        TIME: utc,
        **{column: kind.arrow for column, kind in kinds.items()},
    }
    assert _sorted(_plain(table).to_pylist()) == _sorted(expected)
    assert export.manifest["rows"] == len(expected) > 100
    assert export.manifest["reading"]["reader"] == name
    for shard in export.manifest["shards"]:
        inside = [row for row in expected if fibonacci_shard(row[KEY], 5) == shard["shard"]]
        assert _sorted(_plain(export.table(shard["shard"])).to_pylist()) == _sorted(inside)
        assert (shard["min_key"], shard["max_key"]) == (
            str(min(r[KEY] for r in inside)),
            str(max(r[KEY] for r in inside)),
        )
        for column, total in shard["sums"].items():
            assert Decimal(total) == _sum(row[column] for row in inside), column
    conserved = {
        c
        for c, kind in kinds.items()
        if pa.types.is_integer(kind.arrow) or (pa.types.is_decimal(kind.arrow) and kind.arrow.precision <= 28)
    }
    assert export.manifest["sums"].keys() == conserved
    _duckdb_agrees(export, len(expected), kinds)


def _sum(values: Iterable[Any]) -> Decimal:
    with localcontext() as context:
        context.prec = 100
        return sum((Decimal(value) for value in values), Decimal(0))


def _plain(table: pa.Table) -> pa.Table:
    """Large and view types as their plain ones."""
    plain = {
        pa.large_string(): pa.string(),
        pa.string_view(): pa.string(),
        pa.large_binary(): pa.binary(),
        pa.binary_view(): pa.binary(),
    }
    return table.cast(pa.schema([pa.field(f.name, plain.get(f.type, f.type)) for f in table.schema]))


def _duckdb_agrees(export: Export, rows: int, kinds: dict[str, Kind]) -> None:
    amount = next(iter(kinds)).replace('"', '""')
    files = [str(path) for path in export.files()]
    found = duckdb.sql(f'SELECT count(*), sum("{amount}")::varchar FROM read_parquet({files!r})')
    assert found is not None
    assert found.fetchall() == [(rows, export.manifest["sums"][next(iter(kinds))])]


def test_text_keys_are_whole_in_one_shard(
    reader: tuple[Database, dict[str, Kind], OpenSource, str], tmp_path: Path
) -> None:
    database, _, opener, _ = reader
    text = {"postgresql": 'varchar(40) COLLATE "C"', "sqlite": "text"}
    declared = text.get(database.dialect, "varchar(40) COLLATE utf8mb4_bin")
    keys = ["", "a", "A", "ä", "€𝄞", "x" * 40, "a ", "0", "-1"]
    rows = [(key, "2026-11-14 12:00:00", "1.50") for key in keys for _ in range(4)]
    columns = {"id": None, "user_id": f"{declared} NOT NULL", "purchased_at": "timestamp NOT NULL"}
    create_purchases(database, rows, columns=columns, index=False)
    export = run_export(pipeline(database.url, tmp_path / "stage", export={"shards": 3}), opener=opener)
    homes = {key: shard["shard"] for shard in export.manifest["shards"] for key in _keys(export, shard["shard"])}
    assert export.manifest["shard_function"] == "xxh64"
    assert sorted(homes) == sorted(keys)
    assert sum(len(_keys(export, shard["shard"])) for shard in export.manifest["shards"]) == len(keys) * 4
    assert len(set(homes.values())) > 1


def _keys(export: Export, shard: int) -> list[str]:
    return list(export.table(shard)["user_id"].to_pylist()) if export.manifest["shards"][shard]["files"] else []


def test_the_filter_and_a_view_of_another_schema_are_read(postgres_database: str, tmp_path: Path) -> None:
    database = Database(postgres_database)
    database.execute('CREATE SCHEMA "shop.eu"')
    database.execute("CREATE TABLE raw (u int, t timestamptz, a numeric, s text)")
    database.execute('CREATE VIEW "shop.eu"."day.v" AS SELECT u, t, a::numeric(12,2) AS a, s FROM raw')
    rows = [(n, "2026-11-14 10:00+00", f"{n}.10", "paid" if n % 3 else "o'pen (") for n in range(30)]
    database.execute("INSERT INTO raw VALUES (%s, %s, %s, %s)", rows)
    settings = pipeline(
        postgres_database,
        tmp_path,
        table="day.v",
        schema="shop.eu",
        key="u",
        time="t",
        columns=["a"],
        where="s = 'o''pen (' OR u % 3 = 1",
    )
    export = run_export(settings)
    assert sorted(row["u"] for row in export.rows()) == [n for n in range(30) if n % 3 in (0, 1)]
    assert export.manifest["source"]["table"] == "shop.eu.day.v"


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/Berlin", date(2026, 3, 29)),
        ("Europe/Berlin", date(2026, 10, 25)),
        ("America/Havana", date(2026, 3, 8)),
        ("Pacific/Kiritimati", date(2026, 6, 1)),
        ("Asia/Kathmandu", date(2026, 6, 1)),
    ],
)
@pytest.mark.parametrize("kind", ["naive in the zone", "naive in UTC", "unix seconds", "date"])
def test_the_day_is_the_business_day_of_its_zone(
    sqlite_database: str, tmp_path: Path, zone: str, day: date, kind: str
) -> None:
    declared = {"unix seconds": "integer", "date": "date"}.get(kind, "datetime")
    local = ZoneInfo(zone)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    instants = [noon + timedelta(minutes=13 * n) for n in range(-250, 250)]
    values = []
    for number, instant in enumerate(instants):
        wall = instant.astimezone(local if kind in ("naive in the zone", "date") else UTC).replace(tzinfo=None)
        at: Any = wall.isoformat(sep=" ")
        at = int(instant.timestamp()) if kind == "unix seconds" else wall.date().isoformat() if kind == "date" else at
        values.append((number, at, "1.00"))
    columns = {
        "id": None,
        "user_id": "integer",
        "purchased_at": f"{declared} NOT NULL",
        "amount": "decimal(10,2)",
    }
    create_purchases(sqlite_database, values, columns=columns, index=False)
    settings = pipeline(
        sqlite_database, tmp_path, timezone=zone, column_timezone=zone if kind == "naive in the zone" else "UTC"
    )
    export = run_export(settings, day=day)
    expected = {n: instant for n, instant in enumerate(instants) if instant.astimezone(local).date() == day}
    found = {row["user_id"]: row["purchased_at"] for row in export.rows()}
    assert found.keys() == expected.keys()
    if kind == "date":
        assert set(found.values()) == {datetime.fromisoformat(export.manifest["window_start"])}
    else:
        repeated = {n for n, at in expected.items() if at.astimezone(local).fold and kind == "naive in the zone"}
        assert {n: at for n, at in found.items() if n not in repeated} == {
            n: at for n, at in expected.items() if n not in repeated
        }
        assert all(found[n] == expected[n] - timedelta(hours=1) for n in repeated)


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("strewn", [True, False])
def test_a_table_of_mysqls_family_read_in_pieces_gives_each_row_once(
    mysql_family_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    indexed: bool,
    strewn: bool,
) -> None:
    monkeypatch.setattr("exporter.mysql.pieces.PIECE_ROWS", 300)
    start = datetime(2026, 11, 10)  # noqa: DTZ001 - a wall clock
    rows = []
    for n in range(9_000):
        at = start + timedelta(minutes=n if not strewn else (n * 7919) % 9_000)
        key = n if indexed else 2**64 - 20_000 + n if n > 8_990 else 10 * n
        rows.append((key, n, at, f"{n}.00"))
    columns = {"id": "bigint unsigned PRIMARY KEY", "purchased_at": "datetime(6) NOT NULL"}
    create_purchases(mysql_family_database, rows, columns=columns, index=indexed).execute("ANALYZE TABLE purchases")
    export = run_export(pipeline(mysql_family_database, tmp_path, timezone="UTC"))
    expected = sorted(n for _, n, at, _ in rows if at.date() == DAY)
    assert sorted(row["user_id"] for row in export.rows()) == expected
    assert len(expected) == 1440
