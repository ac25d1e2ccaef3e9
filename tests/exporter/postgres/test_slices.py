"""A day read in slices of a real PostgreSQL: what is the same as in a snapshot, and what the seal sees and doesn't."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from exporter.port.sliced_source import SliceRows, StartOverError
from exporter.postgres.connection import PostgresConnection
from staging.config.pipeline import Pipeline
from staging.errors import InputError, IntegrityError, LeftForLaterError, UnavailableError
from tests.exporter.days import Export, committed, pipeline, run_export
from tests.exporter.sliced_reads import After, Before, Between, Watched, calm, rows_by_shard
from tests.shop.purchases import create_purchases

pytestmark = pytest.mark.integration

ROWS = 2000
FILL = """
INSERT INTO purchases (user_id, purchased_at, amount, note)
SELECT g %% 97, timestamptz '2026-11-13 23:00+00' + g * interval '86399 seconds' / %s, g / 100.0,
       CASE g %% 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE E'tab\\tand "quotes", ü\\n' || g END
FROM generate_series(0, %s - 1) g
"""


class Shop:
    """A table of a day's purchases and a connection of its own to do things to it."""

    def __init__(self, url: str, *, rows: int = ROWS, table: str | None = None, index: bool = True) -> None:
        self.url = url
        self.connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
        if table:
            self.connection.execute(table.encode())
        else:
            identity = "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
            create_purchases(url, columns={"id": identity, "note": "text"}, index=index)
        self.connection.execute(FILL, (rows, rows))
        self.connection.execute("ANALYZE purchases")

    def do(self, sql: str) -> list[Any]:
        """Run it, as one who writes."""
        cursor = self.connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []

    def settings(self, folder: Path, **export: Any) -> Pipeline:
        """A pipeline in slices, whose pace never waits."""
        made = pipeline(self.url, folder, export={"read": "slices", "shards": 4} | export, columns=["amount", "note"])
        return calm(made)


@pytest.fixture
def shop(postgres_database: str) -> Iterator[Shop]:
    made = Shop(postgres_database)
    yield made
    made.connection.close()


def test_slices_and_a_snapshot_give_the_samerows_by_shard(shop: Shop, tmp_path: Path) -> None:
    slices = run_export(shop.settings(tmp_path / "slices"))
    snapshot = run_export(shop.settings(tmp_path / "snapshot", read="snapshot"))
    assert slices.manifest["reading"]["mode"] == "slices"
    assert snapshot.manifest["reading"]["mode"] == "snapshot"
    assert rows_by_shard(slices) == rows_by_shard(snapshot)
    assert slices.manifest["sums"] == snapshot.manifest["sums"] == {"amount": str(sum(map(_cents, range(ROWS))))}


def _cents(n: int) -> Decimal:
    return Decimal(n) / 100


def test_the_manifest_tells_how_the_day_was_read(shop: Shop, tmp_path: Path) -> None:
    manifest = run_export(shop.settings(tmp_path)).manifest
    evidence = manifest["source"]["evidence"]
    assert "2000 rows, 0 of them new" in evidence["sealed"]
    assert "no transaction from before is open" in evidence["closed"]
    assert "along time" in evidence["slices"]
    assert datetime.fromisoformat(manifest["as_of"]) > datetime.now(UTC) - timedelta(minutes=1)


@pytest.mark.parametrize(
    "write",
    [
        "INSERT INTO purchases (user_id, purchased_at, amount) VALUES (1, '2026-11-13 23:00:01+00', 5)",
        "DELETE FROM purchases WHERE id = 1",
        "UPDATE purchases SET amount = amount + 1 WHERE id = 1",
        "UPDATE purchases SET purchased_at = purchased_at + interval '20 hours' WHERE id = 1",
        (
            "WITH gone AS (DELETE FROM purchases WHERE id = 1 RETURNING user_id, purchased_at, amount) "
            "INSERT INTO purchases (user_id, purchased_at, amount) SELECT * FROM gone"
        ),
    ],
)
def test_a_write_during_the_read_makes_it_start_over(shop: Shop, tmp_path: Path, write: str) -> None:
    between = Between(-1, lambda: shop.do(write))
    export = run_export(shop.settings(tmp_path), opener=between)
    assert between.begun == 2
    ((rows, amount),) = shop.do(
        "SELECT count(*), sum(amount) FROM purchases "
        "WHERE purchased_at >= '2026-11-13 23:00+00' AND purchased_at < '2026-11-14 23:00+00'"
    )
    assert (export.manifest["rows"], Decimal(export.manifest["sums"]["amount"])) == (rows, amount)


