"""Tables without a time beside slices, by keys of every kind: on each real server, against plain Python.

Each is read in the seal's snapshot in pieces, which hold one row at first: so every key is the end of a piece once.
"""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from exporter.port.slice_length import SliceLength
from exporter.port.sliced_source import SliceRows
from exporter.read.slice_loop import ReadSlice
from exporter.read.timeless import check_one_piece
from staging.config.pipeline import Pipeline
from staging.errors import InputError, IntegrityError
from tests.exporter.days import Export, committed, pipeline, run_export
from tests.exporter.read.test_slices_of_several_tables import once_at
from tests.exporter.sliced_reads import calm
from tests.shop.purchases import create_purchases
from tests.shop.shard_reference import shard_of_key
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

SHARDS = 3
Key = tuple[Any, ...]
LABELS = [
    "",
    " ",
    "a",
    "A",
    "a ",
    "a  ",
    " a",
    "ä",
    "a\u0308",
    "日本",
    'say "hi"',
    "O'Brien",
    "a,b",
    "back\\slash",
    "\\",
]
LABELS += ["\\'", "''", '"', "%", "%s", "_", "tab\there", "line\nbreak", "\U0001f600", "\U0001d11e", "NULL", "0", "-1"]
LABELS += [",.\n", "x" * 60, "~", "Z", "z", "ß", "ss", "\u200d", "a\u200db"]
BYTES = [b"", b"\x00", b"\x00\x00", b"a", b"A", b"a ", b"\xff" * 16, b"\\x00", b"'", b"%"]
NUMBERS = [-(2**63), -1, 0, 1, 2, 2**53 + 1, 2**63 - 1]
CODES = [Decimal(code) for code in (-(10**18) + 1, -1, 0, 7, 10**18 - 1)]
UUIDS = [str(uuid.UUID(int=random.Random(number).getrandbits(128), version=4)) for number in range(20)]

BINARY = {"mysql": "COLLATE utf8mb4_0900_bin", "mariadb": "COLLATE utf8mb4_nopad_bin"}
PADDED = dict.fromkeys(("mysql", "mariadb"), "COLLATE utf8mb4_bin")
LATIN = dict.fromkeys(("mysql", "mariadb"), "CHARACTER SET latin1 COLLATE latin1_bin")
NARROW = dict.fromkeys(("mysql", "mariadb"), "CHARACTER SET utf8mb3 COLLATE utf8mb3_bin")

PADS = ("utf8mb4", "latin1", "utf8mb3")
"""Under their collations `…_bin` spaces at the end are as if they were not there."""


def texts(kind: str, collations: dict[str, str]) -> dict[str, str]:
    return {name: f"{kind} {each}" for name, each in collations.items()}


TEXT = {"postgresql": "varchar(60)", **texts("varchar(60)", BINARY)}
CHAR = {"postgresql": "char(60)", **texts("char(60)", BINARY)}
INTEGER = dict.fromkeys(("postgresql", "mariadb", "mysql"), "bigint")
DECIMAL = dict.fromkeys(INTEGER, "decimal(18,0)")
BLOB = {"postgresql": "bytea", "mariadb": "varbinary(20)", "mysql": "varbinary(20)"}


@dataclass(frozen=True)
class Kind:
    """A key: the type of each column by dialect, and the values it may have.

    `others`: types of the same key in further tables beside the leading one."""

    types: Sequence[dict[str, str]]
    values: Sequence[Sequence[Any]]
    others: Mapping[str, dict[str, str]] = field(default_factory=dict)


KINDS = {
    "text": Kind(
        [TEXT],
        [[*LABELS, *UUIDS, UUIDS[0].upper()]],
        {
            "chars": CHAR,
            "padded": texts("varchar(60)", PADDED),
            "latin": texts("varchar(60)", LATIN),
            "narrow": texts("varchar(60)", NARROW),
        },
    ),
    "text in the order of a language": Kind([{"postgresql": 'text COLLATE "sv-x-icu"'}], [LABELS]),
    "uuid": Kind([{"postgresql": "uuid", "mariadb": "uuid"}], [UUIDS]),
    "enum": Kind([{"postgresql": "mood"}], [["sad", "ok", "happy"]]),
    "bytes": Kind([BLOB], [BYTES]),
    "decimal": Kind(
        [DECIMAL], [CODES], {"zeros": dict.fromkeys(("mysql", "mariadb"), "decimal(18,0) UNSIGNED ZEROFILL")}
    ),
    "number and text": Kind([INTEGER, TEXT], [NUMBERS, LABELS]),
    "text, bytes, decimal": Kind([TEXT, BLOB, DECIMAL], [LABELS[:9], BYTES, CODES]),
}


