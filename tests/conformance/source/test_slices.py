"""A day that is read in slices, on each server: as it is in a snapshot, and what the seal sees and what it lets be."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import get_args

import pytest

from exporter.port.sliced_source import StartOverError
from staging.config.pipeline import Pipeline
from staging.errors import IntegrityError, LeftForLaterError, UnavailableError
from tests.conformance.source.sliced_shop import AMOUNT, ROWS, Change, SlicedShop
from tests.exporter.days import Export, committed, run_export
from tests.exporter.sliced_reads import After, Between, rows_by_shard

pytestmark = pytest.mark.integration

_IN_THE_DAY = "purchased_at >= '2026-11-13 23:00' AND purchased_at < '2026-11-14 23:00'"
_INSERT = "INSERT INTO purchases (user_id, purchased_at, amount) VALUES"


def _check_as_there(export: Export, shop: SlicedShop) -> None:
    ((rows, amount),) = shop.do(f"SELECT count(*), sum(amount) FROM purchases WHERE {_IN_THE_DAY}")
    assert (export.manifest["rows"], Decimal(export.manifest["sums"]["amount"])) == (rows, amount)


def test_slices_and_a_snapshot_give_the_same_rows_by_shard(sliced_shop: SlicedShop, tmp_path: Path) -> None:
    slices = run_export(sliced_shop.settings(tmp_path / "slices"))
    snapshot = run_export(sliced_shop.settings(tmp_path / "snapshot", read="snapshot"))
    assert slices.manifest["reading"]["mode"] == "slices"
    assert snapshot.manifest["reading"]["mode"] == "snapshot"
    assert rows_by_shard(slices) == rows_by_shard(snapshot)
    assert slices.manifest["sums"] == snapshot.manifest["sums"] == {"amount": AMOUNT}


def test_an_empty_day_is_sealed(sliced_shop: SlicedShop, tmp_path: Path) -> None:
    assert run_export(sliced_shop.settings(tmp_path), day=date(2026, 11, 1)).manifest["rows"] == 0


# --- what others write meanwhile -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "writes",
    [
        [f"{_INSERT} (1, '2026-11-13 23:00:01', 5)"],
        ["DELETE FROM purchases WHERE id = 1"],
        ["UPDATE purchases SET amount = amount + 1 WHERE id = 1"],
        ["UPDATE purchases SET purchased_at = '2026-11-14 19:00' WHERE id = 1"],
        ["UPDATE purchases SET purchased_at = '2026-11-15 19:00' WHERE id = 1"],
        ["UPDATE purchases SET amount = CASE id WHEN 5 THEN 0.05 ELSE 0.04 END WHERE id IN (5, 6)"],
        ["UPDATE purchases SET note = NULL WHERE id = 2"],
        ["UPDATE purchases SET user_id = 1 - user_id WHERE id IN (1, 2)"],
        [
            (
                "INSERT INTO purchases (user_id, purchased_at, amount) "
                "SELECT user_id, purchased_at, amount FROM purchases WHERE id = 1"
            ),
            "DELETE FROM purchases WHERE id = 1",
        ],
    ],
    ids=["more", "less", "amount", "time", "day", "amounts exchanged", "null for empty", "users exchanged", "new id"],
)
def test_a_write_during_the_read_makes_it_start_over(
    sliced_shop: SlicedShop, tmp_path: Path, writes: list[str]
) -> None:
    between = Between(-1, lambda: [sliced_shop.do(write) for write in writes])
    export = run_export(sliced_shop.settings(tmp_path), opener=between)
    assert between.begun == 2
    _check_as_there(export, sliced_shop)


def test_a_day_that_changes_during_each_read_is_given_up_after_three(sliced_shop: SlicedShop, tmp_path: Path) -> None:
    change = "UPDATE purchases SET amount = amount + 1 WHERE id < 4"
    between = Between(-1, lambda: sliced_shop.do(change), reads=99)
    with pytest.raises(StartOverError, match=r"at least \d+ rows? differ") as caught:
        run_export(sliced_shop.settings(tmp_path), opener=between)
    assert between.begun == 3
    assert caught.value.exit_code == 20
    assert "snapshot" in caught.value.fix
    assert committed(tmp_path) == []


def test_a_day_that_may_be_read_once_is_left_for_later_when_it_changes_meanwhile(
    sliced_shop: SlicedShop, tmp_path: Path
) -> None:
    change = "UPDATE purchases SET amount = amount + 1 WHERE id < 4"
    between = Between(-1, lambda: sliced_shop.do(change), reads=99)
    with pytest.raises(LeftForLaterError, match=r"at least \d+ rows? differ"):
        run_export(sliced_shop.settings(tmp_path), opener=between, most_reads=1)
    assert between.begun == 1
    assert committed(tmp_path) == []


def test_an_insert_from_before_the_read_that_commits_late_is_in_the_export(
    sliced_shop: SlicedShop, tmp_path: Path
) -> None:
    """Its number is below that of everything that begins later, and yet not below the seal's horizon."""
    with sliced_shop.session() as late:
        late("BEGIN")
        late(f"{_INSERT} (7, '2026-11-13 23:00:00.5', 1000000)")
        sliced_shop.do(f"{_INSERT} (8, '2027-01-01', 1)")
        between = Between(-1, lambda: late("COMMIT"))
        export = run_export(sliced_shop.settings(tmp_path), opener=between)
    assert between.begun == 2
    assert export.manifest["rows"] == ROWS + 1