def test_a_day_that_changes_during_each_read_is_given_up_after_three(shop: Shop, tmp_path: Path) -> None:
    between = Between(3, lambda: shop.do("UPDATE purchases SET amount = amount + 1 WHERE id < 4"), reads=99)
    with pytest.raises(StartOverError, match="at least 3 rows differ") as caught:
        run_export(shop.settings(tmp_path), opener=between)
    assert between.begun == 3
    assert caught.value.exit_code == 20
    assert "snapshot" in caught.value.fix
    assert committed(tmp_path) == []


def test_a_day_that_may_be_read_once_is_left_for_later_when_it_changes_meanwhile(shop: Shop, tmp_path: Path) -> None:
    between = Between(3, lambda: shop.do("UPDATE purchases SET amount = amount + 1 WHERE id < 4"), reads=99)
    with pytest.raises(LeftForLaterError, match="at least 3 rows differ"):
        run_export(shop.settings(tmp_path), opener=between, most_reads=1)
    assert between.begun == 1
    assert committed(tmp_path) == []


def test_all_pieces_of_a_seal_see_the_same_instant(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row moves, while the seal counts, from a piece that was not counted yet into one that was."""
    fetch, pieces = PostgresConnection.fetch_whole, 0

    def fetch_whole(self: PostgresConnection, sql: str) -> SliceRows:
        nonlocal pieces
        pieces += sql.startswith("SELECT count(*)")
        if pieces == 2 and sql.startswith("SELECT count(*)"):
            shop.do("UPDATE purchases SET purchased_at = '2026-11-13 23:00:01+00' WHERE id = 1999")
        return fetch(self, sql)

    monkeypatch.setattr(PostgresConnection, "fetch_whole", fetch_whole)
    between = Between(99, lambda: None)
    export = run_export(shop.settings(tmp_path), opener=between)
    assert pieces > 2
    assert between.begun == 1
    assert export.manifest["rows"] == ROWS


class Asked:
    """What the seal of a read in some ten stretches asks: how often it counts, and how often it adds up versions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts = self.sums = 0
        fetch = PostgresConnection.fetch_whole

        def fetch_whole(connection: PostgresConnection, sql: str) -> SliceRows:
            self.counts += sql.startswith("SELECT count(*)")
            self.sums += sql.startswith("SELECT count(*)") and "sum(" in sql
            return fetch(connection, sql)

        monkeypatch.setattr(PostgresConnection, "fetch_whole", fetch_whole)
        monkeypatch.setattr("exporter.read.slice_loop._GATHER_ROWS", ROWS // 10)


def test_where_nobody_writes_the_seal_only_counts(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch)
    assert run_export(shop.settings(tmp_path)).manifest["rows"] == ROWS
    assert (asked.counts > 10, asked.sums) == (True, 0)


def test_versions_are_added_up_where_a_row_came_before_its_slice(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(monkeypatch)
    late = "INSERT INTO purchases (user_id, purchased_at, amount) VALUES (1, '2026-11-13 23:00:01+00', 5)"
    between = Between(0, lambda: shop.do(late))
    assert run_export(shop.settings(tmp_path), opener=between).manifest["rows"] == ROWS + 1
    assert between.begun == 1
    assert 0 < asked.sums < asked.counts / 2


def test_versions_are_added_up_where_more_than_the_row_chooses_it(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row is left out when its slice comes, another one when the seal does: none is new, and as many are there."""
    shop.do("CREATE TABLE left_out (id bigint)")
    shop.do("INSERT INTO left_out VALUES (5)")
    settings = shop.settings(tmp_path)
    where = "id NOT IN (SELECT id FROM left_out)"
    settings = settings.model_copy(update={"source": settings.source.model_copy(update={"where": where})})
    asked = Asked(monkeypatch)
    between = Between(-1, lambda: shop.do("UPDATE left_out SET id = 1900"))
    export = run_export(settings, opener=between)
    assert between.begun == 2
    assert export.manifest["rows"] == ROWS - 1
    assert asked.sums == asked.counts


def test_a_subtransactions_row_is_seen(shop: Shop, tmp_path: Path) -> None:
    def write() -> None:
        with shop.connection.transaction(), shop.connection.transaction():
            shop.do("UPDATE purchases SET amount = 0 WHERE id = 1")

    between = Between(-1, write)
    run_export(shop.settings(tmp_path), opener=between)
    assert between.begun == 2


def test_an_insert_from_before_the_read_that_commits_late_is_in_the_export(shop: Shop, tmp_path: Path) -> None:
    """Its number is below that of everything that begins later, and yet not below the seal's horizon."""
    with psycopg.connect(shop.url.replace("+psycopg", "")) as late:
        late.execute(
            "INSERT INTO purchases (user_id, purchased_at, amount) VALUES (7, '2026-11-13 23:00:00.5+00', 1000000)"
        )
        shop.do("INSERT INTO purchases (user_id, purchased_at, amount) VALUES (8, '2027-01-01', 1)")  # a later number
        between = Between(-1, late.commit)
        export = run_export(shop.settings(tmp_path), opener=between)
    assert between.begun == 2
    assert export.manifest["rows"] == ROWS + 1


def _seconds_since(day: date) -> int:
    return int((datetime.now(UTC) - datetime(day.year, day.month, day.day, tzinfo=UTC)).total_seconds())


@pytest.mark.parametrize(
    "harmless",
    [
        "SELECT * FROM purchases WHERE id < 100 FOR UPDATE",
        "SELECT * FROM purchases WHERE id < 100 FOR KEY SHARE",
        "VACUUM FREEZE purchases",
        "ANALYZE purchases",
        "CREATE INDEX ON purchases (user_id)",
        "INSERT INTO purchases (user_id, purchased_at, amount) VALUES (1, '2026-11-20', 1)",
        "UPDATE purchases SET amount = 0 WHERE purchased_at >= '2026-11-15 00:00+00'",
        "CREATE TABLE other AS SELECT * FROM purchases",
    ],
)
def test_what_leaves_the_days_rows_alone_is_no_alarm(shop: Shop, tmp_path: Path, harmless: str) -> None:
    between = Between(2, lambda: shop.do(harmless))
    assert run_export(shop.settings(tmp_path), opener=between).manifest["rows"] == ROWS
    assert between.begun == 1


@pytest.mark.parametrize("ddl", ["ADD COLUMN more int", "ADD COLUMN more int NOT NULL DEFAULT 7"])
@pytest.mark.parametrize("at", [0, 2, -1])
def test_a_column_that_is_added_without_a_copy_of_the_table_makes_it_start_over(
    shop: Shop, tmp_path: Path, ddl: str, at: int
) -> None:
    between = Between(at, lambda: shop.do(f"ALTER TABLE purchases {ddl}"))
    manifest = run_export(shop.settings(tmp_path), opener=between).manifest
    assert (manifest["rows"], between.begun) == (ROWS, 2)
    assert "more" not in [column["name"] for column in manifest["columns"]]


@pytest.mark.parametrize(
    ("ddl", "says"),
    [
        ("ALTER TABLE purchases DROP COLUMN note", "columns"),
        ("ALTER TABLE purchases ALTER COLUMN amount TYPE numeric(14,3)", "columns"),
        ("ALTER TABLE purchases RENAME COLUMN note TO remark", "columns"),
        ("TRUNCATE purchases", "emptied or rewritten"),
        ("VACUUM FULL purchases", "emptied or rewritten"),
        ("DROP TABLE purchases", "gone"),
        ("ALTER TABLE purchases RENAME TO purchases_old", "gone"),
        (
            (
                "CREATE TABLE purchases_new (LIKE purchases INCLUDING ALL); "
                "ALTER TABLE purchases RENAME TO purchases_old; ALTER TABLE purchases_new RENAME TO purchases"
            ),
            "another table",
        ),
    ],
)
@pytest.mark.parametrize("at", [2, -1])
def test_a_table_that_is_changed_during_the_read_is_an_error_of_its_own(
    shop: Shop, tmp_path: Path, ddl: str, says: str, at: int
) -> None:
    with pytest.raises(IntegrityError, match="was changed while it was read") as caught:
        run_export(shop.settings(tmp_path), opener=Between(at, lambda: shop.do(ddl)))
    assert says in caught.value.why
    assert committed(tmp_path) == []


def test_a_table_that_is_swapped_and_swapped_back_is_noticed(shop: Shop, tmp_path: Path) -> None:
    shop.do("CREATE TABLE twin (LIKE purchases INCLUDING ALL)")
    shop.do(
        "INSERT INTO twin OVERRIDING SYSTEM VALUE SELECT id, user_id, purchased_at, amount + 1, note FROM purchases"
    )

    def swap() -> None:
        for old, new in (("purchases", "aside"), ("twin", "purchases"), ("aside", "twin")):
            shop.do(f"ALTER TABLE {old} RENAME TO {new}")

    there = Between(1, swap)

    class AndBack(Between):
        def watch(self, slices: Any) -> Any:
            return super().watch(there.watch(slices))

    twice = AndBack(3, swap)
    export = run_export(shop.settings(tmp_path), opener=twice)
    assert twice.begun == 2
    assert export.manifest["sums"] == {"amount": str(sum(map(_cents, range(ROWS))))}


def test_a_transaction_from_before_the_days_end_keeps_it_from_being_read(shop: Shop, tmp_path: Path) -> None:
    """The grace is chosen so that the day counts as over just after that transaction began."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    with psycopg.connect(shop.url.replace("+psycopg", "")) as old:
        old.execute("SELECT 1")
        shop.do("SELECT pg_sleep(2.5)")
        grace = _seconds_since(yesterday + timedelta(days=1)) - 1
        settings = _in_utc(shop, tmp_path, grace)
        with pytest.raises(UnavailableError, match="not over") as caught:
            _export_yesterday(settings, yesterday)
        assert "still open" in caught.value.why
    _export_yesterday(settings, yesterday)


def test_a_prepared_transaction_keeps_the_day_from_being_read(shop: Shop, tmp_path: Path) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    shop.do("BEGIN")
    shop.do("INSERT INTO purchases (user_id, purchased_at, amount) VALUES (1, '2026-01-01', 1)")
    shop.do("PREPARE TRANSACTION 'waits'")
    shop.do("SELECT pg_sleep(2.5)")
    settings = _in_utc(shop, tmp_path, _seconds_since(yesterday + timedelta(days=1)) - 1)
    with pytest.raises(UnavailableError, match="not over"):
        _export_yesterday(settings, yesterday)
    shop.do("ROLLBACK PREPARED 'waits'")
    _export_yesterday(settings, yesterday)


def test_a_prepared_transaction_has_no_known_beginning(shop: Shop, tmp_path: Path) -> None:
    """It was prepared long after the day and its grace; nobody knows when it began."""
    shop.do("BEGIN")
    shop.do("INSERT INTO purchases (user_id, purchased_at, amount) VALUES (1, '2026-11-14 12:00+00', 1)")
    shop.do("PREPARE TRANSACTION 'since when?'")
    with pytest.raises(UnavailableError, match="not over") as caught:
        run_export(shop.settings(tmp_path))
    assert "'since when?'" in caught.value.why
    shop.do("COMMIT PREPARED 'since when?'")
    assert run_export(shop.settings(tmp_path)).manifest["rows"] == ROWS + 1


def test_where_prepared_transactions_may_not_be_seen_the_manifest_says_so(shop: Shop, tmp_path: Path) -> None:
    with _account(shop, "GRANT SELECT ON purchases") as url:
        shop.do("REVOKE SELECT ON pg_prepared_xacts FROM PUBLIC")
        made = calm(pipeline(url, tmp_path, export={"read": "slices", "shards": 4}))
        evidence = run_export(made).manifest["source"]["evidence"]
        assert "prepared transactions are not seen" in evidence["closed"]


def test_a_day_that_is_not_over_by_the_databases_clock_is_refused(shop: Shop, tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    with pytest.raises(UnavailableError, match="not over") as caught:
        _export_yesterday(_in_utc(shop, tmp_path, 0), today)
    assert "clock says" in caught.value.why


def _in_utc(shop: Shop, folder: Path, grace_seconds: int) -> Pipeline:
    made = shop.settings(folder, grace_seconds=grace_seconds)
    return made.model_copy(update={"source": made.source.model_copy(update={"timezone": "UTC"})})


def _export_yesterday(settings: Pipeline, day: date) -> Export:
    return run_export(settings, day=day, now=datetime.now(UTC))


def test_without_the_right_to_see_others_the_grace_is_longer_and_the_manifest_says_so(
    shop: Shop, tmp_path: Path
) -> None:
    name = shop.do("SELECT current_database()")[0][0]
    user = f"reader_{name}"
    shop.do(f"CREATE USER {user} PASSWORD 'x'")
    shop.do(f"GRANT SELECT ON purchases TO {user}")
    try:
        settings = shop.settings(tmp_path)
        server, _, database = shop.url.rpartition("/")
        settings = pipeline(
            f"postgresql+psycopg://{user}:x@{server.rpartition('@')[2]}/{database}",
            tmp_path,
            export={"read": "slices", "shards": 4},
        )
        evidence = run_export(settings).manifest["source"]["evidence"]
        assert "2026-11-15 00:00:00" in evidence["closed"]  # four times 15 minutes
        assert "GRANT pg_read_all_stats" in evidence["closed"]
        shop.do("ALTER TABLE purchases ENABLE ROW LEVEL SECURITY; CREATE POLICY all_rows ON purchases USING (true)")
        with pytest.raises(InputError, match="slices") as caught:
            run_export(settings, run_id="run-0002", fresh_export=True)
        assert "row-level security" in caught.value.why.lower()
    finally:
        shop.do(f"DROP OWNED BY {user}")
        shop.do(f"DROP USER {user}")


PARTITIONED = """
CREATE TABLE purchases (
    id serial, user_id bigint NOT NULL, purchased_at timestamptz NOT NULL, amount numeric(12,2) NOT NULL, note text
) PARTITION BY RANGE (purchased_at);
CREATE TABLE purchases_1 PARTITION OF purchases FOR VALUES FROM ('2026-11-01') TO ('2026-11-14 12:00+00');
CREATE TABLE purchases_2 PARTITION OF purchases FOR VALUES FROM ('2026-11-14 12:00+00') TO ('2026-12-01');
CREATE INDEX ON purchases (purchased_at);
"""


def test_a_partitioned_table_is_sealed_by_its_partitions_rows(postgres_database: str, tmp_path: Path) -> None:
    shop = Shop(postgres_database, table=PARTITIONED)
    assert run_export(shop.settings(tmp_path / "quiet")).manifest["rows"] == ROWS
    moved = Between(-1, lambda: shop.do("UPDATE purchases SET purchased_at = '2026-11-14 20:00+00' WHERE id = 5"))
    assert run_export(shop.settings(tmp_path / "moved"), opener=moved).manifest["rows"] == ROWS
    assert moved.begun == 2
    swapped = Between(
        2,
        lambda: shop.do(
            "ALTER TABLE purchases DETACH PARTITION purchases_2; ALTER TABLE purchases ATTACH PARTITION "
            "purchases_2 FOR VALUES FROM ('2026-11-14 12:00+00') TO ('2026-12-01')"
        ),
    )
    assert run_export(shop.settings(tmp_path / "swapped"), opener=swapped).manifest["rows"] == ROWS
    assert swapped.begun == 2
    with pytest.raises(IntegrityError, match="was changed"):
        run_export(shop.settings(tmp_path / "emptied"), opener=Between(2, lambda: shop.do("TRUNCATE purchases_1")))
    shop.connection.close()


def test_without_an_index_on_the_time_the_primary_key_is_read_along(postgres_database: str, tmp_path: Path) -> None:
    shop = Shop(postgres_database, index=False)
    manifest = run_export(shop.settings(tmp_path)).manifest
    assert manifest["rows"] == ROWS
    assert 'along key "id"' in manifest["source"]["evidence"]["slices"]
    shop.connection.close()


def test_a_day_by_date_is_read_along_the_primary_key(postgres_database: str, tmp_path: Path) -> None:
    shop = Shop(postgres_database)
    shop.do("ALTER TABLE purchases ALTER COLUMN purchased_at TYPE date")
    manifest = run_export(shop.settings(tmp_path)).manifest
    ((rows,),) = shop.do("SELECT count(*) FROM purchases WHERE purchased_at = '2026-11-14'")
    assert manifest["rows"] == rows > 0
    assert 'along key "id"' in manifest["source"]["evidence"]["slices"]
    shop.connection.close()


@pytest.mark.parametrize("method", ["describe", "plan_axis", "begin_seal"])
@pytest.mark.parametrize("key", [-5, 10**9])
def test_a_row_outside_the_planned_keys_is_not_made_up_for_by_one_that_is_gone(
    postgres_database: str, tmp_path: Path, key: int, method: str
) -> None:
    shop = Shop(postgres_database, index=False)
    insert = f"INSERT INTO purchases OVERRIDING SYSTEM VALUE VALUES ({key}, 1, '2026-11-14 12:00+00', 500, '')"
    came = After(method, lambda: shop.do(insert))

    class AndGone(Between):
        def watch(self, slices: Any) -> Any:
            return super().watch(came.watch(slices))

    opener = AndGone(-1, lambda: shop.do("DELETE FROM purchases WHERE id = 1900"))
    export = run_export(shop.settings(tmp_path), opener=opener)
    ((rows, amount),) = shop.do("SELECT count(*), sum(amount) FROM purchases")
    assert (export.manifest["rows"], Decimal(export.manifest["sums"]["amount"])) == (rows, amount)
    shop.connection.close()


@pytest.mark.parametrize("method", ["describe", "estimate", "plan_axis", "begin_seal"])
def test_digits_that_a_column_gets_after_it_was_described_are_never_cut(
    shop: Shop, tmp_path: Path, method: str
) -> None:
    def alter() -> None:
        shop.do("ALTER TABLE purchases ALTER COLUMN amount TYPE numeric(14,4)")
        shop.do("UPDATE purchases SET amount = amount + 0.0049")

    with pytest.raises(IntegrityError, match="was changed while it was read") as caught:
        run_export(shop.settings(tmp_path), opener=After(method, alter))
    assert "columns" in caught.value.why
    assert committed(tmp_path) == []


class Twice(Watched):
    """Does one thing before the slice of one number, and another before that of another, in the first read."""

    def __init__(self, *due: tuple[int, Any]) -> None:
        self.due, self.begun = due, 0

    def watch(self, slices: Any) -> Any:
        self.begun += 1
        if self.begun == 1:
            for number, work in self.due:
                slices = Between(number, work).watch(slices)
        return slices


HEIR = """
CREATE TABLE heir (LIKE purchases INCLUDING ALL) INHERITS (purchases);
INSERT INTO heir OVERRIDING SYSTEM VALUE
SELECT id + 10000, user_id, purchased_at, amount, note FROM purchases WHERE id > 1990
"""


@pytest.mark.parametrize(
    ("before", "change", "back"),
    [
        (HEIR, "ALTER TABLE heir NO INHERIT purchases", "ALTER TABLE heir INHERIT purchases"),
        (
            "ALTER TABLE purchases ADD tax numeric(12,2) NOT NULL DEFAULT 1",
            "ALTER TABLE purchases RENAME amount TO a; ALTER TABLE purchases RENAME tax TO amount",
            "ALTER TABLE purchases RENAME amount TO tax; ALTER TABLE purchases RENAME a TO amount",
        ),
        (
            "CREATE TYPE kind AS ENUM ('a', 'b'); ALTER TABLE purchases ALTER note TYPE kind USING 'a'",
            "ALTER TYPE kind RENAME VALUE 'a' TO 'c'",
            "ALTER TYPE kind RENAME VALUE 'c' TO 'a'",
        ),
        (
            (
                "CREATE TYPE kind AS ENUM ('a', 'b'); CREATE DOMAIN outer_kind AS kind; "
                "ALTER TABLE purchases ALTER note TYPE outer_kind USING 'a'"
            ),
            "ALTER TYPE kind RENAME VALUE 'a' TO 'c'",
            "ALTER TYPE kind RENAME VALUE 'c' TO 'a'",
        ),
        (
            "CREATE POLICY few ON purchases USING (id < 5)",
            "ALTER TABLE purchases ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE purchases DISABLE ROW LEVEL SECURITY",
        ),
    ],
)
def test_what_the_catalogue_says_otherwise_for_a_while_is_noticed(
    shop: Shop, tmp_path: Path, before: str, change: str, back: str
) -> None:
    shop.do(before)
    twice = Twice((2, lambda: shop.do(change)), (5, lambda: shop.do(back)))
    export = run_export(shop.settings(tmp_path), opener=twice)
    ((rows, amount),) = shop.do("SELECT count(*), sum(amount) FROM purchases")
    assert twice.begun == 2
    assert (export.manifest["rows"], Decimal(export.manifest["sums"]["amount"])) == (rows, amount)
    assert {row["note"] for row in export.rows()} == {
        note for (note,) in shop.do("SELECT DISTINCT note::text FROM purchases")
    }


def test_a_row_that_came_before_its_slice_is_read_and_is_no_alarm(shop: Shop, tmp_path: Path) -> None:
    insert = "INSERT INTO purchases (user_id, purchased_at, amount) VALUES (1, '2026-11-14 22:59+00', 5)"
    between = Between(2, lambda: shop.do(insert))
    assert run_export(shop.settings(tmp_path), opener=between).manifest["rows"] == ROWS + 1
    assert between.begun == 1


def test_another_row_at_the_place_of_one_that_is_gone_is_another_row(shop: Shop, tmp_path: Path) -> None:
    places: list[Any] = []

    def replace_it() -> None:  # the last row: its page is the one that is written to next
        places.extend(shop.do("DELETE FROM purchases WHERE id = 2000 RETURNING ctid::text"))
        shop.do("VACUUM purchases")
        put = "INSERT INTO purchases OVERRIDING SYSTEM VALUE SELECT 2000, 7, '2026-11-13 23:05+00', 1000, ''"
        places.extend(shop.do(f"{put} RETURNING ctid::text"))

    between = Between(-1, replace_it)
    export = run_export(shop.settings(tmp_path), opener=between)
    assert places[0] == places[1]
    assert between.begun == 2
    ((amount,),) = shop.do("SELECT sum(amount) FROM purchases")
    assert export.manifest["sums"] == {"amount": str(amount)}


@pytest.mark.parametrize("grant", ["SELECT (user_id, purchased_at, amount, note)", "SELECT (amount)"])
def test_an_account_that_may_see_some_columns_only_is_refused_before_the_first_slice(
    shop: Shop, tmp_path: Path, grant: str
) -> None:
    with _account(shop, f"GRANT {grant} ON purchases") as url:
        before = Before(lambda: None)
        made = calm(pipeline(url, tmp_path, export={"read": "slices", "shards": 4}))
        with pytest.raises(InputError, match="slices") as caught:
            run_export(made, opener=before)
        assert before.slices == 0
        assert "GRANT SELECT ON the whole table" in caught.value.why


def test_an_account_that_may_also_see_which_version_a_row_is_reads_slices(shop: Shop, tmp_path: Path) -> None:
    columns = "user_id, purchased_at, amount, note, ctid, xmin, tableoid"
    with _account(shop, f"GRANT SELECT ({columns}) ON purchases") as url:
        made = calm(pipeline(url, tmp_path, export={"read": "slices", "shards": 4}))
        assert run_export(made).manifest["rows"] == ROWS


@contextmanager
def _account(shop: Shop, grant: str) -> Iterator[str]:
    """Give the URL of an account with these rights alone."""
    ((name,),) = shop.do("SELECT current_database()")
    user = f"few_{name}"
    shop.do(f"CREATE USER {user} PASSWORD 'x'; {grant} TO {user}")
    try:
        server, _, database = shop.url.rpartition("/")
        yield f"postgresql+psycopg://{user}:x@{server.rpartition('@')[2]}/{database}"
    finally:
        shop.do(f"DROP OWNED BY {user}; DROP USER {user}")


def test_a_date_that_is_infinite_is_refused_as_an_infinite_instant_is(shop: Shop, tmp_path: Path) -> None:
    shop.do("ALTER TABLE purchases ALTER COLUMN purchased_at TYPE date")
    shop.do("UPDATE purchases SET purchased_at = 'infinity' WHERE id = 1")
    with pytest.raises(InputError, match="Column purchased_at is infinite"):
        run_export(shop.settings(tmp_path))


def test_a_domain_over_a_domain_has_the_digits_of_the_innermost(shop: Shop, tmp_path: Path) -> None:
    shop.do("CREATE DOMAIN money_inner AS numeric(12,2); CREATE DOMAIN money_outer AS money_inner CHECK (value >= 0)")
    shop.do("ALTER TABLE purchases ALTER COLUMN amount TYPE money_outer")
    export = run_export(shop.settings(tmp_path))
    assert export.manifest["sums"] == {"amount": str(sum(map(_cents, range(ROWS))))}
    assert str(export.table().schema.field("amount").type) == "decimal128(12, 2)"


@pytest.mark.parametrize("key", [-5, 10**9])
def test_a_row_that_comes_with_a_key_outside_the_range_is_seen(
    postgres_database: str, tmp_path: Path, key: int
) -> None:
    shop = Shop(postgres_database, index=False)
    insert = f"INSERT INTO purchases OVERRIDING SYSTEM VALUE VALUES ({key}, 1, '2026-11-14 12:00+00', 5, '')"
    between = Between(1, lambda: shop.do(insert))
    assert run_export(shop.settings(tmp_path), opener=between).manifest["rows"] == ROWS + 1
    assert between.begun == 2
    shop.connection.close()


@pytest.mark.parametrize(
    ("ddl", "says"),
    [
        ("ALTER TABLE purchases RENAME TO p; CREATE VIEW purchases AS SELECT * FROM p", "a view"),
        ("ALTER TABLE purchases DROP CONSTRAINT purchases_pkey; DROP INDEX by_time", "No index"),
    ],
)
def test_what_no_seal_can_prove_is_refused_by_its_reason(shop: Shop, tmp_path: Path, ddl: str, says: str) -> None:
    shop.do(ddl)
    with pytest.raises(InputError, match="slices") as caught:
        run_export(shop.settings(tmp_path))
    assert says in caught.value.why
    assert run_export(shop.settings(tmp_path, read="auto")).manifest["reading"]["mode"] == "snapshot"


@pytest.mark.parametrize(
    "where",
    [
        "user_id IN (SELECT user_id FROM purchases)",
        "purchased_at < now()",
        "purchased_at < CURRENT_TIMESTAMP",
        "purchased_at < 'now'",
        "random() < 2",
    ],
)
def test_a_condition_that_asks_for_more_than_its_row_is_sealed_where_it_chose_the_same_rows(
    shop: Shop, tmp_path: Path, where: str
) -> None:
    assert run_export(_with_where(shop, tmp_path, where)).manifest["rows"] == ROWS


def _with_where(shop: Shop, folder: Path, where: str) -> Pipeline:
    settings = shop.settings(folder)
    return settings.model_copy(update={"source": settings.source.model_copy(update={"where": where})})


def test_a_condition_that_chose_others_than_at_the_seal_makes_the_read_start_over(shop: Shop, tmp_path: Path) -> None:
    """A table that is asked besides holds as many rows all the time, and as many of the day are chosen."""
    shop.do("CREATE TABLE chosen AS SELECT generate_series(1, 500) AS id")
    between = Between(4, lambda: shop.do("UPDATE chosen SET id = 2001 - id"))
    settings = _with_where(shop, tmp_path, "id IN (SELECT id FROM chosen)")
    export = run_export(settings, opener=between)
    assert between.begun == 2
    assert export.manifest["sums"] == {"amount": str(sum(map(_cents, range(1500, ROWS))))}


def test_a_condition_that_asks_the_clock_is_true_of_the_seals_instant(shop: Shop, tmp_path: Path) -> None:
    """One row ends and another one begins to be valid, at one instant between two slices: both or none were read."""
    shop.do("ALTER TABLE purchases ADD valid_from timestamptz DEFAULT '-infinity'")
    shop.do("ALTER TABLE purchases ADD valid_to timestamptz DEFAULT 'infinity'")
    shop.do(
        "UPDATE purchases SET valid_to = clock_timestamp() + interval '1.5 s' WHERE id IN (1, 2); "
        "UPDATE purchases SET valid_from = (SELECT valid_to FROM purchases WHERE id = 1) WHERE id IN (1999, 2000)"
    )
    wait = (
        "SELECT pg_sleep(extract(epoch FROM greatest(valid_to - clock_timestamp(), interval '0'))) "
        "FROM purchases WHERE id = 1"
    )
    between = Between(4, lambda: shop.do(wait))
    export = run_export(_with_where(shop, tmp_path, "valid_from <= 'now' AND valid_to > 'now'"), opener=between)
    assert export.manifest["sums"] == {"amount": str(sum(map(_cents, range(2, ROWS))))}


def test_a_condition_that_is_chance_is_never_sealed(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(StartOverError):
        run_export(_with_where(shop, tmp_path, "random() < 0.5"))
    assert committed(tmp_path) == []


def test_a_condition_on_the_row_alone_is_sealed(shop: Shop, tmp_path: Path) -> None:
    where = "lower(coalesce(note, '')) <> 'select now()' AND date_trunc('year', purchased_at) > '2020-01-01'"
    settings = shop.settings(tmp_path)
    settings = settings.model_copy(update={"source": settings.source.model_copy(update={"where": where})})
    assert run_export(settings).manifest["rows"] == ROWS


def test_auto_reads_a_small_day_in_a_snapshot_and_a_long_one_in_slices(shop: Shop, tmp_path: Path) -> None:
    assert run_export(shop.settings(tmp_path / "a", read="auto")).manifest["reading"]["mode"] == "snapshot"
    shop.do("UPDATE pg_class SET reltuples = 500000 WHERE relname = 'purchases'")  # as the planner believes
    settings = shop.settings(tmp_path / "b", read="auto", max_snapshot_seconds=1)
    reading = run_export(settings).manifest["reading"]
    assert reading["mode"] == "slices"
    assert "auto:" in reading["why"]
    assert "a shop would feel" in reading["why"]


def test_an_empty_day_is_sealed(shop: Shop, tmp_path: Path) -> None:
    assert run_export(shop.settings(tmp_path), day=date(2026, 11, 1)).manifest["rows"] == 0


def test_all_rows_at_one_instant_are_read(shop: Shop, tmp_path: Path) -> None:
    shop.do("UPDATE purchases SET purchased_at = '2026-11-14 12:00+00'")
    assert run_export(shop.settings(tmp_path)).manifest["rows"] == ROWS


def test_nothing_is_open_between_slices(shop: Shop, tmp_path: Path) -> None:
    seen: list[Any] = []

    def look() -> None:
        seen.extend(
            shop.do(
                "SELECT state, backend_xmin, (SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid AND relation = "
                "'purchases'::regclass) FROM pg_stat_activity a WHERE application_name = 'penstock-exporter'"
            )
        )

    run_export(shop.settings(tmp_path), opener=Between(2, look))
    assert seen
    assert {tuple(each) for each in seen} == {("idle", None, 0)}
