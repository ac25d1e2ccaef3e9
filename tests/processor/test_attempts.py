"""Attempts of a task may follow or meet each other: equal work is done once, different work is refused by name."""

from __future__ import annotations

import builtins
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from processor.task import Task
from staging.errors import InputError, IntegrityError, InterruptedRunError
from staging.folder.generations import records_of
from staging.process.cancel import Cancel
from tests.processor.runs import Runs
from tests.processor.test_contract import CONTRACT, SPLIT, answer
from tests.shop.hand_made_export import PREFIX, RUN_ID, HandMade, purchases, put_in_folder

ROWS = purchases(400, users=60)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    runs = Runs((tmp_path / "staging").as_uri(), tmp_path)
    HandMade(put_in_folder(runs.stored()), ROWS, shards=3).commit()
    return runs


def remove(runs: Runs, *names: str) -> None:
    for name in names:
        (runs.stored() / f"{PREFIX}run={RUN_ID}" / name).unlink()


def write_by_hand(runs: Runs, name: str, data: bytes) -> None:
    """Replace an object so that the store can't tell: what it knows of the name goes, too."""
    full = f"{PREFIX}run={RUN_ID}/{name}"
    shutil.rmtree(runs.stored().joinpath(*records_of(full)))
    (runs.stored() / full).write_bytes(data)


def bend_receipt(runs: Runs, number: int, **changes: Any) -> None:
    text = json.dumps({**runs.receipt(number), **changes})
    write_by_hand(runs, f"receipt-{number:05d}.json", text.encode())


def test_a_second_attempt_reads_no_shard_and_writes_nothing(runs: Runs) -> None:
    runs.process()
    before = {path: path.stat().st_mtime_ns for path in runs.stored().rglob("run=*/*")}
    for shard in runs.stored().glob("**/shard=*/0.parquet"):
        shard.unlink()
    said = runs.process(Task(0, 1, 1))
    assert [line for line in said if "was done by an earlier attempt" in line] == said[:3]
    assert before == {path: path.stat().st_mtime_ns for path in runs.stored().rglob("run=*/*")}


def test_an_attempt_goes_on_after_one_that_died_between_part_and_receipt(runs: Runs) -> None:
    runs.process()
    whole = runs.written()
    remove(runs, "receipt-00001.json", "receipt-00002.json", "part-00002.parquet")
    runs.process(Task(0, 1, 1))
    again = runs.written()
    assert {name: data for name, data in again.items() if name != "receipt-00002.json"} == {
        name: data for name, data in whole.items() if name != "receipt-00002.json"
    }  # of shard 2 only the part's generation is another


def test_a_run_of_another_id_is_another_run(runs: Runs) -> None:
    runs.process()
    made = HandMade(put_in_folder(runs.stored()), ROWS, shards=3)
    made.commit("run-0002")
    runs.process(run_id="run-0002")
    parts = [{n: d for n, d in runs.written(run).items() if n.startswith("part")} for run in (RUN_ID, "run-0002")]
    assert parts[0] == parts[1]


def test_a_transform_that_is_not_deterministic_is_found_and_both_results_are_named(runs: Runs) -> None:
    varying = CONTRACT.replace('"revenue": MONEY}', '"revenue": MONEY, "at": pl.Int64()}')
    runs.module(answer("grouped(rows).with_columns(at=pl.lit(time.time_ns()))", f"import time\n{varying}"))
    runs.process()
    first = runs.written()["part-00001.parquet"]
    remove(runs, "receipt-00001.json")
    with pytest.raises(IntegrityError) as error:
        runs.process(Task(0, 1, 1))
    told = str(error.value)
    assert "not deterministic" in told
    assert hashlib.sha256(first).hexdigest() in told
    assert told.count("SHA-256") == 1
    assert len(re.findall(r"\b[0-9a-f]{64}\b", told)) == 2
    assert runs.written()["part-00001.parquet"] == first
    assert "receipt-00001.json" not in runs.written()


