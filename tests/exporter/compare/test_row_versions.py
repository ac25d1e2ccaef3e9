"""What PostgreSQL's row versions can tell of a day, and where they can't and say so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.exporter.compare.changing_days import ROWS, ChangingDays
from tests.shop.tables import Database

pytestmark = pytest.mark.integration


@pytest.fixture(params=["snapshot", "slices"])
def days(request: pytest.FixtureRequest, postgres_database: str, tmp_path: Path) -> ChangingDays:
    return ChangingDays(Database(postgres_database), tmp_path / "staging", read=request.param)


@contextmanager
def session(days: ChangingDays) -> Iterator[psycopg.Connection]:
    """A session of somebody else's, whose transaction is open."""
    url = days.database.url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url) as connection:
        yield connection


def test_a_table_that_was_rewritten_whole_has_the_same_versions(days: ChangingDays) -> None:
    days.create(1)
    days.export(0)
    for statement in ("VACUUM FULL purchases", "CLUSTER purchases USING by_time", "VACUUM (FREEZE) purchases"):
        with session(days) as connection:
            connection.autocommit = True
            connection.execute(statement)
        assert days.one() == ("equal", "")


def test_an_update_that_changes_no_value_is_a_new_version(days: ChangingDays) -> None:
    days.create(1)
    days.export(0)
    days.database.execute("UPDATE purchases SET amount = amount WHERE id <= 3")
    assert days.one() == ("changed", "3 of its rows were written after the export")


def test_another_table_of_that_name_is_compared_by_sums(days: ChangingDays) -> None:
    days.create(1)
    days.export(0)
    days.database.execute("CREATE TABLE restored (LIKE purchases INCLUDING ALL)")
    days.database.execute("INSERT INTO restored SELECT * FROM purchases")
    days.database.execute("ALTER TABLE purchases RENAME TO old")
    days.database.execute("ALTER TABLE restored RENAME TO purchases")
    outcome, why = days.one()
    assert (outcome, "another table of that name" in why) == ("same sums", True)


def test_columns_that_swapped_their_names_are_not_taken_for_the_same(days: ChangingDays) -> None:
    days.create(1)
    days.database.execute("ALTER TABLE purchases ADD COLUMN net decimal(10,2) NOT NULL DEFAULT 0")
    days.database.execute("UPDATE purchases SET net = (SELECT max(amount) + min(amount) FROM purchases) - amount")
    days.export(0)
    for rename in ("amount TO gross", "net TO amount"):
        days.database.execute(f"ALTER TABLE purchases RENAME COLUMN {rename}")
    outcome, why = days.one()  # the sums are the same
    assert (outcome, "altered since" in why) == ("same sums", True)


def test_a_column_that_is_not_carried_may_come(days: ChangingDays) -> None:
    days.create(1)
    days.export(0)
    days.database.execute("ALTER TABLE purchases ADD COLUMN note text DEFAULT 'none'")
    assert days.one() == ("equal", "")


def test_a_row_of_a_transaction_that_ran_during_the_export_is_no_old_one(days: ChangingDays) -> None:
    days.create(1)
    with session(days) as other:
        other.execute("INSERT INTO purchases VALUES (7001, 1, '2026-11-10 12:00', 1.00, 'paid')")
        if days.settings.export.read == "slices":
            days.settings = days.settings.model_copy(
                update={"export": days.settings.export.model_copy(update={"grace_seconds": 0})}
            )
        days.export(0)
        other.execute("DELETE FROM purchases WHERE id = 1")
        other.commit()
    days.database.execute("UPDATE purchases SET amount = amount WHERE id = 99999")
    assert days.one()[0] == "changed"


def test_a_row_of_a_subtransaction_that_ran_during_the_export_makes_the_answer_unsure_at_least(
    days: ChangingDays,
) -> None:
    days.create(1)
    with session(days) as other:
        other.execute("SELECT pg_current_xact_id()")
        other.execute("SAVEPOINT inner_one")
        other.execute("INSERT INTO purchases VALUES (7001, 0, '2026-11-10 12:00', 0.01, 'paid')")
        days.database.execute("CREATE TABLE later (id int)")  # so that the snapshot's end lies behind it
        days.export(0)
        other.commit()
    days.database.execute("DELETE FROM purchases WHERE id = 1")  # as much, of the same user
    outcome, why = days.one()
    assert (outcome, "while the export was made" in why) == ("same sums", True)


def test_a_partition_that_was_swapped_for_an_older_table_is_noticed(
    postgres_database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    days = ChangingDays(Database(postgres_database), tmp_path / "staging")
    run = days.database.execute
    run(
        "CREATE TABLE purchases (id integer, user_id bigint NOT NULL, purchased_at timestamp NOT NULL, "
        "amount decimal(10,2) NOT NULL, status varchar(10) NOT NULL) PARTITION BY RANGE (purchased_at)"
    )
    run("CREATE INDEX by_time ON purchases (purchased_at)")
    run("CREATE TABLE november PARTITION OF purchases FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')")
    days.insert([days.row(0, n) for n in range(ROWS)])
    run("CREATE TABLE other (LIKE purchases)")
    run("INSERT INTO other SELECT id, 19 - user_id, purchased_at, amount, status FROM purchases")
    days.export(0)
    assert days.one() == ("equal", "")
    run("CREATE TABLE december PARTITION OF purchases FOR VALUES FROM ('2026-12-01') TO ('2027-01-01')")
    assert days.one() == ("equal", "")
    run("ALTER TABLE purchases DETACH PARTITION november")
    run("ALTER TABLE purchases ATTACH PARTITION other FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')")
    assert days.one() == ("changed", f"{ROWS} of its rows were written after the export")


@pytest.mark.parametrize(
    "where",
    [
        "purchased_at < now()",
        "user_id IN (SELECT user_id FROM members)",
        "status <> upper('paid')",
        "purchased_at < 'tomorrow'",
        "status::text = 'paid'",
    ],
)
def test_a_condition_that_may_ask_more_than_the_row_is_never_called_equal(
    postgres_database: str, tmp_path: Path, where: str
) -> None:
    days = ChangingDays(Database(postgres_database), tmp_path / "staging", where=where)
    days.create(1)
    days.database.execute("CREATE TABLE members AS SELECT generate_series(0, 19) AS user_id")
    days.export(0)
    outcome, why = days.one()
    assert (outcome, "source.where may ask more" in why) == ("same sums", True)


def test_a_view_is_compared_by_sums(postgres_database: str, tmp_path: Path) -> None:
    days = ChangingDays(Database(postgres_database), tmp_path / "staging", table="seen")
    days.create(1)
    days.database.execute("CREATE VIEW seen AS SELECT * FROM purchases")
    days.export(0)
    outcome, why = days.one()
    assert (outcome, "it is a view" in why) == ("same sums", True)


def test_rows_that_row_security_hid_from_the_export_or_hides_now_are_no_proof(
    postgres_database: str, tmp_path: Path
) -> None:
    days = ChangingDays(Database(postgres_database), tmp_path / "staging")
    days.create(1)
    days.export(0)
    days.database.execute("ALTER TABLE purchases ENABLE ROW LEVEL SECURITY")
    days.database.execute("ALTER TABLE purchases FORCE ROW LEVEL SECURITY")
    days.database.execute("CREATE POLICY all_of_it ON purchases USING (true)")
    with session(days) as connection:
        ((is_superuser,),) = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchall()
    outcome, why = days.one()
    assert outcome == ("equal" if is_superuser else "same sums"), why
