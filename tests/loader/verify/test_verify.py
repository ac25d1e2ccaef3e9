"""verify finds every disagreement between bucket, ledger and target, names it, and writes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import google_crc32c
import pyarrow as pa
import pytest

from staging.errors import InputError
from tests.loader.runs import LoaderRun, revenue
from tests.loader.target_fixtures import LoaderTarget
from tests.shop.hand_made_export import flip_bits, parquet_of

pytestmark = pytest.mark.integration

Make = Callable[..., LoaderRun]
NAMES = ["ledger", "documents", "conservation", "settings", "shards", "quarantine", "parts", "target"]
SHARD = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("purchased_at", pa.timestamp("us"), nullable=False),
        pa.field("amount", pa.decimal128(28, 2)),
    ]
)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Runs whose shards are there: one purchase for each row of the output."""
    folder = tmp_path / "staging"
    folder.mkdir()

    def new(rows: Any = None, **options: Any) -> LoaderRun:
        run = LoaderRun(folder, revenue(range(40)) if rows is None else rows, **options)
        for shard in run.manifest["shards"]:
            _write_shard(run, shard)
        return run.write()

    return new


def _write_shard(run: LoaderRun, shard: dict[str, Any]) -> None:
    assert run.window is not None
    time = run.window[0].astimezone(UTC).replace(tzinfo=None) + timedelta(hours=1)
    rows = [{"id": r["user_id"], "purchased_at": time, "amount": r["revenue"]} for r in run.rows_of(shard["shard"])]
    data = parquet_of(rows, SHARD)
    (file,) = shard["files"]
    path = run.folder / file["name"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    file |= {
        "generation": path.stat().st_mtime_ns // 1000,
        "size_bytes": len(data),
        "crc32c": google_crc32c.value(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def failed(target: LoaderTarget, run: LoaderRun) -> dict[str, str]:
    """Failed checks, by name; nothing is written."""
    before = target.state()
    found = target.verify(run)
    assert target.state() == before
    assert found.ok == all(check.ok for check in found.checks)
    return {check.name: check.why for check in found.checks if not check.ok}


def test_a_loaded_day_agrees_in_every_check(target: LoaderTarget, make: Make) -> None:
    target.init(run := make())
    target.load(run)
    found = target.verify(run)
    assert [(check.name, check.ok) for check in found.checks] == [(name, True) for name in NAMES]
    assert (found.ok, found.run_id, found.export_id) == (True, run.run_id, run.export_id)
    assert "revenue" in found.checks[-1].why
    size = sum(file["size_bytes"] for shard in run.manifest["shards"] for file in shard["files"])
    assert size > 1_000
    assert f"{size:,} bytes" in next(check.why for check in found.checks if check.name == "shards")


def test_a_day_that_was_never_loaded_does_not_agree(target: LoaderTarget, make: Make) -> None:
    target.init(run := make())
    assert "knows no load" in failed(target, run)["ledger"]


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ("UPDATE revenue SET revenue = '0.01' WHERE user_id = 3", "1 differ"),
        ("DELETE FROM revenue WHERE user_id = 3", "1 rows are missing"),
        ("INSERT INTO revenue (user_id, day, revenue, purchases) VALUES (99, '2026-11-14', '1', 1)", "1 are too many"),
        ("UPDATE revenue SET user_id = 99 WHERE user_id = 3", "1 rows are missing, 0 differ, 1 are too many"),
        ("UPDATE revenue SET purchases = NULL WHERE user_id = 3", "1 differ"),
    ],
)
def test_an_edit_of_the_target_is_found(target: LoaderTarget, make: Make, edit: str, told: str) -> None:
    target.init(run := make())
    target.load(run)
    target.execute(edit)
    assert told in failed(target, run)["target"]


def test_an_edit_that_keeps_rows_and_sums_is_found(target: LoaderTarget, make: Make) -> None:
    target.init(run := make(revenue(range(1, 4), cents=lambda user: user)))
    target.load(run)
    target.execute("UPDATE revenue SET revenue = '0.02' WHERE user_id IN (1, 3)")
    assert "2 differ" in failed(target, run)["target"]


@pytest.mark.parametrize(
    ("edit", "check", "told"),
    [
        ("fence = 9", "documents", "fence 9 and 1"),
        ("head_id = 'other'", "documents", "head other"),
        ("export_id = 'export-9'", "documents", "export export-9"),
        ("as_of = '2026-11-15 02:15:01+00:00'", "documents", "as_of"),
        ("loaded_rows = 41", "parts", "40 rows are in the parts, 41 should be"),
        ("""totals = '{"revenue": "1.00"}'""", "parts", "should be 1.00"),
        ("digest = 'abc'", "parts", "the ledger's is abc"),
        ("run_id = 'run-9999'", "documents", "no run run-9999"),
        ("pipeline = 'other'", "ledger", "other"),
        ("totals = '{'", "ledger", "can't be read"),
    ],
)
def test_an_edit_of_the_ledger_is_found(sqlite_database: str, make: Make, edit: str, check: str, told: str) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(run := make())
    target.load(run)
    target.execute(f"UPDATE penstock_ledger SET {edit}")
    assert told in failed(target, run)[check]


def _bend(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Other bytes under the very generation that the documents name."""
    stat = path.stat()
    path.write_bytes(change(path.read_bytes()))
    import os

    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("change", ["flipped", "cut", "gone"])
@pytest.mark.parametrize("what", ["shard", "part", "receipt", "manifest", "export"])
def test_damage_in_the_bucket_is_found(sqlite_database: str, make: Make, what: str, change: str) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(run := make())
    target.load(run)
    export = run.folder / run.pipeline / f"day={run.day}" / f"export={run.export_id}"
    path, check = {
        "shard": (export / "shard=00001" / "0.parquet", "shards"),
        "part": (run.path("part-00001.parquet"), "parts"),
        "receipt": (run.path("receipt-00001.json"), "documents"),
        "manifest": (export / "manifest.json", "documents"),
        "export": (run.path("export.json"), "documents"),
    }[what]
    if change == "gone":
        path.unlink()
    elif change == "cut":
        _bend(path, lambda data: data[:-9])
    elif what in ("receipt", "export"):  # no digest stands over these: they must not say anything else
        _bend(path, lambda data: data.replace(run.export_id.encode(), b"export-of-another-day"))
    else:
        _bend(path, lambda data: next(flip_bits(data, 1, seed=3)))
    assert list(failed(target, run)) == [check]


def test_a_shard_whose_digest_fits_and_whose_sum_does_not_is_found(sqlite_database: str, make: Make) -> None:
    """The exporter counted a cent too much, and everybody after it believed it."""
    target = LoaderTarget("sqlite", sqlite_database)
    run = make()
    rows = run.rows_of(0)
    run.rows = [*run.rows]
    bent = LoaderRun(
        run.folder, [{**row, "revenue": row["revenue"] + Decimal("0.01") * (row is rows[0])} for row in run.rows]
    )
    for shard, honest in zip(bent.manifest["shards"], run.manifest["shards"], strict=True):
        shard["files"] = honest["files"]
    target.init(bent.write())
    target.load(bent)
    assert "shard 0: amount does not add up" in failed(target, bent)["shards"]


def test_rows_that_were_set_aside_are_looked_at_too(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    run = make()
    data = parquet_of([{"id": 1, "purchased_at": datetime(2026, 11, 14), "amount": None}], SHARD)  # noqa: DTZ001
    name = run.receipts[0]["part"]["name"].replace("part-", "quarantine-")
    (run.folder / name).write_bytes(data)
    run.receipts[0] |= {
        "rows_quarantined": 2,
        "quarantine_reasons": {"no amount": 2},
        "quarantine": {
            "name": name,
            "generation": (run.folder / name).stat().st_mtime_ns // 1000,
            "size_bytes": len(data),
            "crc32c": google_crc32c.value(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "rows": 1,
        },
    }
    target.init(run.write())
    target.load(run)
    assert "1 rows are there, the receipts count 2" in failed(target, run)["quarantine"]


def test_a_target_that_lost_a_column_does_not_agree(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(run := make())
    target.load(run)
    target.execute("ALTER TABLE revenue DROP COLUMN purchases")
    assert "no column purchases" in failed(target, run)["parts"]


def test_a_target_that_is_gone_can_not_be_asked(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(run := make())
    target.load(run)
    target.execute("DROP TABLE revenue")
    with pytest.raises(InputError, match="no table revenue"):
        target.verify(run)


def test_the_receipt_of_a_verified_day_stays_json(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(run := make())
    target.load(run)
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    target.verify(run)
    assert {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()} == before
    assert json.loads(run.path("loaded.json").read_text())["rows"] == 40
