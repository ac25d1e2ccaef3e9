"""A day that its run has loaded is looked at again: what differs in the target is set right from the stored parts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from staging.errors import InputError, IntegrityError, InterruptedRunError
from staging.process.cancel import Cancel
from tests.loader.runs import LoaderRun, Make, loader_runs, revenue
from tests.loader.target_fixtures import LoaderTarget, expected

pytestmark = pytest.mark.integration

COLUMNS = ("user_id", "revenue", "note")
NOTED = pa.schema(
    [
        pa.field("user_id", pa.int64(), nullable=False),
        pa.field("revenue", pa.decimal128(28, 2)),
        pa.field("note", pa.string()),
    ]
)
OF_DAY = "day = '2026-11-14'"
EDITS = {
    "the day deleted": f"DELETE FROM revenue WHERE {OF_DAY}",
    "the table emptied": "DELETE FROM revenue",
    "a unit added": f"UPDATE revenue SET revenue = revenue + 1 WHERE {OF_DAY}",
    "a text that no sum covers": f"UPDATE revenue SET note = 'N1' WHERE user_id = 1 AND {OF_DAY}",
    "a value taken away": f"UPDATE revenue SET note = NULL WHERE user_id = 2 AND {OF_DAY}",
    "two values swapped": f"UPDATE revenue SET revenue = '0.02' WHERE user_id = 1 AND {OF_DAY};"
    f"UPDATE revenue SET revenue = '0.01' WHERE user_id = 2 AND {OF_DAY}",
    "a row of another key": f"UPDATE revenue SET user_id = 77 WHERE user_id = 3 AND {OF_DAY}",
    "a row too many": "INSERT INTO revenue (user_id, day, revenue, note) VALUES (99, '2026-11-14', '0.00', 'x')",
    "the ledger's row deleted": "DELETE FROM penstock_ledger",
    "the ledger's figures edited": "UPDATE penstock_ledger SET loaded_rows = 7",
}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return loader_runs(tmp_path)


def noted(make: Make, number: int = 1, day: date = date(2026, 11, 14)) -> LoaderRun:
    rows = [{"user_id": user, "revenue": Decimal(user).scaleb(-2), "note": f"n{user}"} for user in range(1, 6)]
    return make(rows, number, schema=NOTED, day=day)


@pytest.mark.parametrize("edit", EDITS)
def test_what_was_changed_in_the_target_is_set_right_by_the_same_run(
    target: LoaderTarget, make: Make, edit: str
) -> None:
    target.init(run := noted(make))
    target.load(run)
    state = target.rows(COLUMNS), target.ledger_row()
    target.prove(run)
    target.execute(*EDITS[edit].split(";"))
    edited = target.rows(COLUMNS)
    with pytest.raises(InputError, match="2026-11-14 is not as the run run-0001 has loaded it"):
        target.prove(run)
    assert target.rows(COLUMNS) == edited
    outcome = target.load(run)
    assert not outcome.already
    assert (target.rows(COLUMNS), target.ledger_row()) == state
    assert target.load(run).already


def test_many_days_are_proven_by_one_connection_and_the_one_that_was_changed_is_named(
    target: LoaderTarget, make: Make
) -> None:
    runs = [noted(make, number, date(2026, 11, 13 + number)) for number in range(1, 4)]
    target.init(runs[0])
    for run in runs:
        target.load(run)
    target.prove(*runs)
    target.execute("UPDATE revenue SET note = 'other' WHERE user_id = 4 AND day = '2026-11-15'")
    target.prove(runs[0], runs[2])
    with pytest.raises(InputError, match="2026-11-15 is not as the run run-0002 has loaded it"):
        target.prove(*runs)


def test_rows_of_other_days_stay_untouched_when_a_day_is_set_right(target: LoaderTarget, make: Make) -> None:
    target.init(run := noted(make))
    target.load(run)
    insert = "INSERT INTO revenue (user_id, day, revenue, note) VALUES (1, '2026-11-{}', '5.00', 'mine')"
    target.execute(insert.format(13), insert.format(15), EDITS["the day deleted"])
    others = target.rows(COLUMNS)
    target.load(run)
    assert target.rows(COLUMNS) == sorted([*others, *expected(run, COLUMNS)], key=repr)


def test_that_the_same_content_was_changed_is_said_of_nothing_else(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(run := noted(make))

    def says_it_was_changed(run: LoaderRun) -> bool:
        target.load(run)
        return any("was changed since" in line for line in target.said)

    assert not says_it_was_changed(run)
    assert not says_it_was_changed(noted(make, 2))
    assert not says_it_was_changed(make(noted(make, 9).rows[:4], 3, schema=NOTED))
    target.execute(EDITS["a text that no sum covers"])
    assert not says_it_was_changed(noted(make, 4))
    target.execute(EDITS["a text that no sum covers"])
    assert says_it_was_changed(noted(make, 5))


def test_rows_that_no_load_wrote_are_said_to_be_replaced_where_there_are_some(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(run := noted(make))

    def replaced(run: LoaderRun) -> list[str]:
        target.load(run)
        return [line.partition("; ")[0] for line in target.said if "no load of the ledger wrote" in line]

    assert replaced(run) == []
    assert replaced(noted(make, 2)) == []
    target.execute("DELETE FROM penstock_ledger")
    assert replaced(noted(make, 3)) == ["warning: 2026-11-14 has 5 rows that no load of the ledger wrote"]


def test_a_load_that_is_asked_to_stop_in_its_transaction_leaves_what_is_there(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(run := noted(make))
    target.load(run)
    target.execute(EDITS["a unit added"])
    state, cancel = target.state(), Cancel()

    def stop(line: str) -> None:
        if "was changed since" in line:
            cancel.set()

    with pytest.raises(InterruptedRunError):
        target.load(run, cancel=cancel, listen=stop)
    assert target.state() == state


def test_parts_that_are_gone_end_with_40_and_leave_what_is_there(target: LoaderTarget, make: Make) -> None:
    target.init(run := noted(make))
    target.load(run)
    target.execute(EDITS["a unit added"])
    run.path("part-00001.parquet").unlink()
    edited = target.state()
    with pytest.raises(IntegrityError):
        target.load(run)
    assert target.state() == edited


TRIGGERS = {
    "sqlite": "CREATE TRIGGER changes AFTER INSERT ON revenue BEGIN UPDATE revenue SET {set}"
    " WHERE user_id = NEW.user_id AND NEW.user_id = 3; END",
    "mariadb": "CREATE TRIGGER changes BEFORE INSERT ON revenue FOR EACH ROW SET NEW.{set}",
    "postgres": "CREATE FUNCTION changes() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN UPDATE revenue SET {set} WHERE user_id = 3; RETURN NEW; END';"
    " CREATE CONSTRAINT TRIGGER changes AFTER INSERT ON revenue DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION changes()",
}


@pytest.mark.parametrize("change", ["note = 'other'", "note = NULL"])
def test_a_trigger_that_changes_what_no_sum_covers_is_found_before_the_commit(
    target: LoaderTarget, make: Make, change: str
) -> None:
    """PostgreSQL's is a deferred one, which would run inside COMMIT, after any look."""
    target.init(run := noted(make))
    kind = "mariadb" if target.kind == "mysql" else target.kind
    target.execute(TRIGGERS[kind].format(set=change if target.kind != "postgres" else change.replace("'", "''")))
    with pytest.raises(IntegrityError, match="would not hold the day") as caught:
        target.load(run)
    assert "have other values" in caught.value.why
    assert target.rows(COLUMNS) == []


