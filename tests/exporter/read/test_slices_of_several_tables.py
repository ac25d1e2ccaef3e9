"""Several tables in slices, sealed at one instant: on each real server, against what plain SQL saw at that instant."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from exporter.port.database import Source
from exporter.port.source import TableName
from exporter.read.snapshot_guard import SnapshotGuard
from staging.config.pipeline import Pipeline
from staging.errors import InputError, IntegrityError, UnavailableError
from staging.process.cancel import Cancel
from tests.exporter.days import Export, committed, run_export
from tests.exporter.read.test_beside import check_whole, rows_of, settings
from tests.exporter.several_gaps import SeveralGaps
from tests.exporter.sliced_reads import calm
from tests.shop.net_shop import END, START, NetShop, create_net_shop, make_net_shop
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

SHOP = make_net_shop(rows=200)
DAY_SQL = {
    "postgresql": (f"TIMESTAMPTZ '{START:%F %T}+00'", f"TIMESTAMPTZ '{END:%F %T}+00'"),
    "mysql": (f"TIMESTAMP'{START:%F %T}'", f"TIMESTAMP'{END:%F %T}'"),
}
DAY_SQL["mariadb"] = DAY_SQL["mysql"]


@pytest.fixture(params=["postgres", "mariadb", "mysql"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"{request.param}_database")
    return found


def sliced(url: str, folder: Path, *, export: dict[str, Any] | None = None, **tables: Any) -> Pipeline:
    return calm(settings(url, folder, export={"read": "slices", **(export or {})}, **tables))


def test_all_tables_of_a_day_are_read_in_slices_and_split_alike(url: str, tmp_path: Path) -> None:
    create_net_shop(url, SHOP)
    export = run_export(sliced(url, tmp_path / "staging"))
    check_whole(export, SHOP)
    manifest = export.manifest
    assert manifest["reading"]["mode"] == "slices"
    refunds, users = manifest["tables"]
    assert f"found {len(SHOP.of_day('purchases'))} rows" in manifest["source"]["evidence"]["sealed"]
    assert f"found {len(SHOP.of_day('refunds'))} rows" in refunds["evidence"]["sealed"]
    assert "sealed" not in users["evidence"]


def test_all_rows_of_a_table_without_time_are_read_in_pieces(url: str, tmp_path: Path) -> None:
    create_net_shop(url, SHOP)
    export = run_export(sliced(url, tmp_path / "staging", users={"only_keys": False}))
    assert {row["id"]: row["country"] for row in rows_of(export, "users")} == dict(SHOP.users)


def test_a_condition_with_letters_of_its_own_holds_for_its_table_alone(url: str, tmp_path: Path) -> None:
    """On MySQL a session has one character set of literals, and plain conditions have a cheaper one."""
    create_net_shop(url, SHOP)
    tables = {"users": {"where": "country = 'Åland'"}, "refunds": {"where": "amount > 1 AND 'Å' = 'Å'"}}
    export = run_export(sliced(url, tmp_path / "staging", **tables))
    refunds = [(user, amount) for user, amount in SHOP.of_day("refunds") if amount > 1]
    assert sorted((row["user_id"], row["amount"]) for row in rows_of(export, "refunds")) == sorted(refunds)
    keys = {user for user, _ in [*refunds, *SHOP.of_day("purchases")]}
    islanders = {user for user, country in SHOP.users if country == "Åland" and user in keys}
    assert {row["id"] for row in rows_of(export, "users")} == islanders


def test_a_day_without_rows_has_empty_tables(url: str, tmp_path: Path) -> None:
    create_net_shop(url, NetShop([], [], SHOP.users))
    export = run_export(sliced(url, tmp_path / "staging"))
    assert export.rows() == []
    assert rows_of(export, "refunds") == rows_of(export, "users") == []


def test_one_table_may_be_read_twice_with_conditions_of_each(url: str, tmp_path: Path) -> None:
    create_net_shop(url, SHOP)
    again = {"table": "purchases", "key": "user_id", "time": "purchased_at", "columns": ["amount"]}
    export = run_export(sliced(url, tmp_path / "staging", again={**again, "where": "amount > 50"}))
    large = [(user, amount) for user, amount in SHOP.of_day("purchases") if amount > 50]
    assert sorted((row["user_id"], row["amount"]) for row in rows_of(export, "again")) == sorted(large)
    check_whole(export, SHOP)


def refused(url: str, folder: Path, *, opener: Any = None, **tables: Any) -> str:
    with pytest.raises(InputError) as caught:
        run_export(sliced(url, folder / "refused", **tables), **({"opener": opener} if opener else {}))
    assert committed(folder / "refused") == []
    return str(caught.value)


def test_a_table_that_no_slices_can_be_sealed_of_is_refused_by_name(url: str, tmp_path: Path) -> None:
    database = create_net_shop(url, SHOP)
    database.execute("CREATE VIEW known AS SELECT * FROM users")
    told = refused(url, tmp_path, users={"table": "known"})
    assert "Of known (source.with.users), which is read at the same instant, it is a view" in told
    export = run_export(settings(url, tmp_path / "staging", users={"table": "known"}))
    assert export.manifest["reading"]["mode"] == "snapshot"


def test_a_table_without_time_that_has_no_pieces_is_refused_by_name(url: str, tmp_path: Path) -> None:
    database = create_net_shop(url, SHOP)
    database.execute("CREATE TABLE loose (id bigint, country varchar(20))")
    told = refused(url, tmp_path, users={"table": "loose"})
    assert "Of loose (source.with.users) no index begins with its key id" in told
    database.execute("CREATE INDEX loose_by_id ON loose (id)")
    told = refused(url, tmp_path, users={"table": "loose", "only_keys": False})
    assert "The key id of loose (source.with.users) may be NULL" in told
    assert rows_of(run_export(sliced(url, tmp_path / "staging", users={"table": "loose"})), "users") == []


def test_a_key_with_two_rows_in_a_table_without_time_is_refused_by_name(url: str, tmp_path: Path) -> None:
    database = create_net_shop(url, SHOP)
    twice = max(SHOP.buyers())
    database.execute("CREATE TABLE doubled (id bigint NOT NULL, country varchar(20))")
    database.execute("CREATE INDEX doubled_by_id ON doubled (id)")
    database.execute(f"INSERT INTO doubled VALUES ({twice}, 'DE'), ({twice}, 'FR'), (9999, 'DE'), (9999, 'FR')")
    told = refused(url, tmp_path, users={"table": "doubled"})
    assert f"doubled has more than one row of a key, where id is {twice}." in told
    database.execute(f"DELETE FROM doubled WHERE id = {twice} AND country = 'DE'")
    export = run_export(sliced(url, tmp_path / "staging", users={"table": "doubled"}))  # 9999 buys nothing
    assert rows_of(export, "users") == [{"id": twice, "country": "FR"}]
    assert "where id is 9999" in refused(url, tmp_path, users={"table": "doubled", "only_keys": False})


def test_a_table_without_time_that_is_expected_not_to_fit_is_refused_by_name(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_net_shop(url, SHOP)
    monkeypatch.setattr("exporter.read.timeless._ROWS_PER_SECOND", 1)
    told = refused(url, tmp_path, users={"only_keys": False})
    assert "Users (source.with.users) has no time and gives " in told
    assert "s in the snapshot of the seal, and that may last 20 s." in told
    assert "max_snapshot_seconds" in told


def test_a_table_without_time_that_does_not_fit_under_the_cap_ends_the_read_by_name(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard's clock goes on by an hour as soon as the first piece of it is read."""
    create_net_shop(url, SHOP)
    hours = [0]

    class Late(SnapshotGuard):
        def __init__(self, source: Source, cancel: Cancel, max_seconds: int | None) -> None:
            super().__init__(source, cancel, max_seconds, clock=lambda: 3600.0 * hours[0])

    monkeypatch.setattr("exporter.read.slices.SnapshotGuard", Late)
    opener = once_at("users/piece", lambda: hours.append(hours.pop() + 1))
    told = refused(url, tmp_path, opener=opener)
    assert "The snapshot was given up after 20 s." in told
    assert "It was reading users (source.with.users)." in told


