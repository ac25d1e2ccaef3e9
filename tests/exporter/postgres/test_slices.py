"""A day read in slices of a real PostgreSQL: what is its own; tests/conformance/source has what all servers share."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exporter.port.sliced_source import SliceRows
from exporter.postgres.connection import PostgresConnection
from staging.errors import InputError, IntegrityError
from tests.conformance.source.postgres_shop import PostgresShop as Shop
from tests.conformance.source.sliced_shop import AMOUNT, ROWS
from tests.exporter.days import pipeline, run_export
from tests.exporter.sliced_reads import After, Before, Between, Watched, calm

pytestmark = pytest.mark.integration


@pytest.fixture
def shop(postgres_database: str) -> Iterator[Shop]:
    made = Shop(postgres_database)
    yield made
    made.close()


def test_the_manifest_tells_how_the_day_was_read(shop: Shop, tmp_path: Path) -> None:
    manifest = run_export(shop.settings(tmp_path)).manifest
    evidence = manifest["source"]["evidence"]
    assert "2000 rows, 0 of them new" in evidence["sealed"]
    assert "no transaction from before is open" in evidence["closed"]
    assert "along time" in evidence["slices"]
    assert datetime.fromisoformat(manifest["as_of"]) > datetime.now(UTC) - timedelta(minutes=1)


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
    settings = shop.settings(tmp_path, where="id NOT IN (SELECT id FROM left_out)")
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
    assert export.manifest["sums"] == {"amount": AMOUNT}


def test_where_prepared_transactions_may_not_be_seen_the_manifest_says_so(shop: Shop, tmp_path: Path) -> None:
    with shop.account("GRANT SELECT ON purchases") as url:
        shop.do("REVOKE SELECT ON pg_prepared_xacts FROM PUBLIC")
        made = calm(pipeline(url, tmp_path, export={"read": "slices", "shards": 4}))
        evidence = run_export(made).manifest["source"]["evidence"]
        assert "prepared transactions are not seen" in evidence["closed"]


def test_without_the_right_to_see_others_the_grace_is_longer_and_the_manifest_says_so(
    shop: Shop, tmp_path: Path
) -> None:
    with shop.reader() as url:
        settings = pipeline(url, tmp_path, export={"read": "slices", "shards": 4})
        evidence = run_export(settings).manifest["source"]["evidence"]
        assert "2026-11-15 00:00:00" in evidence["closed"]  # four times 15 minutes
        assert "GRANT pg_read_all_stats" in evidence["closed"]
        shop.do("ALTER TABLE purchases ENABLE ROW LEVEL SECURITY; CREATE POLICY all_rows ON purchases USING (true)")
        with pytest.raises(InputError, match="slices") as caught:
            run_export(settings, run_id="run-0002", fresh_export=True)
        assert "row-level security" in caught.value.why.lower()


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
    shop.close()


def test_without_an_index_on_the_time_the_primary_key_is_read_along(postgres_database: str, tmp_path: Path) -> None:
    shop = Shop(postgres_database, index=False)
    manifest = run_export(shop.settings(tmp_path)).manifest
    assert manifest["rows"] == ROWS
    assert 'along key "id"' in manifest["source"]["evidence"]["slices"]
    shop.close()


def test_a_day_by_date_is_read_along_the_primary_key(postgres_database: str, tmp_path: Path) -> None:
    shop = Shop(postgres_database)
    shop.do("ALTER TABLE purchases ALTER COLUMN purchased_at TYPE date")
    manifest = run_export(shop.settings(tmp_path)).manifest
    ((rows,),) = shop.do("SELECT count(*) FROM purchases WHERE purchased_at = '2026-11-14'")
    assert manifest["rows"] == rows > 0
    assert 'along key "id"' in manifest["source"]["evidence"]["slices"]
    shop.close()


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
    shop.close()


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
    with shop.account(f"GRANT {grant} ON purchases") as url:
        before = Before(lambda: None)
        made = calm(pipeline(url, tmp_path, export={"read": "slices", "shards": 4}))
        with pytest.raises(InputError, match="slices") as caught:
            run_export(made, opener=before)
        assert before.slices == 0
        assert "GRANT SELECT ON the whole table" in caught.value.why


def test_an_account_that_may_also_see_which_version_a_row_is_reads_slices(shop: Shop, tmp_path: Path) -> None:
    columns = "user_id, purchased_at, amount, note, ctid, xmin, tableoid"
    with shop.account(f"GRANT SELECT ({columns}) ON purchases") as url:
        made = calm(pipeline(url, tmp_path, export={"read": "slices", "shards": 4}))
        assert run_export(made).manifest["rows"] == ROWS


def test_a_date_that_is_infinite_is_refused_as_an_infinite_instant_is(shop: Shop, tmp_path: Path) -> None:
    shop.do("ALTER TABLE purchases ALTER COLUMN purchased_at TYPE date")
    shop.do("UPDATE purchases SET purchased_at = 'infinity' WHERE id = 1")
    with pytest.raises(InputError, match="Column purchased_at is infinite"):
        run_export(shop.settings(tmp_path))


def test_a_domain_over_a_domain_has_the_digits_of_the_innermost(shop: Shop, tmp_path: Path) -> None:
    shop.do("CREATE DOMAIN money_inner AS numeric(12,2); CREATE DOMAIN money_outer AS money_inner CHECK (value >= 0)")
    shop.do("ALTER TABLE purchases ALTER COLUMN amount TYPE money_outer")
    export = run_export(shop.settings(tmp_path))
    assert export.manifest["sums"] == {"amount": AMOUNT}
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
    shop.close()


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
    export = run_export(shop.settings(tmp_path, where="valid_from <= 'now' AND valid_to > 'now'"), opener=between)
    assert export.manifest["sums"] == {"amount": str(sum(Decimal(n) / 100 for n in range(2, ROWS)))}


def test_auto_reads_a_small_day_in_a_snapshot_and_a_long_one_in_slices(shop: Shop, tmp_path: Path) -> None:
    assert run_export(shop.settings(tmp_path / "a", read="auto")).manifest["reading"]["mode"] == "snapshot"
    shop.do("UPDATE pg_class SET reltuples = 500000 WHERE relname = 'purchases'")  # as the planner believes
    settings = shop.settings(tmp_path / "b", read="auto", max_snapshot_seconds=1)
    reading = run_export(settings).manifest["reading"]
    assert reading["mode"] == "slices"
    assert "auto:" in reading["why"]
    assert "a shop would feel" in reading["why"]


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
