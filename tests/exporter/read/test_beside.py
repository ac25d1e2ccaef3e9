"""Several tables of one instant, split alike: on each real server, against rows made in plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from databases.url import parse_url
from exporter.any_dialect import AnySource
from exporter.export_day import OpenSource
from exporter.port.database import Source
from exporter.read.snapshot_guard import SnapshotGuard
from staging.config.pipeline import Pipeline
from staging.errors import InputError
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from tests.exporter.days import Export, committed, pipeline, run_export
from tests.shop.hand_made_export import fibonacci_shard
from tests.shop.net_shop import START, WITH, NetShop, create_net_shop, make_net_shop
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

SHOP = make_net_shop()
SHARDS = 3


@contextmanager
def _any(url: str) -> Iterator[Source]:
    source = AnySource(parse_url(url))
    yield source
    source.close()


@pytest.fixture(params=["sqlite", "postgres", "mariadb", "mysql"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"{request.param}_database")
    return found


def settings(url: str, folder: Path, *, export: dict[str, Any] | None = None, **tables: Any) -> Pipeline:
    """A pipeline over the three tables; a keyword changes one of them, or takes it away by None."""
    changed = {name: {**WITH.get(name, {}), **table} for name, table in tables.items() if table is not None}
    tables_with = {name: table for name, table in (WITH | changed).items() if tables.get(name, {}) is not None}
    return pipeline(url, folder, export={"shards": SHARDS, **(export or {})}, **{"with": tables_with})


def rows_of(export: Export, name: str) -> list[dict[str, Any]]:
    """The rows of a table beside the leading one, by pyarrow; each lies in the shard of its key."""
    (table,) = [each for each in export.manifest["tables"] if each["name"] == name]
    found = []
    for shard in table["shards"]:
        for file in shard["files"]:
            assert f"/table={name}/shard={shard['shard']:05d}/" in file["name"]
            rows = pq.read_table(export.folder / file["name"], partitioning=None).to_pylist()
            assert {fibonacci_shard(row[table["key"]], SHARDS) for row in rows} == {shard["shard"]}
            found += rows
    assert len(found) == table["rows"]
    return found


def check_whole(export: Export, shop: NetShop) -> None:
    assert sorted((row["user_id"], row["amount"]) for row in export.rows()) == sorted(shop.of_day("purchases"))
    refunds = rows_of(export, "refunds")
    assert sorted((row["user_id"], row["amount"]) for row in refunds) == sorted(shop.of_day("refunds"))
    assert list(refunds[0]) == ["user_id", "refunded_at", "amount"]
    users = {row["id"]: row["country"] for row in rows_of(export, "users")}
    assert users == {user: country for user, country in shop.users if user in shop.buyers()}
    tables = {table["name"]: table for table in export.manifest["tables"]}
    assert tables["refunds"]["sums"] == {"amount": str(sum(amount for _, amount in shop.of_day("refunds")))}
    assert tables["users"]["keys_without_row"] == len(shop.buyers() - dict(shop.users).keys())
    assert tables["refunds"]["keys_without_row"] is None


def test_all_tables_of_a_day_are_read_and_split_alike(url: str, tmp_path: Path) -> None:
    create_net_shop(url, SHOP)
    export = run_export(settings(url, tmp_path / "staging"))
    check_whole(export, SHOP)
    assert export.manifest["reading"]["mode"] == "snapshot"


def test_any_dialect_reads_them_where_it_has_one_instant_for_all(tmp_path: Path, postgres_database: str) -> None:
    create_net_shop(postgres_database, SHOP)
    opener: OpenSource = _any
    check_whole(run_export(settings(postgres_database, tmp_path / "staging"), opener=opener), SHOP)


def test_all_rows_of_a_table_without_time_are_read_where_that_is_asked(url: str, tmp_path: Path) -> None:
    create_net_shop(url, SHOP)
    export = run_export(settings(url, tmp_path / "staging", users={"only_keys": False}))
    assert {row["id"]: row["country"] for row in rows_of(export, "users")} == dict(SHOP.users)
    users = export.manifest["tables"][1]
    assert users["keys_without_row"] == len(SHOP.buyers() - dict(SHOP.users).keys())


def test_beside_one_table_a_key_of_many_rows_has_one_row_of_a_table_without_time(url: str, tmp_path: Path) -> None:
    create_net_shop(url, SHOP)
    buyers = [user for user, _ in SHOP.of_day("purchases")]
    assert len(buyers) > len(set(buyers))
    export = run_export(settings(url, tmp_path / "staging", refunds=None))
    assert {row["id"]: row["country"] for row in rows_of(export, "users")} == {
        user: country for user, country in SHOP.users if user in buyers
    }


def test_conditions_of_each_table_are_its_own(url: str, tmp_path: Path) -> None:
    create_net_shop(url, SHOP)
    tables = {"refunds": {"where": "amount >= 100"}, "users": {"where": "country = 'Åland'"}}
    export = run_export(settings(url, tmp_path / "staging", **tables))
    large = [(user, amount) for user, amount in SHOP.of_day("refunds") if amount >= 100]
    assert sorted((row["user_id"], row["amount"]) for row in rows_of(export, "refunds")) == sorted(large)
    keys = {user for user, _ in [*large, *SHOP.of_day("purchases")]}
    assert {row["id"] for row in rows_of(export, "users")} == {
        user for user, country in SHOP.users if country == "Åland" and user in keys
    }


def test_a_day_without_rows_has_empty_tables(url: str, tmp_path: Path) -> None:
    create_net_shop(url, NetShop([], [], SHOP.users))
    export = run_export(settings(url, tmp_path / "staging"))
    assert export.rows() == []
    assert rows_of(export, "refunds") == rows_of(export, "users") == []
    assert [len(table["shards"]) for table in export.manifest["tables"]] == [SHARDS, SHARDS]
    assert [table["sums"] for table in export.manifest["tables"]] == [{"amount": "0.00"}, {}]


def refused(url: str, folder: Path, **tables: Any) -> str:
    with pytest.raises(InputError) as caught:
        run_export(settings(url, folder / "refused", **tables))
    assert committed(folder / "refused") == []
    return str(caught.value)


def _keyed(shop: Database, key: str, *users: str) -> Database:
    """Purchases with a key of this type, one of each of the users."""
    columns = {"id": None, "user_id": f"{key} NOT NULL", "purchased_at": "timestamp NOT NULL"}
    return create_purchases(shop, [(user, "2026-11-14 10:00", 1) for user in users], columns=columns, index=False)


def test_a_table_without_the_key_is_refused_by_name(url: str, tmp_path: Path) -> None:
    create_net_shop(url, SHOP)
    assert "Table refunds has no column 'nobody'" in refused(url, tmp_path, refunds={"key": "nobody"})
    told = refused(url, tmp_path, users={"table": "nowhere"})
    assert "There is no table or view nowhere" in told
    assert "`source.table`" not in told  # another table is meant


def test_keys_of_two_collations_are_refused_with_what_to_do(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    for kind, ours, theirs in (
        ("postgres", '"C"', '"POSIX"'),
        ("mariadb", "utf8mb4_bin", "utf8mb4_nopad_bin"),
        ("mysql", "utf8mb4_bin", "utf8mb4_0900_bin"),
    ):
        url: str = request.getfixturevalue(f"{kind}_database")
        shop = _keyed(Database(url), f"varchar(9) COLLATE {ours}", "ada")
        shop.execute(f"CREATE TABLE users (id varchar(9) COLLATE {theirs} NOT NULL, country varchar(20))")
        shop.execute("INSERT INTO users VALUES ('ada', 'DE')")
        assert "Give the columns that are compared one collation" in refused(url, tmp_path / kind, refunds=None)


def test_a_key_of_another_type_is_refused_by_name(url: str, tmp_path: Path) -> None:
    create_net_shop(url, SHOP)
    Database(url).execute("CREATE TABLE decimals (id decimal(12,0) NOT NULL, country varchar(20))")
    told = refused(url, tmp_path, users={"table": "decimals"})
    assert "The key of decimals has another type than the key of purchases" in told
    assert "(Decimal(12, 0)); user_id is " in told


@pytest.mark.parametrize(
    ("kind", "ours", "theirs"),
    [
        ("postgres", "uuid", "text"),
        ("postgres", "text", "uuid"),
        ("postgres", "mood", "text"),
        ("mariadb", "uuid", "char(36) COLLATE utf8mb4_bin"),
        ("mariadb", "varchar(39) COLLATE utf8mb4_bin", "inet6"),
    ],
)
def test_a_key_that_the_database_spells_is_not_joined_with_one_that_somebody_spelled(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, ours: str, theirs: str
) -> None:
    shop = Database(request.getfixturevalue(f"{kind}_database"))
    if kind == "postgres":
        shop.execute("CREATE TYPE mood AS ENUM ('glad')")
    _keyed(shop, ours)
    shop.execute(f"CREATE TABLE users (id {theirs} NOT NULL, country varchar(20))")
    told = refused(shop.url, tmp_path, refunds=None)
    assert "The key of users has another type than the key of purchases" in told
    of_day = {"table": "purchases", "key": "user_id", "time": "purchased_at", "columns": ["amount"]}
    assert committed(tmp_path) == []
    run_export(settings(shop.url, tmp_path / "same", refunds=None, users=None, again=of_day))


@pytest.mark.parametrize("kind", ["mariadb", "mysql"])
def test_a_row_that_the_database_joins_with_a_key_of_another_spelling_is_refused(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    database = Database(request.getfixturevalue(f"{kind}_database"))
    shop = _keyed(database, "varchar(9) COLLATE utf8mb4_bin", "ada ")
    shop.execute("CREATE TABLE users (id varchar(9) COLLATE utf8mb4_bin NOT NULL, country varchar(20))")
    shop.execute("INSERT INTO users VALUES ('ada', 'DE')")
    told = refused(shop.url, tmp_path, refunds=None)
    assert "users has a row of another key than the day's, where id is 'ada'" in told


def test_what_is_said_of_a_table_beside_names_it_and_its_keys_in_the_file(url: str, tmp_path: Path) -> None:
    database = create_net_shop(url, SHOP)
    kind = {"sqlite": "timestamp", "postgresql": "timestamptz"}.get(database.dialect, "timestamp(6)")
    database.execute(
        f"CREATE TABLE loose (user_id bigint, refunded_at {kind} NOT NULL, amount decimal(10,2), rate float)"
    )
    database.execute("INSERT INTO loose VALUES (NULL, '2026-11-14 12:00:00', 1.00, 1)")
    loose = {"table": "loose"}
    told = refused(url, tmp_path, refunds=loose)
    assert "is NULL" in told
    assert "leave such rows out with `source.with.refunds.where`" in told
    assert "Choose another column as `source.with.refunds.time`" in refused(
        url, tmp_path, refunds={**loose, "time": "rate", "columns": ["refunded_at"]}
    )
    assert "source.with.refunds.where can't be used" in refused(url, tmp_path, refunds={**loose, "where": "1 = 1; "})


def test_a_key_with_two_rows_in_a_table_without_time_is_refused_by_name(url: str, tmp_path: Path) -> None:
    database = create_net_shop(url, SHOP)
    twice = min(SHOP.buyers())
    database.execute("CREATE TABLE doubled (id bigint NOT NULL, country varchar(20))")
    database.execute("INSERT INTO doubled SELECT id, country FROM users")
    database.execute(f"INSERT INTO doubled VALUES ({twice}, 'DE'), ({twice}, 'FR'), (9999, 'DE'), (9999, 'FR')")
    told = refused(url, tmp_path, users={"table": "doubled"})
    assert f"doubled has more than one row of a key, where id is {twice}." in told
    database.execute(f"DELETE FROM doubled WHERE id = {twice}")
    export = run_export(settings(url, tmp_path / "staging", users={"table": "doubled"}))  # 9999 buys nothing
    assert {row["id"] for row in rows_of(export, "users")} == SHOP.buyers() & dict(SHOP.users).keys() - {twice}
    assert "where id is 9999" in refused(url, tmp_path, users={"table": "doubled", "only_keys": False})


def test_a_table_and_its_columns_may_be_called_as_what_joins_the_keys(url: str, tmp_path: Path) -> None:
    database = create_net_shop(url, SHOP)
    database.execute("CREATE TABLE penstock_keys (id bigint NOT NULL, penstock_keys_0 varchar(20), penstock_keys0 int)")
    database.execute("INSERT INTO penstock_keys SELECT id, country, 7 FROM users")
    users = {"table": "penstock_keys", "columns": ["penstock_keys_0", "penstock_keys0"]}
    for mode in ("snapshot", "slices"):
        if mode == "slices" and database.dialect == "sqlite":
            continue
        if mode == "slices":
            database.execute("CREATE UNIQUE INDEX keyed ON penstock_keys (id)")
        export = run_export(settings(url, tmp_path / mode, export={"read": mode}, users=users))
        assert {row["id"]: (row["penstock_keys_0"], row["penstock_keys0"]) for row in rows_of(export, "users")} == {
            user: (country, 7) for user, country in SHOP.users if user in SHOP.buyers()
        }


def test_a_row_without_time_in_another_table_is_refused(url: str, tmp_path: Path) -> None:
    database = create_net_shop(url, SHOP)
    kind = {"sqlite": "timestamp", "postgresql": "timestamptz"}.get(database.dialect, "datetime(6)")
    database.execute(
        f"CREATE TABLE loose (user_id bigint NOT NULL, refunded_at {kind} NULL, amount decimal(10,2) NOT NULL)"
    )
    database.execute("INSERT INTO loose VALUES (1, NULL, 1.00)")
    assert "Column refunded_at is NULL, where user_id is 1" in refused(url, tmp_path, refunds={"table": "loose"})


@pytest.mark.parametrize("name", ["refunds", "users"])
def test_a_table_that_does_not_fit_under_the_cap_is_refused_by_name(
    tmp_path: Path, sqlite_database: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The guard's clock goes on by an hour as soon as the table is being read, which is not the last one."""
    create_net_shop(sqlite_database, SHOP)

    class Late(SnapshotGuard):
        def __init__(self, source: Source, cancel: Cancel, max_seconds: int | None) -> None:
            self.hours = 0
            super().__init__(source, cancel, max_seconds, clock=lambda: 3600.0 * self.hours)

        def at(self, table: str) -> None:
            super().at(table)
            self.hours = 1 if table == f"{name} (source.with.{name})" else 0

    monkeypatch.setattr("exporter.read.snapshot.SnapshotGuard", Late)
    told = refused(sqlite_database, tmp_path, again=WITH["users"])
    assert "The snapshot was given up after 20 s." in told
    assert f"It was reading {name} (source.with.{name})." in told
    assert "Raise `export.max_snapshot_seconds`" in told