class Truth:
    """The three tables as plain SQL sees them, by a connection of its own."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(Database(url).url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        self.dialect = Database(url).dialect
        self.rows: dict[str, list[tuple[Any, ...]]] = {}

    def execute(self, *statements: str) -> None:
        """Run statements as one transaction."""
        with self._connect() as connection:
            for sql in ("BEGIN", *statements, "COMMIT"):
                connection.exec_driver_sql(sql)

    def _connect(self) -> sa.Connection:
        connection = self._engine.connect()
        if self.dialect != "postgresql":
            connection.exec_driver_sql("SET time_zone = '+00:00'")
        return connection

    def note(self) -> None:
        """Take note of what is there now."""
        low, high = DAY_SQL[self.dialect]
        asked = {
            "purchases": f"SELECT user_id, amount FROM purchases WHERE purchased_at >= {low} AND purchased_at < {high}",
            "refunds": f"SELECT user_id, amount FROM refunds WHERE refunded_at >= {low} AND refunded_at < {high}",
            "users": "SELECT id, country FROM users",
        }
        with self._connect() as connection:
            self.rows = {name: list(map(tuple, connection.exec_driver_sql(sql))) for name, sql in asked.items()}

    def check(self, export: Export) -> None:
        """Compare the export, all tables of it, with what was noted."""
        found = sorted((row["user_id"], row["amount"]) for row in export.rows())
        assert found == sorted(self.rows["purchases"])
        refunds = sorted((row["user_id"], row["amount"]) for row in rows_of(export, "refunds"))
        assert refunds == sorted(self.rows["refunds"])
        buyers = {user for name in ("purchases", "refunds") for user, _ in self.rows[name]}
        known = {user: country for user, country in self.rows["users"] if user in buyers}
        assert {row["id"]: row["country"] for row in rows_of(export, "users")} == known


PURCHASES = [number for number, _, at, _ in SHOP.purchases if START <= at < END]
REFUNDS = [number for number, _, at, _ in SHOP.refunds if START <= at < END]
USERS = sorted(SHOP.buyers() & {user for user, _ in SHOP.users})

Attack = Callable[[random.Random], list[str]]


def _move_money(rng: random.Random) -> list[str]:
    cents = rng.randrange(1, 100) / 100
    return [
        f"UPDATE purchases SET amount = amount - {cents} WHERE id = {rng.choice(PURCHASES)}",
        f"UPDATE refunds SET amount = amount + {cents} WHERE id = {rng.choice(REFUNDS)}",
    ]


def _make_a_refund_of_a_purchase(rng: random.Random) -> list[str]:
    number, new = rng.choice(PURCHASES), rng.randrange(10**6, 10**9)
    return [
        f"INSERT INTO refunds SELECT {new}, user_id, purchased_at, amount FROM purchases WHERE id = {number}",
        f"DELETE FROM purchases WHERE id = {number}",
    ]


def _swap_countries(rng: random.Random) -> list[str]:
    one, other = rng.sample(USERS, 2)
    return [f"UPDATE users SET country = '{rng.randrange(99)}' WHERE id IN ({one}, {other})"]


def _give_all_to_another_user(rng: random.Random) -> list[str]:
    one, other = rng.sample(USERS, 2)
    return [
        *(f"UPDATE {table} SET user_id = {other} WHERE user_id = {one}" for table in ("purchases", "refunds")),
        f"DELETE FROM users WHERE id = {one}",
    ]


def _rename(rng: random.Random) -> list[str]:
    return [f"UPDATE users SET country = 'renamed {rng.randrange(99)}'"]


ATTACKS: list[Attack] = [
    _move_money,
    _make_a_refund_of_a_purchase,
    _swap_countries,
    _give_all_to_another_user,
    _rename,
]
KINDS = [
    "purchases/slice",
    "refunds/slice",
    "purchases/seal",
    "refunds/seal",
    "users/piece",
]


class Attacker:
    """Writes between the tables, at the first gap of each of some kinds that come after a few others, in one or two
    of an export's reads."""

    def __init__(self, truth: Truth, seed: int) -> None:
        self.rng = random.Random(seed)
        self._truth = truth
        self._due = [(self.rng.choice(KINDS), self.rng.randrange(3), self.rng.choice(ATTACKS)) for _ in range(2)]
        self.done: list[str] = []

    def at_gap(self, kind: str) -> None:
        """Do what is due at a gap of this kind."""
        waiting = []
        for due, passes, attack in self._due:
            if due == kind and not passes:
                self._truth.execute(*attack(self.rng))
                self.done.append(f"{kind}: {attack.__name__}")
            else:
                waiting.append((due, passes - (due == kind), attack))
        self._due = waiting