def test_what_leaves_the_days_rows_alone_is_no_alarm(sliced_shop: SlicedShop, tmp_path: Path) -> None:
    sliced_shop.do(f"{_INSERT} (1, '2026-11-16', 1)")

    def lock_rows() -> None:
        with sliced_shop.session() as other:
            other("BEGIN")
            other("SELECT * FROM purchases WHERE id < 100 FOR UPDATE")
            other("COMMIT")

    statements = [
        sliced_shop.analyze,
        "CREATE INDEX by_user ON purchases (user_id)",
        f"{_INSERT} (1, '2026-11-20', 1)",
        "UPDATE purchases SET amount = 0 WHERE purchased_at >= '2026-11-15'",
        "CREATE TABLE other AS SELECT * FROM purchases",
        *sliced_shop.harmless,
    ]
    # Each by itself, so that a false alarm names what made it.
    works: list[Callable[[], object]] = [lock_rows, *(partial(sliced_shop.do, sql) for sql in statements)]
    for number, work in enumerate(works):
        between = Between(2, work)
        manifest = run_export(sliced_shop.settings(tmp_path / str(number)), opener=between).manifest
        assert (manifest["rows"], between.begun) == (ROWS, 1), ["FOR UPDATE", *statements][number]


# --- what others do to the table itself ------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", ["more int", "more int NOT NULL DEFAULT 7"])
@pytest.mark.parametrize("at", [0, 2, -1])
def test_a_column_that_is_added_without_a_copy_of_the_table_makes_it_start_over(
    sliced_shop: SlicedShop, tmp_path: Path, declared: str, at: int
) -> None:
    between = Between(at, lambda: sliced_shop.add_column(declared))
    manifest = run_export(sliced_shop.settings(tmp_path), opener=between).manifest
    assert (manifest["rows"], between.begun) == (ROWS, 2)
    assert "more" not in [column["name"] for column in manifest["columns"]]


@pytest.mark.parametrize("change", get_args(Change))
@pytest.mark.parametrize("at", [2, -1])
def test_a_table_that_is_changed_during_the_read_is_an_error_of_its_own(
    sliced_shop: SlicedShop, tmp_path: Path, change: Change, at: int
) -> None:
    ddl, says = sliced_shop.changes[change]
    with pytest.raises(IntegrityError, match="was changed while it was read") as caught:
        run_export(sliced_shop.settings(tmp_path), opener=Between(at, lambda: sliced_shop.do(ddl)))
    assert says in caught.value.why
    assert committed(tmp_path) == []


@pytest.mark.parametrize("method", ["describe", "estimate", "plan_axis", "begin_seal"])
def test_digits_that_a_column_gets_after_it_was_described_are_never_cut(
    sliced_shop: SlicedShop, tmp_path: Path, method: str
) -> None:
    def alter() -> None:
        sliced_shop.widen_amount()
        sliced_shop.do("UPDATE purchases SET amount = amount + 0.0049")

    with pytest.raises(IntegrityError, match="was changed while it was read") as caught:
        run_export(sliced_shop.settings(tmp_path), opener=After(method, alter))
    assert "columns" in caught.value.why
    assert committed(tmp_path) == []


# --- conditions ------------------------------------------------------------------------------------------------------


def test_a_condition_that_asks_for_more_than_its_row_is_sealed_where_it_chose_the_same_rows(
    sliced_shop: SlicedShop, tmp_path: Path
) -> None:
    for number, where in enumerate(sliced_shop.questions):
        manifest = run_export(sliced_shop.settings(tmp_path / str(number), where=where)).manifest
        assert (manifest["rows"], manifest["reading"]["mode"]) == (ROWS, "slices"), where