def test_a_run_has_one_transform(runs: Runs) -> None:
    runs.process()
    runs.module(answer("grouped(rows)"))
    with pytest.raises(
        InputError, match=r"was processed by processor\.revenue:revenue_per_user, not by mine:transform"
    ):
        runs.process(Task(0, 1, 1))


def test_a_run_has_one_version_of_its_transform(runs: Runs) -> None:
    runs.module(answer("grouped(rows)"))
    runs.process()
    remove(runs, "receipt-00001.json", "part-00001.parquet")
    runs.module(answer("grouped(rows)") + "# better\n")
    with pytest.raises(InputError, match="was processed by another version of mine:transform") as caught:
        runs.process(Task(0, 1, 1))
    assert "penstock reprocess" in caught.value.fix
    assert "receipt-00001.json" not in runs.written()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"run_id": "run-0007"}, "of the run run-0007"),
        ({"export_id": "another"}, "of the export another"),
        ({"shard": 2}, "of shard 2"),
        ({"rows_in": 1}, "it read 1 rows of"),
        ({"format": 9}, "has format 9"),
        ({"more": 1}, "can't be read"),
        (
            {"conserved": [{"output": "revenue", "source": "amount", "shard": "1", "part": "1", "quarantine": "0"}]},
            "it sums amount to 1",
        ),
    ],
)
def test_a_receipt_that_does_not_hold_is_refused(runs: Runs, changes: dict[str, Any], named: str) -> None:
    runs.process()
    bend_receipt(runs, 1, **changes)
    with pytest.raises(IntegrityError, match=named):
        runs.process(Task(0, 1, 1))


def test_a_receipt_of_before_the_codes_digest_was_written_down_holds(runs: Runs) -> None:
    runs.module(answer("grouped(rows)"))
    runs.process()
    bend_receipt(runs, 1, code=None)
    assert any("was done by an earlier attempt" in line for line in runs.process(Task(0, 1, 1)))


def test_a_receipt_that_names_another_shards_part_is_refused(runs: Runs) -> None:
    runs.process()
    bend_receipt(runs, 1, part=runs.receipt(2)["part"])
    with pytest.raises(IntegrityError, match=r"it names .*part-00002\.parquet"):
        runs.process(Task(0, 1, 1))


def test_a_receipt_whose_quarantine_is_gone_or_another_is_refused(runs: Runs) -> None:
    runs.module(answer(SPLIT))
    runs.process()
    write_by_hand(runs, "quarantine-00001.parquet", runs.written()["quarantine-00001.parquet"][:-1])
    with pytest.raises(IntegrityError, match=r"quarantine-00001\.parquet is another object than it names"):
        runs.process(Task(0, 1, 1))
    remove(runs, "quarantine-00001.parquet")
    with pytest.raises(IntegrityError, match=r"quarantine-00001\.parquet is gone"):
        runs.process(Task(0, 1, 1))


def test_a_receipt_whose_part_is_gone_or_another_is_refused(runs: Runs) -> None:
    runs.process()
    write_by_hand(runs, "part-00001.parquet", runs.written()["part-00001.parquet"][:-1])
    with pytest.raises(IntegrityError, match="another object than it names"):
        runs.process(Task(0, 1, 1))
    remove(runs, "part-00001.parquet")
    with pytest.raises(IntegrityError, match="is gone"):
        runs.process(Task(0, 1, 1))


def test_a_task_that_is_asked_to_stop_writes_nothing(runs: Runs) -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(InterruptedRunError):
        runs.process(cancel=cancel)
    assert runs.written() == {}


def test_a_task_that_is_asked_to_stop_while_it_runs_writes_nothing(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = Cancel()
    monkeypatch.setattr(builtins, "cancel_of_this_test", cancel, raising=False)  # the way into the user's module
    stop = "def stop(frame):\n    cancel_of_this_test.set()\n    return frame\n"
    runs.module(stop + answer("grouped(rows.map_batches(stop))"))
    with pytest.raises(InterruptedRunError):
        runs.process(cancel=cancel)
    assert runs.written() == {}


def test_the_scratch_folder_holds_nothing_afterwards(runs: Runs) -> None:
    runs.process()
    assert list(runs.folder.glob("scratch-*/*")) == []