def attack_seeds(url: str, folder: Path, seeds: range) -> None:
    database, truth = create_net_shop(url, SHOP), Truth(url)
    started_over = 0
    for seed in seeds:
        attacker = Attacker(truth, seed)
        gaps = SeveralGaps(attacker.at_gap, truth.note)
        export = run_export(sliced(url, folder / str(seed)), opener=gaps)
        try:
            truth.check(export)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {attacker.done} was accepted and is wrong") from error
        started_over += gaps.reads > 1
        if seed % 10 == 9:
            for table in ("purchases", "refunds", "users"):
                database.execute(f"DROP TABLE {table}")
            create_net_shop(database, SHOP)
    assert started_over >= len(seeds) / 5, "hardly any attack met a read"


def test_writes_between_the_tables_never_make_an_export_of_two_instants(url: str, tmp_path: Path) -> None:
    attack_seeds(url, tmp_path, range(5))


@pytest.mark.nightly
def test_writes_between_the_tables_never_make_an_export_of_two_instants_by_many_seeds(url: str, tmp_path: Path) -> None:
    attack_seeds(url, tmp_path, range(1000, 1300))


def once_at(kind: str, work: Callable[[], object]) -> SeveralGaps:
    """Opens the source; `work` is done once, at the first gap of the kind."""
    due = [work]

    def at_gap(found: str) -> None:
        if found == kind and due:
            due.pop()()

    return SeveralGaps(at_gap)