def test_keys_of_several_columns_are_matched_as_a_whole(url: str, tmp_path: Path) -> None:
    database = Database(url)
    time = create_composite(database)
    rows = [(1, shop, buyer, time, 5) for shop in (1, 2) for buyer in ("a", "bé")]
    hole = "?" if database.dialect == "sqlite" else "%s"
    database.execute(f"INSERT INTO sales VALUES ({', '.join([hole] * 5)})", rows)
    known = [(1, "a", "x"), (2, "bé", "y"), (2, "c", "z"), (3, "a", "w")]
    database.execute(f"INSERT INTO buyers VALUES ({', '.join([hole] * 3)})", list(known))
    buyers = {"table": "buyers", "key": ["shop", "buyer"], "columns": ["note"]}
    asked = {"table": "sales", "key": ["shop_id", "buyer"], "time": "at", "columns": ["amount"]}
    settings = pipeline(url, tmp_path / "staging", export={"shards": 1}, **asked, **{"with": {"buyers": buyers}})
    export = run_export(settings)
    (table,) = export.manifest["tables"]
    file = export.folder / table["shards"][0]["files"][0]["name"]
    found = pq.read_table(file, partitioning=None).to_pylist()
    assert sorted(found, key=str) == [{"shop": 1, "buyer": "a", "note": "x"}, {"shop": 2, "buyer": "bé", "note": "y"}]
    assert (export.manifest["rows"], table["keys_without_row"]) == (4, 2)
    database.execute(f"INSERT INTO buyers VALUES ({', '.join([hole] * 3)})", [(2, "bé", "again")])
    with pytest.raises(InputError, match=r"more than one row of a key, where shop is 2 and buyer is 'bé'"):
        run_export(settings, fresh_export=True, run_id="run-0002")