def cases() -> list[Any]:
    servers = {"postgres": "postgresql", "mariadb": "mariadb", "mysql": "mysql"}
    return [
        pytest.param((server, name), id=f"{server}-{name}")
        for server, dialect in servers.items()
        for name, kind in KINDS.items()
        if all(dialect in types for types in kind.types)
    ]


class KeyedShop:
    """Purchases, users and maybe other tables of users, with a key k0, k1 … of some kind."""

    def __init__(self, database: Database, kind: Kind, *, keys: int = 150, seed: int = 5) -> None:
        self.database, self.kind = database, kind
        rng = random.Random(seed)
        made = {tuple(rng.choice(values) for values in kind.values) for _ in range(keys * 3)}
        self.known = sorted(made, key=repr)[:keys]
        self.buyers = {key for key in self.known if rng.random() < 0.6}
        self.tables: dict[str, dict[Key, str]] = {}
        """What each table of users holds."""
        self._rng = rng

    @property
    def names(self) -> list[str]:
        return [f"k{place}" for place, _ in enumerate(self.kind.types)]

    def create(self) -> None:
        dialect = self.database.dialect
        if any(types.get(dialect) == "mood" for types in self.kind.types):
            self.database.execute("CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')")
        kinds = [types[dialect] for types in self.kind.types]
        instant = "timestamptz" if dialect == "postgresql" else "timestamp(6)"
        columns = {"id": "integer PRIMARY KEY", "user_id": None}
        columns |= {name: f"{kind} NOT NULL" for name, kind in zip(self.names, kinds, strict=True)}
        columns |= {"purchased_at": f"{instant} NOT NULL", "amount": "decimal(12,2) NOT NULL"}
        at = f"2026-11-14 10:00:00{'+00' if dialect == 'postgresql' else ''}"
        rows = [(n, *key, at, Decimal(1)) for n, key in enumerate(sorted(self.buyers))]
        create_purchases(self.database, rows, columns=columns)
        self._create_users("users", kinds)
        for name, types in self.kind.others.items():
            if dialect in types:
                self._create_users(name, [types[dialect]])

    def _create_users(self, table: str, kinds: list[str]) -> None:
        """Make a table of users whose index has the columns of the key in another order."""
        self.database.execute(f"CREATE TABLE {table} ({self._columns(kinds)}, name varchar(20) NOT NULL)")
        self.database.execute(f"CREATE INDEX {table}_by_key ON {table} ({', '.join(reversed(self.names))})")
        held: dict[Key, str] = {}
        bare_buyers = set(map(_bare, self.buyers))
        for number, key in enumerate(self.known):
            stored = tuple(as_stored(value, kind) for value, kind in zip(key, kinds, strict=True))
            is_taken_for_another = self._pads(kinds) and stored not in self.buyers and _bare(stored) in bare_buyers
            if self._rng.random() < 0.7 and None not in stored and stored not in held and not is_taken_for_another:
                held[stored] = f"{table} {number}"
        self.database.execute(self._insert(table, len(kinds) + 1), [(*key, name) for key, name in held.items()])
        self.tables[table] = held

    def _pads(self, kinds: list[str]) -> bool:
        return any(kind.startswith("char(") or any(kind.endswith(f"{name}_bin") for name in PADS) for kind in kinds)

    def _columns(self, kinds: list[str]) -> str:
        return ", ".join(f"{name} {kind} NOT NULL" for name, kind in zip(self.names, kinds, strict=True))

    def _insert(self, table: str, columns: int) -> str:
        return f"INSERT INTO {table} VALUES ({', '.join(['%s'] * columns)})"

    def pipeline(self, folder: Path, **users: Any) -> Pipeline:
        """Reads each table of users twice: `users` for the day's keys, `all_users` whole."""
        key = self.names[0] if len(self.names) == 1 else self.names
        beside: dict[str, Any] = {}
        for table in self.tables:
            of_keys = {"table": table, "key": key, "columns": ["name"], **users}
            beside |= {table: of_keys, f"all_{table}": {**of_keys, "only_keys": False}}
        export = {"read": "slices", "shards": SHARDS}
        return calm(pipeline(self.database.url, folder, export=export, key=key, **{"with": beside}))

    def read(self, export: Export, name: str) -> dict[Key, str]:
        """The rows of a table beside the leading one by pyarrow, each in the shard of its key by plain Python."""
        (table,) = [each for each in export.manifest["tables"] if each["name"] == name]
        found: dict[Key, str] = {}
        for shard in table["shards"]:
            for file in shard["files"]:
                for row in pq.read_table(export.folder / file["name"], partitioning=None).to_pylist():
                    key = tuple(row[name] for name in self.names)
                    plain = [int(value) if isinstance(value, Decimal) else value for value in key]
                    assert shard_of_key(plain, SHARDS) == shard["shard"]
                    assert key not in found
                    found[key] = row["name"]
        assert len(found) == table["rows"]
        assert table["keys_without_row"] == len(self.buyers - found.keys())
        return found

    def of_buyers(self, table: str) -> dict[Key, str]:
        return {key: name for key, name in self.tables[table].items() if key in self.buyers}