def test_a_user_who_is_renamed_between_the_seal_and_the_reading_of_users_is_as_at_the_seal(
    url: str, tmp_path: Path
) -> None:
    create_net_shop(url, SHOP)
    opener = once_at("users/piece", lambda: Truth(url).execute("UPDATE users SET country = 'later'"))
    export = run_export(sliced(url, tmp_path / "staging"), opener=opener)
    assert opener.reads == 1
    check_whole(export, SHOP)


@pytest.mark.parametrize("table", ["refunds", "users"])
def test_a_table_that_is_emptied_before_the_seal_ends_the_read(url: str, tmp_path: Path, table: str) -> None:
    create_net_shop(url, SHOP)
    opener = once_at("purchases/seal", lambda: Database(url).execute(f"TRUNCATE TABLE {table}"))
    with pytest.raises(IntegrityError, match=f"The table {table} was changed while it was read in slices"):
        run_export(sliced(url, tmp_path / "refused"), opener=opener)
    assert committed(tmp_path / "refused") == []


def test_a_table_of_others_rows_for_a_while_is_noticed_by_its_own_witness(url: str, tmp_path: Path) -> None:
    """Refunds are swapped with others and swapped back: what was read of them was not theirs."""
    database = create_net_shop(url, SHOP)
    database.execute("CREATE TABLE others AS SELECT * FROM refunds WHERE id < 0")
    database.execute("ALTER TABLE others ADD PRIMARY KEY (id)")
    if database.is_mysql_family:
        database.execute("CREATE INDEX refunds_by_time ON others (refunded_at)")  # which slices ask for by its name
    names = [("refunds", "aside"), ("others", "refunds")]

    def swap() -> None:
        for old, new in names:
            database.execute(f"ALTER TABLE {old} RENAME TO {new}")

    def swap_back() -> None:
        for old, new in reversed(names):
            database.execute(f"ALTER TABLE {new} RENAME TO {old}")

    work = {"refunds/slice": [swap], "purchases/seal": [swap_back]}

    def at_gap(kind: str) -> None:
        if due := work.get(kind):
            due.pop()()

    opener = SeveralGaps(at_gap)
    export = run_export(sliced(url, tmp_path / "staging"), opener=opener)
    assert opener.reads == 2
    check_whole(export, SHOP)