def create_composite(database: Database) -> object:
    """Create sales and buyers, whose key is a shop and a text; return a time of the day."""
    text = {
        "sqlite": "TEXT",
        "postgresql": 'varchar(20) COLLATE "C"',
        "mariadb": "varchar(20) COLLATE utf8mb4_nopad_bin",
        "mysql": "varchar(20) COLLATE utf8mb4_0900_bin",
    }[database.dialect]
    instant = {"sqlite": "timestamp", "postgresql": "timestamptz"}.get(database.dialect, "timestamp(6)")
    database.execute(
        f"CREATE TABLE sales (id bigint NOT NULL, shop_id bigint NOT NULL, buyer {text} NOT NULL, "
        f"at {instant} NOT NULL, amount bigint NOT NULL)"
    )
    database.execute(f"CREATE TABLE buyers (shop bigint NOT NULL, buyer {text} NOT NULL, note varchar(20))")
    naive = START.replace(tzinfo=None)
    times: dict[str, object] = {"sqlite": naive.isoformat(sep=" "), "postgresql": START}
    return times.get(database.dialect, naive)


def test_progress_counts_the_rows_of_all_tables(
    tmp_path: Path, sqlite_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_net_shop(sqlite_database, SHOP)
    said: list[int] = []
    monkeypatch.setattr(Progress, "emit", lambda _, *, rows, **__: said.append(rows))
    export = run_export(settings(sqlite_database, tmp_path / "staging"))
    assert said == sorted(said)
    assert said[-1] == export.manifest["rows"] + sum(table["rows"] for table in export.manifest["tables"])


def test_a_stored_day_of_other_tables_is_not_used_again(tmp_path: Path, sqlite_database: str) -> None:
    create_net_shop(sqlite_database, SHOP)
    first = run_export(settings(sqlite_database, tmp_path / "staging"))
    again = run_export(settings(sqlite_database, tmp_path / "staging"), run_id="run-0002")
    assert again.manifest["export_id"] == first.manifest["export_id"]
    changes: list[dict[str, Any]] = [
        {"users": None},
        {"refunds": {"where": "amount > 0"}},
        {"users": {"only_keys": False}},
    ]
    for number, changed in enumerate(changes, start=3):
        with pytest.raises(InputError, match=r"source.with was .* and is "):
            run_export(settings(sqlite_database, tmp_path / "staging", **changed), run_id=f"run-000{number}")


def test_a_table_that_is_no_full_scan_away_is_refused_with_its_index(tmp_path: Path, sqlite_database: str) -> None:
    database = create_net_shop(sqlite_database, SHOP, time_index=False)
    database.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100001) "
        "INSERT INTO refunds SELECT i + 100000, 1, '2025-01-01 00:00:00', '1.00' FROM n"
    )
    told = refused(sqlite_database, tmp_path)
    assert "Finding one day would scan the whole table refunds" in told
    assert "CREATE INDEX" in told