def test_a_condition_that_chose_others_than_at_the_seal_makes_the_read_start_over(
    sliced_shop: SlicedShop, tmp_path: Path
) -> None:
    """A table that is asked besides holds as many rows all the time, and as many of the day are chosen."""
    sliced_shop.do("CREATE TABLE chosen AS SELECT id FROM purchases WHERE id <= 500")
    between = Between(4, lambda: sliced_shop.do("UPDATE chosen SET id = 2001 - id"))
    export = run_export(sliced_shop.settings(tmp_path, where="id IN (SELECT id FROM chosen)"), opener=between)
    assert between.begun == 2
    assert export.manifest["sums"] == {"amount": str(sum(Decimal(n) / 100 for n in range(1500, ROWS)))}


def test_a_condition_that_is_chance_is_never_sealed(sliced_shop: SlicedShop, tmp_path: Path) -> None:
    with pytest.raises(StartOverError):
        run_export(sliced_shop.settings(tmp_path, where=f"{sliced_shop.random} < 0.5"))
    assert committed(tmp_path) == []


def test_a_condition_on_the_row_alone_is_sealed(sliced_shop: SlicedShop, tmp_path: Path) -> None:
    where = "user_id < 50 AND lower(coalesce(note, '')) <> 'select now()'"
    ((rows,),) = sliced_shop.do(f"SELECT count(*) FROM purchases WHERE {where}")
    between = Between(99, lambda: None)
    assert run_export(sliced_shop.settings(tmp_path, where=where), opener=between).manifest["rows"] == rows
    assert between.begun == 1


# --- the day is over -------------------------------------------------------------------------------------------------


def _yesterday() -> date:
    return datetime.now(UTC).date() - timedelta(days=1)


def _in_utc(shop: SlicedShop, folder: Path, grace_seconds: int) -> Pipeline:
    made = shop.settings(folder, grace_seconds=grace_seconds)
    return made.model_copy(update={"source": made.source.model_copy(update={"timezone": "UTC"})})


def _export(settings: Pipeline, day: date) -> Export:
    return run_export(settings, day=day, now=datetime.now(UTC) + timedelta(days=2))


def _grace_until_a_second_ago() -> int:
    midnight = datetime.combine(datetime.now(UTC).date(), datetime.min.time(), UTC)
    return int((datetime.now(UTC) - midnight).total_seconds()) - 1


def test_a_transaction_from_before_the_days_end_keeps_it_from_being_read(
    sliced_shop: SlicedShop, tmp_path: Path
) -> None:
    """The grace is chosen so that the day counts as over just after that transaction began."""
    with sliced_shop.session() as old:
        old("BEGIN")
        old("SELECT * FROM purchases LIMIT 1")
        time.sleep(sliced_shop.settle_seconds)
        settings = _in_utc(sliced_shop, tmp_path, _grace_until_a_second_ago())
        with pytest.raises(UnavailableError, match="not over") as caught:
            _export(settings, _yesterday())
        assert "still open" in caught.value.why
    _export(settings, _yesterday())


def test_a_prepared_transaction_keeps_the_day_from_being_read(sliced_shop: SlicedShop, tmp_path: Path) -> None:
    with sliced_shop.prepared("waits"):
        time.sleep(sliced_shop.settle_seconds)
        settings = _in_utc(sliced_shop, tmp_path, _grace_until_a_second_ago())
        with pytest.raises(UnavailableError, match="not over"):
            _export(settings, _yesterday())
    _export(settings, _yesterday())


def test_a_prepared_transaction_has_no_known_beginning(sliced_shop: SlicedShop, tmp_path: Path) -> None:
    """It was prepared long after the day and its grace; nobody knows when it began."""
    with sliced_shop.prepared("since when?"):
        with pytest.raises(UnavailableError, match="not over") as caught:
            run_export(sliced_shop.settings(tmp_path))
        assert "'since when?'" in caught.value.why
    assert run_export(sliced_shop.settings(tmp_path)).manifest["rows"] == ROWS


def test_a_day_that_is_not_over_by_the_databases_clock_is_refused(sliced_shop: SlicedShop, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="not over") as caught:
        _export(_in_utc(sliced_shop, tmp_path, 0), datetime.now(UTC).date())
    assert "clock says" in caught.value.why