def test_a_seal_of_the_second_table_that_never_agrees_ends_with_20_and_names_it(url: str, tmp_path: Path) -> None:
    create_net_shop(url, SHOP)
    truth = Truth(url)

    def at_gap(kind: str) -> None:
        if kind == "purchases/seal":
            truth.execute(f"UPDATE refunds SET amount = amount + 1 WHERE id = {REFUNDS[0]}")

    with pytest.raises(UnavailableError) as caught:
        run_export(sliced(url, tmp_path / "refused"), opener=SeveralGaps(at_gap))
    assert "The table changed while it was read in slices: at least 1 row differs." in str(caught.value)
    assert "refunds" in str(caught.value)
    assert "It was read 3 times, each time in vain." in str(caught.value)
    assert committed(tmp_path / "refused") == []


def test_nothing_is_open_on_the_server_between_the_tables(postgres_database: str, tmp_path: Path) -> None:
    create_net_shop(postgres_database, SHOP)
    asked = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND (state <> 'idle' OR backend_xmin IS NOT NULL) AND application_name LIKE 'penstock%%'"
    )
    engine = sa.create_engine(Database(postgres_database).url, poolclass=sa.NullPool)
    found: dict[str, set[int]] = {}

    def at_gap(kind: str) -> None:
        with engine.connect() as connection:
            found.setdefault(kind, set()).add(int(connection.exec_driver_sql(asked).scalar_one()))

    run_export(sliced(postgres_database, tmp_path / "staging"), opener=SeveralGaps(at_gap))
    assert found["refunds/slice"] == found["purchases/seal"] == {0}
    assert found["refunds/seal"] == found["users/piece"] == {1}  # the one snapshot


def test_each_table_can_be_told_by_its_own_row_versions_later(postgres_database: str, tmp_path: Path) -> None:
    database = create_net_shop(postgres_database, SHOP)
    for read in ("slices", "snapshot"):
        export = run_export(calm(settings(postgres_database, tmp_path / read, export={"read": read})))
        oids = {
            name: str(database.execute(f"SELECT '{name}'::regclass::oid::text")[0][0])
            for name in ("purchases", "refunds")
        }
        evidence = {"purchases": export.manifest["source"]["evidence"]} | {
            table["name"]: table["evidence"] for table in export.manifest["tables"]
        }
        for name, oid in oids.items():
            assert evidence[name]["table_oid"].endswith(f"/{oid}")
            assert evidence[name]["snapshot"] == evidence["purchases"]["snapshot"]


def test_slices_of_a_database_without_seals_are_refused(sqlite_database: str, tmp_path: Path) -> None:
    create_net_shop(sqlite_database, SHOP)
    told = refused(sqlite_database, tmp_path)
    assert f"{TableName(None, 'purchases')} can't be read in slices." in told