def test_a_trigger_of_the_ledger_that_changes_the_target_is_found(target: LoaderTarget, make: Make) -> None:
    """The ledger is written before the day is looked at for the last time."""
    target.init(run := noted(make))
    body = "UPDATE revenue SET note = 'other' WHERE user_id = 3"
    quoted = body.replace("'", "''")
    trigger = target.pick(
        sqlite=f"CREATE TRIGGER late AFTER UPDATE ON penstock_ledger BEGIN {body}; END",
        mariadb=f"CREATE TRIGGER late AFTER UPDATE ON penstock_ledger FOR EACH ROW {body}",
        postgres=f"CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {quoted}; RETURN NEW; END';"
        " CREATE TRIGGER late AFTER UPDATE ON penstock_ledger FOR EACH ROW EXECUTE FUNCTION late()",
    )
    target.execute(trigger)
    with pytest.raises(IntegrityError, match="would not hold the day"):
        target.load(run)
    assert target.rows(COLUMNS) == []


def test_a_ledger_that_does_not_keep_what_is_written_is_found(target: LoaderTarget, make: Make) -> None:
    target.init(run := make(revenue(range(5))))
    trigger = target.pick(
        sqlite="CREATE TRIGGER late AFTER UPDATE ON penstock_ledger WHEN NEW.fence > 0"
        " BEGIN UPDATE penstock_ledger SET fence = 0; END",
        mariadb="CREATE TRIGGER late BEFORE UPDATE ON penstock_ledger FOR EACH ROW SET NEW.fence = 0",
        postgres="CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.fence := 0; RETURN NEW; END';"
        " CREATE TRIGGER late BEFORE UPDATE ON penstock_ledger FOR EACH ROW EXECUTE FUNCTION late()",
    )
    target.execute(trigger)
    with pytest.raises(IntegrityError, match="would not tell of the day"):
        target.load(run)
    assert target.rows() == []