def _bare(key: Key) -> Key:
    return tuple(value.rstrip(" ") if isinstance(value, str) else value for value in key)


def as_stored(value: Any, kind: str) -> Any:
    """Return what a column of this type keeps of a value, None where it can't hold it."""
    if kind.startswith("char("):
        return value.rstrip(" ")
    if "latin1" in kind or "utf8mb3" in kind:
        most = "\xff" if "latin1" in kind else "\uffff"
        return value if all(sign <= most for sign in value) else None
    return None if "UNSIGNED" in kind and value < 0 else value


@pytest.fixture
def shop(request: pytest.FixtureRequest) -> KeyedShop:
    server, kind = request.param
    made = KeyedShop(Database(request.getfixturevalue(f"{server}_database")), KINDS[kind])
    made.create()
    return made


@pytest.mark.parametrize("shop", cases(), indirect=True)
def test_rows_of_each_kind_of_key_are_those_of_the_days_keys_or_all(shop: KeyedShop, tmp_path: Path) -> None:
    export = run_export(shop.pipeline(tmp_path / "staging"))
    assert export.manifest["reading"]["mode"] == "slices"
    for table in shop.tables:
        assert shop.of_buyers(table)
        assert shop.read(export, table) == shop.of_buyers(table), table
        assert shop.read(export, f"all_{table}") == shop.tables[table], table


def made(request: pytest.FixtureRequest, server: str, kind: str) -> KeyedShop:
    shop = KeyedShop(Database(request.getfixturevalue(f"{server}_database")), KINDS[kind])
    shop.create()
    return shop


SERVERS = ("postgres", "mariadb", "mysql")


@pytest.mark.parametrize("server", SERVERS)
def test_users_who_are_renamed_while_they_are_read_are_as_at_the_seal(
    request: pytest.FixtureRequest, server: str, tmp_path: Path
) -> None:
    shop = made(request, server, "number and text")

    def write() -> None:
        key, other = sorted(shop.tables["users"])[:2]
        hole = " AND ".join(f"{name} = %s" for name in shop.names)
        shop.database.execute("UPDATE users SET name = 'later'")
        shop.database.execute(f"DELETE FROM users WHERE {hole}", [key])
        shop.database.execute(f"UPDATE users SET k1 = 'moved away' WHERE {hole}", [other])
        shop.database.execute("INSERT INTO users VALUES (5, 'somebody new', 'new')")

    opener = once_at("users/piece", write)
    export = run_export(shop.pipeline(tmp_path / "staging"), opener=opener)
    assert opener.reads == 1
    assert shop.read(export, "users") == shop.of_buyers("users")
    assert shop.read(export, "all_users") == shop.tables["users"]
    assert shop.database.execute("SELECT COUNT(*) FROM users WHERE name = 'later'") == [
        (len(shop.tables["users"]) - 1,)
    ]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    "change",
    ["ALTER TABLE users ADD more integer", "TRUNCATE TABLE users", "ALTER TABLE users RENAME TO others"],
)
def test_a_table_that_is_altered_before_the_seal_is_never_mixed(
    request: pytest.FixtureRequest, server: str, change: str, tmp_path: Path
) -> None:
    shop = made(request, server, "number and text")
    opener = once_at("purchases/seal", lambda: shop.database.execute(change))
    if "ADD" in change:
        export = run_export(shop.pipeline(tmp_path / "staging"), opener=opener)
        assert opener.reads == 2
        assert shop.read(export, "all_users") == shop.tables["users"]
        return
    with pytest.raises(IntegrityError, match="The table users was changed while it was read in slices"):
        run_export(shop.pipeline(tmp_path / "staging"), opener=opener)
    assert committed(tmp_path / "staging") == []


