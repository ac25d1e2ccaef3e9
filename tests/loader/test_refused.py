"""What a load refuses by the ledger or by the run's own documents: message, exit code, nothing touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loader.sqlite.database import SqliteDatabase
from staging.errors import ExitCode, HeldError, InputError, IntegrityError, PenstockError
from tests.loader.runs import OUTPUT, LoaderRun, Make, revenue, unwritten_runs
from tests.loader.target_fixtures import LoaderTarget
from tests.shop.hand_made_export import flip_bits

pytestmark = pytest.mark.integration

Bend = Callable[[LoaderRun], None]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return unwritten_runs(tmp_path)


def refused(target: LoaderTarget, run: LoaderRun, error: type[PenstockError], *words: str, **options: Any) -> None:
    """The load fails so, says these words, and touches nothing."""
    before = target.state()
    with pytest.raises(error) as caught:
        target.load(run, **options)
    assert type(caught.value) in (error, *error.__subclasses__())
    for word in words:
        assert word in str(caught.value)
    assert caught.value.fix
    assert target.state() == before


# --- by the ledger of a database; what every target refuses is in tests/conformance/target ---------------------------


def test_a_lost_ledger_row_lets_the_run_load_again(target: LoaderTarget, make: Make) -> None:
    target.init(run := make().write())
    target.load(run)
    target.execute("DELETE FROM penstock_ledger")
    outcome = target.load(run)
    assert not outcome.already
    assert (outcome.loaded.inserted, outcome.loaded.updated, outcome.loaded.deleted) == (0, 0, 0)


# --- by the run's documents: the database makes no difference ---------------------------------------------------------


def _lose_receipt(run: LoaderRun) -> None:
    run.path("receipt-00001.json").unlink()


def _lose_part(run: LoaderRun) -> None:
    run.path("part-00001.parquet").unlink()


def _add_receipt(run: LoaderRun) -> None:
    run.path("receipt-00003.json").write_bytes(run.path("receipt-00002.json").read_bytes())


def _swap_receipts(run: LoaderRun) -> None:
    first, second = run.path("receipt-00000.json"), run.path("receipt-00001.json")
    texts = first.read_bytes(), second.read_bytes()
    second.write_bytes(texts[0])
    first.write_bytes(texts[1])


def _receipt(**changes: Any) -> Bend:
    def bend(run: LoaderRun) -> None:
        path = run.path("receipt-00001.json")
        document = json.loads(path.read_text())
        for key, value in changes.items():
            place, (*inner, last) = document, key.split("__")
            for step in inner:
                place = place[int(step) if step.isdigit() else step]
            place[last] = value
        path.write_text(json.dumps(document))

    return bend


def _cut_receipt(run: LoaderRun) -> None:
    path = run.path("receipt-00001.json")
    path.write_bytes(path.read_bytes()[:-40])


def _replace_part(data: Callable[[bytes], bytes]) -> Bend:
    """Other bytes, and the receipt follows the new generation but not the bytes: as damage would look."""

    def bend(run: LoaderRun) -> None:
        path = run.path("part-00001.parquet")
        path.write_bytes(data(path.read_bytes()))
        _receipt(part__generation=path.stat().st_mtime_ns // 1000)(run)

    return bend


DOCUMENTS: dict[str, tuple[Bend, type[PenstockError], str]] = {
    "a shard without a receipt": (_lose_receipt, IntegrityError, "no receipt: 1"),
    "a receipt of a shard that does not exist": (_add_receipt, IntegrityError, "shard 3"),
    "two receipts swapped": (_swap_receipts, IntegrityError, "receipt-00000.json is of"),
    "a receipt of another run": (_receipt(run_id="run-0099"), IntegrityError, "run-0099"),
    "a receipt of another export": (_receipt(export_id="export-0099"), IntegrityError, "export-0099"),
    "a receipt of another part": (_receipt(part__name="else/where.parquet"), IntegrityError, "names the part"),
    "a receipt that is cut": (_cut_receipt, IntegrityError, "can't be read"),
    "a receipt of a newer version": (_receipt(format=2), IntegrityError, "format 2"),
    "a receipt with an unknown key": (_receipt(surprise=1), IntegrityError, "surprise"),
    "a receipt that counts other rows in": (_receipt(rows_in=11), IntegrityError, "shard 1"),
    "a receipt that counts other rows out": (_receipt(rows_out=11), IntegrityError, "counts 11 rows"),
    "a receipt of another transform": (_receipt(transform="a.b:c"), IntegrityError, "another transform"),
    "a receipt of another key": (_receipt(key="revenue"), IntegrityError, "key"),
    "a cent off between shard and receipt": (
        _receipt(conserved__0__shard="1.00", conserved__0__part="1.00"),
        IntegrityError,
        "amount adds up to",
    ),
    "a cent off between receipt and part": (_receipt(conserved__0__part="0.01"), IntegrityError, "became 0.01"),
    "a cent hidden in quarantine": (_receipt(conserved__0__quarantine="0.01"), IntegrityError, "0.01 in quarantine"),
    "a part that is gone": (_lose_part, IntegrityError, "part-00001.parquet"),
    "a part with a flipped bit": (_replace_part(lambda data: next(flip_bits(data, 1))), IntegrityError, "not what was"),
    "a part that is cut": (_replace_part(lambda data: data[:-1]), IntegrityError, "not what was written"),
    "a part that is empty": (_replace_part(lambda _: b""), IntegrityError, "not what was written"),
    "a part of another generation": (_receipt(part__generation=1), IntegrityError, "eneration 1"),
    "no such run": (lambda run: run.path("run.json").unlink(), InputError, "There is no run"),
    "a run without an export": (lambda run: run.path("export.json").unlink(), InputError, "no export yet"),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_documents_that_do_not_fit_are_refused_before_the_target_changes(
    sqlite_database: str, make: Make, case: str
) -> None:
    bend, error, words = DOCUMENTS[case]
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(good := make().write())
    target.load(good)
    run = make(2, rows=revenue(range(60))).write()
    bend(run)
    refused(target, run, error, words)


def test_a_key_in_two_parts_is_caught_by_the_database(target: LoaderTarget, make: Make) -> None:
    rows = revenue([*range(10), 3])
    target.init(good := make().write())
    target.load(good)
    refused(target, make(2, rows=rows).write(), IntegrityError)


def test_a_run_that_may_not_load_is_told_so_before_its_parts_are_read(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(newer := make(2).write())
    target.load(newer)
    older = make(1).write()
    _lose_part(older)
    refused(target, older, HeldError)


def test_a_part_with_other_columns_than_its_receipt_is_caught(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(good := make().write())
    target.load(good)
    run = make(2)
    run.receipts = {
        shard: {**receipt, "output_columns": {**receipt["output_columns"], "purchases": "Int32"}}
        for shard, receipt in run.receipts.items()
    }
    refused(target, run.write(), IntegrityError, "other columns than its receipt", "Int64")


def test_a_null_key_is_caught(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(good := make().write())
    target.load(good)
    run = make(
        2,
        rows=[*revenue(range(5)), {"user_id": None, "revenue": None, "purchases": 0}],
        schema=OUTPUT.set(0, OUTPUT.field(0).with_nullable(True)),
    )
    refused(target, run.write(), IntegrityError, "rows without a key")


def test_the_exit_codes_are_those_of_the_errors() -> None:
    assert [error.exit_code for error in (InputError, HeldError, IntegrityError)] == [
        ExitCode.INPUT,
        ExitCode.HELD,
        ExitCode.INTEGRITY,
    ]


def test_a_row_that_a_staging_table_lost_is_found_before_the_target_is_touched(
    sqlite_database: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No database is known to do so: a faulty one is put in its place."""
    kept = SqliteDatabase.append_staged
    monkeypatch.setattr(
        SqliteDatabase, "append_staged", lambda self, staged, rows, text: kept(self, staged, rows[1:], text)
    )
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(run := make().write())
    refused(target, run, IntegrityError, "does not hold what was staged", "27 rows")
