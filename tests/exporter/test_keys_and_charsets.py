"""Keys of every type, composite primary keys and texts of many charsets, in a snapshot and in slices."""

from __future__ import annotations

import decimal
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from tests.exporter.days import DAY, pipeline, run_export
from tests.shop.hand_made_export import fibonacci_shard
from tests.shop.purchases import create_purchases
from tests.shop.shard_reference import xxh64

pytestmark = pytest.mark.integration

SHARDS = 5
UUIDS = [uuid.UUID(int=(n * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128, version=4) for n in range(20)]
BYTES = [b"", b"\x00", b"\x00\x00", b"a", b"A", b"\xff" * 16, *(each.bytes for each in UUIDS)]
TEXTS = ["", "a", "A", "a ", "ä", "a\u0308", "€", "\U0001d11e", "0", "-1", "x" * 40, "'; --", "\\", "%s"]


def _text(key: str) -> int:
    return xxh64(key.encode()) % SHARDS


def _bytes(key: bytes) -> int:
    return xxh64(key) % SHARDS


def _number(key: int) -> int:
    return fibonacci_shard(int(key), SHARDS)


@dataclass(frozen=True)
class Keys:
    """A declaration, keys as the database takes them, what a shard must hold of each, and where that belongs."""

    declared: str
    values: list[Any]
    home: Callable[[Any], int]
    carried: Callable[[Any], Any] = lambda key: key


POSTGRES = {
    "smallint": Keys("smallint", [-(2**15), -1, 0, 1, 2**15 - 1], _number),
    "bigint": Keys("bigint", [-(2**63), -1, 0, 1, 10**12, 2**63 - 1], _number),
    "numeric": Keys("numeric(18,0)", [-(10**18) + 1, -1, 0, 7, 10**18 - 1], _number, decimal.Decimal),
    "uuid": Keys("uuid", [str(each) for each in UUIDS], _text),
    "bytea": Keys("bytea", BYTES, _bytes),
    "text": Keys('text COLLATE "C"', TEXTS, _text),
    "text of the default collation": Keys("varchar(60)", TEXTS, _text),
}
MARIADB = {
    "tinyint unsigned": Keys("tinyint unsigned", [0, 1, 255], _number),
    "bigint unsigned": Keys("bigint unsigned", [0, 1, 2**63 - 1, 2**63, 2**64 - 1], _number),
    "bigint": Keys("bigint", [-(2**63), -1, 0, 1, 10**12, 2**63 - 1], _number),
    "decimal": Keys("decimal(18,0)", [-(10**18) + 1, -1, 0, 7, 10**18 - 1], _number, decimal.Decimal),
    "uuid": Keys("uuid", [str(each) for each in UUIDS], _text),
    "binary(16)": Keys("binary(16)", [each.bytes for each in UUIDS], _bytes),
    "varbinary": Keys("varbinary(20)", BYTES, _bytes),
    "text": Keys("varchar(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", TEXTS, _text),
}
CASES = [("postgres_database", name) for name in POSTGRES] + [
    (server, name) for server in ("mariadb_database", "mysql_database") for name in MARIADB
]


@pytest.mark.parametrize("read", ["snapshot", "slices"])
@pytest.mark.parametrize(("server", "kind"), CASES)
def test_all_rows_of_a_key_lie_in_the_shard_that_its_hash_says(
    server: str, kind: str, read: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    keys = (POSTGRES if server == "postgres_database" else MARIADB)[kind]
    columns = {
        "id": "integer PRIMARY KEY",
        "user_id": f"{keys.declared} NOT NULL",
        "purchased_at": "timestamp NOT NULL",
        "amount": "decimal(10,2) NOT NULL",
    }
    rows = [
        (3 * n + copy, key, f"{DAY} 12:{n:02}:0{copy}", "1.50")
        for n, key in enumerate(keys.values)
        for copy in range(3)
    ]
    database = create_purchases(request.getfixturevalue(server), rows, columns=columns)
    export = run_export(pipeline(database.url, tmp_path, export={"shards": SHARDS, "read": read}))
    assert export.manifest["reading"]["mode"] == read
    found = {
        shard["shard"]: sorted(map(repr, export.table(shard["shard"])["user_id"].to_pylist()))
        for shard in export.manifest["shards"]
        if shard["files"]
    }
    expected: dict[int, list[str]] = {}
    for key in keys.values:
        expected.setdefault(keys.home(key), []).extend([repr(keys.carried(key))] * 3)
    assert found == {shard: sorted(each) for shard, each in expected.items()}


@pytest.mark.parametrize("read", ["snapshot", "slices"])
@pytest.mark.parametrize("server", ["postgres_database", "mariadb_database", "mysql_database"])
@pytest.mark.parametrize("primary", ["shop, receipt", "user_id, purchased_at, receipt", "label"])
def test_a_table_with_a_composite_or_text_primary_key_is_read_whole(
    server: str, primary: str, read: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    columns = {
        "id": None,
        "shop": "integer NOT NULL",
        "receipt": "bigint NOT NULL",
        "label": "varchar(40) NOT NULL",
        "user_id": "bigint NOT NULL",
        "purchased_at": "timestamp NOT NULL",
        "amount": "decimal(10,2) NOT NULL",
    }
    rows = [
        (
            n % 3,
            n // 3,
            f"shop {n % 3}, receipt {n // 3}",
            n % 11,
            f"{DAY + timedelta(days=n % 2)} 10:{n % 60:02}:00",
            2,
        )
        for n in range(900)
    ]
    url = request.getfixturevalue(server)
    database = create_purchases(url, rows, columns=columns, more=f", PRIMARY KEY ({primary})")
    settings = pipeline(database.url, tmp_path, export={"read": read}, timezone="UTC", columns=["shop", "receipt"])
    found = sorted((row["shop"], row["receipt"], row["user_id"]) for row in run_export(settings).rows())
    assert found == sorted((n % 3, n // 3, n % 11) for n in range(900) if n % 2 == 0)


CHARSETS = {
    "latin1": "Grüße, crème €",
    "latin2": "Žluťoučký kůň",
    "koi8r": "Привет",
    "greek": "Καλημέρα",
    "cp1251": "Ђорђе",
    "sjis": "日本語",
    "gbk": "汉字",
    "utf8mb3": "naïve €",
    "ucs2": "Ω 漢",
    "utf16": "\U0001d11e €",
    "utf8mb4": "\U0001f600 ä",
}


@pytest.mark.parametrize("read", ["snapshot", "slices"])
def test_mariadb_texts_of_any_charset_are_the_same_characters(
    mysql_family_database: str, read: str, tmp_path: Path
) -> None:
    columns = {"id": None, "purchased_at": "timestamp NOT NULL", "amount": None}
    columns |= {f"in_{name}": f"varchar(40) CHARACTER SET {name}" for name in CHARSETS}
    nothing = tuple(None for _ in CHARSETS)
    rows = [(1, f"{DAY} 12:00:00", *CHARSETS.values()), (2, f"{DAY} 13:00:00", *nothing)]
    create_purchases(mysql_family_database, rows, columns=columns)
    names = [f"in_{name}" for name in CHARSETS]
    export = run_export(pipeline(mysql_family_database, tmp_path, export={"read": read}, columns=names))
    found = {row["user_id"]: [row[name] for name in names] for row in export.rows()}
    assert found == {1: list(CHARSETS.values()), 2: list(nothing)}


ENCODINGS = {"LATIN1": "Grüße, crème", "WIN1251": "Ђорђе", "EUC_JP": "日本語", "UTF8": "\U0001f600 ä"}


@pytest.fixture(params=ENCODINGS)
def encoded(request: pytest.FixtureRequest, postgres_server: Any) -> Iterator[tuple[str, str]]:
    """URL of a database of this encoding, and a text it can hold."""
    name = f"encoded_{request.param.lower()}"
    with postgres_server.connect() as connection:
        connection.execute(
            f"CREATE DATABASE {name} ENCODING '{request.param}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        )
    yield postgres_server.url(name), ENCODINGS[request.param]
    postgres_server.drop_database(name)


@pytest.mark.parametrize("read", ["snapshot", "slices"])
def test_postgresql_texts_of_any_encoding_are_the_same_characters(
    encoded: tuple[str, str], read: str, tmp_path: Path
) -> None:
    url, text = encoded
    columns = {
        "id": None,
        "user_id": "text NOT NULL",
        "purchased_at": "timestamp NOT NULL",
        "amount": None,
        "note": "text",
    }
    create_purchases(url, columns=columns)
    plain = sa.make_url(url).set(drivername="postgresql").render_as_string(False)
    with psycopg.connect(plain, autocommit=True, client_encoding="UTF8") as connection:
        for key, note in ((text, text), ("b", None)):
            connection.execute("INSERT INTO purchases VALUES (%s, %s, %s)", (key, f"{DAY} 12:00:00", note))
    export = run_export(pipeline(url, tmp_path, export={"read": read, "shards": SHARDS}, columns=["note"]))
    assert {row["user_id"]: row["note"] for row in export.rows()} == {text: text, "b": None}
    homes = {key: n for n in range(SHARDS) for key in _keys(export, n)}
    assert homes == {text: _text(text), "b": _text("b")}


def _keys(export: Any, shard: int) -> list[str]:
    return export.table(shard)["user_id"].to_pylist() if export.manifest["shards"][shard]["files"] else []