@pytest.mark.parametrize("server", SERVERS)
def test_an_index_that_is_dropped_before_the_seal_makes_no_wrong_export(
    request: pytest.FixtureRequest, server: str, tmp_path: Path
) -> None:
    """Without it PostgreSQL reads on; MySQL and MariaDB are told an index that they no longer have."""
    shop = made(request, server, "text, bytes, decimal")
    drop = f"DROP INDEX users_by_key{'' if server == 'postgres' else ' ON users'}"
    opener = once_at("purchases/seal", lambda: shop.database.execute(drop))
    if server == "postgres":
        export = run_export(shop.pipeline(tmp_path / "staging"), opener=opener)
        assert shop.read(export, "all_users") == shop.tables["users"]
        return
    with pytest.raises(InputError, match="users_by_key"):
        run_export(shop.pipeline(tmp_path / "staging"), opener=opener)
    assert committed(tmp_path / "staging") == []


@pytest.mark.parametrize("server", SERVERS)
def test_a_condition_leaves_rows_out_of_each_piece(request: pytest.FixtureRequest, server: str, tmp_path: Path) -> None:
    shop = made(request, server, "text, bytes, decimal")
    export = run_export(shop.pipeline(tmp_path / "staging", where="k2 > 0 OR name LIKE '%1'"))
    for table, rows in (("users", shop.of_buyers("users")), ("all_users", shop.tables["users"])):
        kept = {key: name for key, name in rows.items() if key[2] > 0 or name.endswith("1")}
        assert 0 < len(kept) < len(rows)
        assert shop.read(export, table) == kept


def refused(shop: KeyedShop, folder: Path, **users: Any) -> str:
    with pytest.raises(InputError) as caught:
        run_export(shop.pipeline(folder / "refused", **users))
    assert committed(folder / "refused") == []
    return str(caught.value)


@pytest.mark.parametrize("server", SERVERS)
def test_a_key_with_two_rows_is_refused_by_name_wherever_pieces_end(
    request: pytest.FixtureRequest, server: str, tmp_path: Path
) -> None:
    shop = made(request, server, "number and text")
    twice = max(shop.of_buyers("users"))
    shop.database.execute("INSERT INTO users VALUES (%s, %s, 'again')", [twice])
    told = f"users has more than one row of a key, where k0 is {twice[0]} and k1 is {twice[1]!r}."
    assert told in refused(shop, tmp_path)
    shop.database.execute(f"DELETE FROM users WHERE name = '{shop.tables['users'][twice]}'")
    never = max(shop.tables["users"].keys() - shop.buyers)
    shop.database.execute("INSERT INTO users VALUES (%s, %s, 'again')", [never])
    assert f"where k0 is {never[0]} and k1 is {never[1]!r}." in refused(shop, tmp_path)


@pytest.mark.parametrize("server", SERVERS)
def test_an_index_that_does_not_order_the_key_is_none(
    request: pytest.FixtureRequest, server: str, tmp_path: Path
) -> None:
    shop = made(request, server, "number and text")
    shop.database.execute(f"DROP INDEX users_by_key{'' if server == 'postgres' else ' ON users'}")
    useless = ["k0", "k0, name, k1", "k0, k1 DESC"]
    useless += ["k0, k1 text_pattern_ops", 'k0, k1 COLLATE "sv-x-icu"'] if server == "postgres" else ["k0, k1(9)"]
    for number, columns in enumerate(useless):
        shop.database.execute(f"CREATE INDEX useless{number} ON users ({columns})")
    if server == "postgres":
        shop.database.execute("CREATE INDEX partial ON users (k0, k1) WHERE k0 > 0")
    told = refused(shop, tmp_path)
    assert "Of users (source.with.users) no index begins with its key k0, k1" in told
    shop.database.execute("CREATE INDEX descending ON users (k1 DESC, k0 DESC, name)")
    export = run_export(shop.pipeline(tmp_path / "staging"))
    assert shop.read(export, "users") == shop.of_buyers("users")
    assert shop.read(export, "all_users") == shop.tables["users"]


