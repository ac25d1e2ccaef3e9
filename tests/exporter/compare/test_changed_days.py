"""Days that were exported and then changed, on each database: exactly those are named, and each way to tell its own."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path

import pytest

from tests.exporter.compare.changing_days import FIRST, ROWS, ChangingDays
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

DAILY = [
    ("postgres_database", "snapshot"),
    ("postgres_database", "slices"),
    ("mariadb_database", "slices"),
    ("mysql_database", "snapshot"),
    ("sqlite_database", "snapshot"),
]
NIGHTLY = [("mariadb_database", "snapshot"), ("mysql_database", "slices")]
ALL = [pytest.param(each, id=" ".join(each)) for each in DAILY]
ALL += [pytest.param(each, id=" ".join(each), marks=pytest.mark.nightly) for each in NIGHTLY]
UNTOUCHED, LATE, SWAPPED, REPLACED, EDITED, DELETED, NEVER = range(7)


@pytest.fixture(params=ALL)
def days(request: pytest.FixtureRequest, tmp_path: Path) -> ChangingDays:
    server, read = request.param
    return ChangingDays(Database(request.getfixturevalue(server)), tmp_path / "staging", read=read)


@pytest.fixture(params=["postgres_database", "mysql_database"])
def server_days(request: pytest.FixtureRequest, tmp_path: Path) -> ChangingDays:
    return ChangingDays(Database(request.getfixturevalue(request.param)), tmp_path / "staging")


def change(days: ChangingDays) -> None:
    """Change each day but the first in a way of its own; count and sum stay in the second and third of these."""
    run = days.database.execute
    days.insert([days.row(LATE, 50, id_=90_001)])
    run(f"UPDATE purchases SET amount = 0.51 WHERE id = {SWAPPED * 1000 + 1}")  # those of rows 0 and 2, swapped
    run(f"UPDATE purchases SET amount = 0.01 WHERE id = {SWAPPED * 1000 + 3}")
    run(f"DELETE FROM purchases WHERE id = {REPLACED * 1000 + 8}")
    days.insert([(90_002, 19, *days.row(REPLACED, 7)[2:])])  # another user's, all else the same
    run(f"UPDATE purchases SET amount = amount + 1 WHERE id = {EDITED * 1000 + 5}")
    run(f"DELETE FROM purchases WHERE id = {DELETED * 1000 + 5}")


def test_exactly_the_days_that_changed_are_named(days: ChangingDays) -> None:
    days.create(6)
    before = days.export(*range(6))
    sure = "same sums" if days.database.dialect == "sqlite" else "equal"
    assert days.outcomes(7) == [*[sure] * 6, "never stored"]

    change(days)
    hidden = "same sums" if days.database.dialect == "sqlite" else "changed"
    found = days.compare(7)
    assert [each.compared.outcome for each in found] == [
        sure,
        "changed",
        hidden,
        hidden,
        "changed",
        "changed",
        "never stored",
    ]
    figures = [each.compared.found for each in found[:6]]
    assert [each.rows for each in figures if each] == [ROWS, ROWS + 1, ROWS, ROWS, ROWS, ROWS - 1]
    total = Decimal(before[0]["sums"]["amount"])
    expected = [total, total + Decimal("12.51"), total, total, total + 1, total - Decimal("1.01")]
    assert [Decimal(each.sums["amount"] or "") for each in figures if each] == expected
    assert found[LATE].compared.why == "1 row more"
    assert found[DELETED].compared.why == "1 row fewer"
    assert found[EDITED].compared.why == "another sum of amount"

    noted = ("table_oid", "timeline", "row_checksum", "row_checksum_key")  # which older versions did not
    by_sums = days.compare(6, forget=noted)
    outcomes = [each.compared.outcome for each in by_sums]
    assert outcomes == ["same sums", "changed", "same sums", "same sums", "changed", "changed"]
    assert by_sums[UNTOUCHED].compared.how == "count and sums"
    assert by_sums[UNTOUCHED].compared.why.startswith("compared by count and sums alone: ")

    days.export(LATE, SWAPPED, REPLACED, EDITED, DELETED, fresh=True)
    assert days.outcomes(6) == [sure] * 6


@pytest.mark.parametrize("server", ["postgres_database", "mysql_database", "sqlite_database"])
def test_sums_beyond_64_bits_are_compared_to_the_last_unit(
    request: pytest.FixtureRequest, tmp_path: Path, server: str
) -> None:
    database = Database(request.getfixturevalue(server))
    days = ChangingDays(database, tmp_path / "staging", columns=["ref", "amount"])
    refs = [9 * 10**18 + number for number in range(20)] + [-(2**63)]
    noon = datetime.combine(FIRST, time(12), UTC)
    rows = [(number, number % 3, noon, Decimal("9999999999999.99"), ref) for number, ref in enumerate(refs)]
    create_purchases(database, rows, columns={"amount": "decimal(18,2) NOT NULL", "ref": "bigint NOT NULL"})
    days.export(0)
    assert days.one()[0] == ("same sums" if database.dialect == "sqlite" else "equal")
    (found,) = days.compare(1, forget=("table_oid", "timeline", "row_checksum", "row_checksum_key"))
    assert found.compared.found is not None
    assert found.compared.found.sums == {"ref": str(sum(refs)), "amount": str(Decimal("9999999999999.99") * len(refs))}
    database.execute("UPDATE purchases SET ref = ref + 1 WHERE id = 7")
    assert days.one() == ("changed", "another sum of ref")


def test_a_day_that_was_empty_and_is_not_any_more_is_named(server_days: ChangingDays) -> None:
    days = server_days
    days.create(0)
    days.export(0)
    assert days.outcomes(1) == ["equal"]
    days.insert([days.row(0, 1)])
    assert days.outcomes(1) == ["changed"]


def test_other_settings_than_the_exports_are_told_and_no_row_is_counted(server_days: ChangingDays) -> None:
    days = server_days
    days.create(1)
    days.export(0)
    source = days.settings.source.model_copy(update={"columns": ("amount", "status")})
    days.settings = days.settings.model_copy(update={"source": source})
    (found,) = days.compare(1)
    assert found.compared.outcome == "can't be told"
    assert "source.columns was amount and is amount, status" in found.compared.why
    assert found.error is not None
    assert int(found.error.exit_code) == 10


def test_a_column_of_another_type_is_told(server_days: ChangingDays) -> None:
    days = server_days
    days.create(1)
    days.export(0)
    alter = (
        "ALTER COLUMN amount TYPE decimal(12,2)"
        if days.database.dialect == "postgresql"
        else "MODIFY amount decimal(12,2) NOT NULL"
    )
    days.database.execute(f"ALTER TABLE purchases {alter}")
    (found,) = days.compare(1)
    assert found.compared.outcome == "can't be told"
    assert "amount was" in found.compared.why
    assert found.error is not None
    assert "--fresh-export --set export.schema_changes=accept_all" in found.error.fix
    export = days.settings.export.model_copy(update={"schema_changes": "accept_all"})
    days.settings = days.settings.model_copy(update={"export": export})
    days.export(0, fresh=True)
    assert days.one()[0] in ("equal", "same sums")


def test_a_table_that_is_gone_can_not_be_compared(server_days: ChangingDays) -> None:
    days = server_days
    days.create(1)
    days.export(0)
    days.database.execute("DROP TABLE purchases")
    outcome, why = days.one()
    assert (outcome, "There is no table or view purchases" in why) == ("can't be told", True)


def test_a_budget_that_is_used_up_leaves_days_for_later(server_days: ChangingDays) -> None:
    days = server_days
    days.create(3)
    days.export(0, 1, 2)
    found = days.compare(3, budget=1e-9)
    assert [each.compared.outcome for each in found][1:] == ["can't be told"] * 2
    assert found[2].error is not None
    assert int(found[2].error.exit_code) == 20
    assert "budget of seconds" in found[2].compared.why


def test_a_condition_of_the_row_alone_leaves_the_answer_as_sure_as_without(
    server_days: ChangingDays,
) -> None:
    days = server_days
    where = "status IN ('paid', 'refunded') AND NOT (amount < 0.02)"
    source = days.settings.source.model_copy(update={"where": where})
    days.settings = days.settings.model_copy(update={"source": source})
    days.create(1)
    days.export(0)
    assert days.one() == ("equal", "")
    days.database.execute("UPDATE purchases SET status = 'lost' WHERE id = 5")
    assert days.one() == ("changed", "1 row fewer")