@pytest.mark.parametrize("server", ["mariadb", "mysql"])
@pytest.mark.parametrize(
    ("type_", "told"),
    [
        ("enum('a','b') COLLATE utf8mb4_bin", "is of type ENUM, whose order is not that of its texts"),
        ("varchar(9) CHARACTER SET sjis COLLATE sjis_bin", "has the character set sjis"),
    ],
)
def test_a_text_that_is_ordered_or_written_in_its_own_way_is_refused_by_name(
    request: pytest.FixtureRequest, server: str, type_: str, told: str, tmp_path: Path
) -> None:
    shop = made(request, server, "text")
    shop.tables = {"odd": {}}
    shop.database.execute(f"CREATE TABLE odd (k0 {type_} NOT NULL PRIMARY KEY, name varchar(9))")
    assert f"Of odd (source.with.odd) its key k0 {told}" in refused(shop, tmp_path)


@pytest.mark.parametrize("server", ["mariadb", "mysql"])
def test_a_row_that_the_server_takes_for_one_of_another_key_is_refused_by_name(
    request: pytest.FixtureRequest, server: str, tmp_path: Path
) -> None:
    shop = made(request, server, "text")
    shop.tables = {"padded": {}}
    shop.database.execute("DELETE FROM padded")
    (key,) = next(key for key in sorted(shop.buyers) if (f"{key[0]} ",) not in shop.buyers)
    shop.database.execute("INSERT INTO padded VALUES (%s, 'other')", [(f"{key} ",)])
    assert f"padded has a row of another key than the day's, where k0 is {f'{key} '!r}." in refused(shop, tmp_path)


def test_texts_are_not_looked_for_among_uuids(postgres_database: str, tmp_path: Path) -> None:
    shop = KeyedShop(Database(postgres_database), KINDS["text"])
    shop.create()
    shop.tables = {"odd": {}}
    shop.database.execute("CREATE TABLE odd (k0 uuid NOT NULL PRIMARY KEY, name varchar(9))")
    assert "The key of odd has another type than the key of purchases" in refused(shop, tmp_path)


@pytest.mark.parametrize("piece_rows", [50, 300, 700, 3000])
def test_an_index_in_another_order_than_its_values_is_found_out(
    postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece_rows: int
) -> None:
    """As after an upgrade of the operating system's collations, which changes the order of texts under an index.

    Pieces leave rows out, or find some twice; how many rows a piece has depends on how fast the server is.
    """
    shop = KeyedShop(Database(postgres_database), KINDS["text"])
    shop.create()
    shop.tables = {"old": {}}
    execute = shop.database.execute
    execute('CREATE TABLE old (k0 text COLLATE "C" NOT NULL PRIMARY KEY, name varchar(9))')
    execute(
        "INSERT INTO old SELECT CASE n % 2 WHEN 0 THEN upper(md5(n::text)) ELSE md5(n::text) END, 'x' "
        "FROM generate_series(1, 20000) AS g(n)"
    )
    run_export(shop.pipeline(tmp_path / "staging"))
    icu = "(SELECT oid FROM pg_collation WHERE collname = 'sv-x-icu')"
    execute(
        f"UPDATE pg_attribute SET attcollation = {icu} WHERE attname = 'k0' "
        "AND attrelid IN ('old'::regclass, 'old_pkey'::regclass)"
    )
    execute(f"UPDATE pg_index SET indcollation = ({icu}::text)::oidvector WHERE indexrelid = 'old_pkey'::regclass")
    end_of = SliceLength.end_of
    monkeypatch.setattr(
        SliceLength,
        "end_of",
        lambda self, low: min(low + piece_rows, self._axis.high) if self._axis.along == "rows" else end_of(self, low),
    )
    with pytest.raises(IntegrityError) as caught:
        run_export(shop.pipeline(tmp_path / "refused"))
    assert re.search(r" gave (\d+ rows along its key, and has 20000|a row twice along its key)\.", str(caught.value))
    assert committed(tmp_path / "refused") == []


def test_a_row_that_two_pieces_found_is_no_second_row_of_its_key() -> None:
    """A server whose index is in another order may find it on both sides of a piece's end."""
    keys = pl.DataFrame({"k0": ["a", "b", "b", "c"]})
    pieces = [ReadSlice(0, 2, SliceRows(2, 2, 0.0, None)), ReadSlice(2, 4, SliceRows(2, 2, 0.0, None))]
    table: Any = SimpleNamespace(key=("k0",), shown="old")
    with pytest.raises(IntegrityError, match="old gave a row twice along its key"):
        check_one_piece(keys, pieces, table)
    check_one_piece(keys.select(pl.Series("k0", ["a", "a", "b", "c"])), pieces, table)  # one piece has both: two rows
