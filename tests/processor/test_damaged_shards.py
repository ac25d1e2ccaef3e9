"""A shard or a document that is not what was exported is found before it does any harm: exit 40, nothing written."""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import google_crc32c
import polars as pl
import pyarrow as pa
import pytest

from processor.shard_files import fetch_shard, local_paths
from staging.documents.manifest import Shard
from staging.errors import InputError, IntegrityError
from staging.open_store import open_store
from tests.processor.runs import Runs
from tests.processor.test_contract import answer
from tests.shop.hand_made_export import (
    EXPORT_ID,
    PREFIX,
    SCHEMA,
    WINDOW,
    HandMade,
    Row,
    fibonacci_shard,
    flip_bits,
    parquet_of,
    purchases,
    put_in_folder,
)

ROWS = purchases(400, users=60)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs((tmp_path / "staging").as_uri(), tmp_path)


@pytest.fixture
def made(runs: Runs) -> HandMade:
    return HandMade(put_in_folder(runs.stored()), ROWS, shards=3)


def refused(runs: Runs, *named: str, kind: type[Exception] = IntegrityError) -> str:
    with pytest.raises(kind) as error:
        runs.process()
    told = str(error.value)
    assert all(part in told for part in named), told
    assert not [name for name in runs.written() if name.endswith(("00001.parquet", "00001.json"))]
    return told


def file_of(made: HandMade, shard: int) -> dict[str, Any]:
    found: dict[str, Any] = made.manifest["shards"][shard]["files"][0]
    return found


def stored(runs: Runs, made: HandMade, shard: int) -> Path:
    return runs.stored() / made.shard_name(shard)


def place_again(runs: Runs, made: HandMade, shard: int, data: bytes) -> None:
    """Write other bytes and keep the generation, as a failing disk or a careless copy would."""
    path = stored(runs, made, shard)
    times = path.stat().st_mtime_ns
    path.write_bytes(data)
    os.utime(path, ns=(times, times))


def test_every_one_of_500_flipped_bits_is_found(runs: Runs, made: HandMade, tmp_path: Path) -> None:
    made.commit()
    original = stored(runs, made, 0).read_bytes()
    shard = Shard.model_validate(made.manifest["shards"][0], strict=False)
    schema = pl.Schema(pl.read_parquet_schema(stored(runs, made, 0)))
    found = 0
    with open_store(runs.url) as store:
        for number, damaged in enumerate(flip_bits(original, 500)):
            place_again(runs, made, 0, damaged)
            folder = tmp_path / f"flip-{number}"
            folder.mkdir()
            with pytest.raises(IntegrityError):
                fetch_shard(store, shard, schema, local_paths(shard, folder))
            found += 1
            assert not list(folder.glob("*.parquet"))
    assert found == 500


def test_a_shard_cut_anywhere_or_with_a_tail_is_found(runs: Runs, made: HandMade, tmp_path: Path) -> None:
    made.commit()
    original = stored(runs, made, 0).read_bytes()
    shard = Shard.model_validate(made.manifest["shards"][0], strict=False)
    schema = pl.Schema(pl.read_parquet_schema(stored(runs, made, 0)))
    draw = random.Random(3)
    lengths = [0, 1, 4, len(original) - 1, *(draw.randrange(len(original)) for _ in range(60))]
    with open_store(runs.url) as store:
        for number, damaged in enumerate([*(original[:length] for length in lengths), original + b"\0"]):
            place_again(runs, made, 0, damaged)
            folder = tmp_path / f"cut-{number}"
            folder.mkdir()
            with pytest.raises(IntegrityError):
                fetch_shard(store, shard, schema, local_paths(shard, folder))


def test_a_shard_without_rows_may_have_no_file(runs: Runs, made: HandMade) -> None:
    made.rows = []
    for shard in made.manifest["shards"]:
        shard.update(files=[], rows=0, min_key=None, max_key=None, sums={"amount": "0.00"})
    made.manifest.update(rows=0, sums={"amount": "0.00"})
    made.commit()
    runs.process()
    assert runs.revenue() == {}


def test_a_missing_shard_is_named(runs: Runs, made: HandMade) -> None:
    made.commit()
    stored(runs, made, 1).unlink()
    assert "shard=00001/0.parquet" in refused(runs)


def test_another_generation_of_a_shard_is_refused_although_its_bytes_are_right(runs: Runs, made: HandMade) -> None:
    made.commit()
    made.put(made.shard_name(1), stored(runs, made, 1).read_bytes())
    assert "shard=00001/0.parquet" in refused(runs)


def test_two_swapped_shards_are_found(runs: Runs, made: HandMade) -> None:
    made.commit()
    one, other = stored(runs, made, 1).read_bytes(), stored(runs, made, 2).read_bytes()
    place_again(runs, made, 1, other)
    place_again(runs, made, 2, one)
    refused(runs, "shard=00001/0.parquet is not what was exported", "SHA-256")


def test_two_shards_that_the_manifest_swaps_are_found(runs: Runs, made: HandMade) -> None:
    shards = made.manifest["shards"]
    shards[1]["files"], shards[2]["files"] = shards[2]["files"], shards[1]["files"]
    made.commit()
    refused(runs, "is no file of shard 1")


def test_right_size_and_crc_but_another_digest_is_found(runs: Runs, made: HandMade) -> None:
    file_of(made, 1)["sha256"] = hashlib.sha256(b"something else").hexdigest()
    made.commit()
    refused(runs, "shard=00001/0.parquet is not what was exported", "SHA-256")


def with_shard(made: HandMade, shard: int, rows: list[Row], schema: pa.Schema = SCHEMA, **changes: Any) -> None:
    """Let the manifest name a file of other rows, with right digests: as if the exporter itself were wrong."""
    made.manifest["shards"][shard]["files"] = [
        {**made.put_shard(shard, parquet_of(rows, schema), rows=len(made.shard_rows(shard))), **changes}
    ]
    made.commit()


def less_one(made: HandMade) -> list[Row]:
    return made.shard_rows(1)[:-1]


def one_cent_more(made: HandMade) -> list[Row]:
    first, *others = made.shard_rows(1)
    return [{**first, "amount": first["amount"] + Decimal("0.01")}, *others]


def before_the_day(made: HandMade) -> list[Row]:
    first, *others = made.shard_rows(1)
    return [{**first, "purchased_at": WINDOW[0] - timedelta(microseconds=1)}, *others]


def after_the_day(made: HandMade) -> list[Row]:
    first, *others = made.shard_rows(1)
    return [{**first, "purchased_at": WINDOW[1]}, *others]


def of_another_shard(made: HandMade) -> list[Row]:
    first, *others = made.shard_rows(1)
    key = next(key for key in range(1000, 2000) if fibonacci_shard(key, 3) == 2)
    return [{**first, "user_id": key}, *others]


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        (less_one, ["shard=00001/0.parquet is unlike its manifest", "rows; the manifest says"]),
        (one_cent_more, ["Shard 1 is not what its manifest says", "amount sums to", "instead of"]),
        (before_the_day, ["Shard 1 is not what its manifest says", "1 rows have a purchased_at outside the day"]),
        (after_the_day, ["Shard 1 is not what its manifest says", "1 rows have a purchased_at outside the day"]),
        (of_another_shard, ["Shard 1 is not what its manifest says", "1 rows have a key of another shard"]),
    ],
)
def test_a_shard_that_is_not_what_its_manifest_says_is_to_blame_and_not_the_transform(
    runs: Runs, made: HandMade, rows: Callable[[HandMade], list[Row]], named: list[str]
) -> None:
    with_shard(made, 1, rows(made))
    refused(runs, *named)


@pytest.mark.parametrize("rows", [one_cent_more, before_the_day])
def test_a_transform_that_fails_over_such_a_shard_is_not_to_blame_either(
    runs: Runs, made: HandMade, rows: Callable[[HandMade], list[Row]]
) -> None:
    runs.module(answer("grouped(rows.map_batches(lambda frame: frame if not frame.height else 1 / 0))"))
    with_shard(made, 1, rows(made))
    for shard in (0, 2):  # it would fail over these two as well
        made.manifest["shards"][shard].update(files=[], rows=0, sums={"amount": "0.00"}, min_key=None, max_key=None)
    made.manifest.update(rows=len(made.shard_rows(1)), sums={"amount": made.manifest["shards"][1]["sums"]["amount"]})
    made.commit()
    refused(runs, "Shard 1 is not what its manifest says")


def test_a_row_without_key_time_or_amount_is_found(runs: Runs, made: HandMade) -> None:
    nullable = pa.schema([field.with_nullable(True) for field in SCHEMA])
    for column in ("user_id", "purchased_at", "amount"):
        first, *others = made.shard_rows(1)
        with_shard(made, 1, [{**first, column: None}, *others], nullable)
        refused(runs, f"1 rows have no {column}")


@pytest.mark.parametrize("column", ["user_id", "purchased_at"])
def test_a_row_without_key_or_time_is_found_whatever_the_catalogue_allows(
    runs: Runs, made: HandMade, column: str
) -> None:
    nullable = pa.schema([field.with_nullable(True) for field in SCHEMA])
    columns = made.manifest["columns"]
    for each in columns:
        each["nullable"] = True
    text = json.dumps([[each["name"], each["dtype"], each["nullable"]] for each in columns])
    made.manifest["schema_fingerprint"] = hashlib.sha256(text.encode()).hexdigest()
    first, *others = made.shard_rows(1)
    with_shard(made, 1, [{**first, column: None}, *others], nullable)
    refused(runs, f"1 rows have no {column}")


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(SCHEMA.append(pa.field("more", pa.int64())), id="a column more"),
        pytest.param(SCHEMA.remove(2), id="a column less"),
        pytest.param(SCHEMA.set(0, pa.field("user_id", pa.string())), id="text for integers"),
        pytest.param(SCHEMA.set(0, pa.field("user_id", pa.int32())), id="narrower integers"),
        pytest.param(SCHEMA.set(2, pa.field("amount", pa.decimal128(14, 4))), id="another scale"),
        pytest.param(SCHEMA.set(1, pa.field("purchased_at", pa.timestamp("us"))), id="no time zone"),
        pytest.param(pa.schema([SCHEMA.field(i) for i in (1, 0, 2)]), id="another order"),
    ],
)
def test_another_schema_than_the_manifests_is_refused_naming_both(
    runs: Runs, made: HandMade, schema: pa.Schema
) -> None:
    def value(name: str, row: Row) -> Any:
        return 1 if name == "more" else str(row[name]) if schema.field(name).type == pa.string() else row[name]

    rows: list[Row] = [{name: value(name, row) for name in schema.names} for row in made.shard_rows(1)]
    with_shard(made, 1, rows, schema)
    refused(runs, "is unlike its manifest", "user_id Int64, purchased_at Datetime(us, UTC), amount Decimal(12, 2)")


def test_what_is_no_parquet_file_is_refused(runs: Runs, made: HandMade) -> None:
    for data in (b"", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1", b"hello\n" * 50):
        made.manifest["shards"][1]["files"] = [made.put_shard(1, data)]
        made.commit()
        refused(runs, "shard=00001/0.parquet is unlike its manifest", "no Parquet file")


def test_a_file_of_more_rows_than_the_manifest_says_is_not_unpacked(runs: Runs, made: HandMade) -> None:
    # 30 million equal rows take some kilobytes; unpacked they would be a gigabyte.
    many = pl.select(
        user_id=pl.repeat(0, 30_000_000, dtype=pl.Int64),
        purchased_at=pl.lit(WINDOW[0]).dt.cast_time_unit("us"),
        amount=pl.lit("0").cast(pl.Decimal(12, 2)),
    )
    path = runs.folder / "bomb.parquet"
    many.lazy().sink_parquet(path, compression="zstd")
    data = path.read_bytes()
    made.manifest["shards"][1]["files"] = [made.put_shard(1, data)]
    made.commit()
    refused(runs, "is unlike its manifest", "30000000 rows; the manifest says")


def documents(made: HandMade) -> bytes:
    return json.dumps(made.manifest).encode()


@pytest.mark.parametrize(
    ("bend", "named"),
    [
        (lambda m: m.update(format=2), ["has format 2", "newer Penstock"]),
        (lambda m: m.update(format="1"), ["manifest.json can't be read"]),
        (lambda m: m.pop("format"), ["no format version"]),
        (lambda m: m.update(extra=1), ["manifest.json can't be read", "extra"]),
        (lambda m: m.update(rows=1), ["contradicts itself", f"{len(ROWS)} rows together, not 1"]),
        (lambda m: m.update(rows=-1), ["can't be read"]),
        (lambda m: m.update(pipeline="other"), ["contradicts itself", "it is of other"]),
        (lambda m: m.update(day="2026-11-13"), ["contradicts itself", "2026-11-13"]),
        (lambda m: m.update(export_id="another-one"), ["contradicts itself", "another-one"]),
        (lambda m: m.update(window_end=m["window_start"]), ["window ends before it starts"]),
        (lambda m: m.update(shard_function="xxh64"), ["xxh64 is not the shard function of user_id"]),
        (lambda m: m.update(sums={"amount": "1.00"}), ["sums of amount don't add up to 1.00"]),
        (lambda m: m.update(sums={}), ["other control sums"]),
        (lambda m: m["shards"].pop(), [f"rows together, not {len(ROWS)}"]),
        (lambda m: m["shards"].reverse(), ["not numbered 0, 1, 2"]),
        (lambda m: m["shards"].append(m["shards"][0]), ["not numbered 0, 1, 2"]),
        (lambda m: m["columns"].pop(), ["another fingerprint"]),
        (lambda m: m["columns"][2].update(dtype="Decimal(99, 2)"), ["no column type 'Decimal(99, 2)'"]),
        (lambda m: m["columns"].reverse(), ["first columns are not key and time"]),
        (
            lambda m: m["shards"][1]["files"][0].update(name=f"{PREFIX}export={EXPORT_ID}/shard=00001/../x"),
            ["no file of"],
        ),
        (lambda m: m["shards"][1]["files"][0].update(rows=1), ["other rows than the shard"]),
        (lambda m: m["shards"][1]["sums"].update(amount="0.001"), ["don't add up"]),
    ],
)
def test_a_manifest_that_can_not_be_is_refused(
    runs: Runs, made: HandMade, bend: Callable[[dict[str, Any]], Any], named: list[str]
) -> None:
    bend(made.manifest)
    made.commit()
    refused(runs, *named)
    assert runs.written() == {}


def test_a_manifest_cut_anywhere_is_refused(runs: Runs, made: HandMade) -> None:
    text = json.dumps(made.manifest).encode()
    for length in [0, 1, len(text) // 2, len(text) - 1]:
        made.commit(text=text[:length])
        refused(runs, "manifest.json")


def test_another_manifest_than_the_runs_is_refused(runs: Runs, made: HandMade) -> None:
    made.commit()
    path = runs.stored() / f"{PREFIX}export={EXPORT_ID}/manifest.json"
    made.put(f"{PREFIX}export={EXPORT_ID}/manifest.json", path.read_bytes())
    refused(runs, "manifest.json")
    generation = path.stat().st_mtime_ns // 1000
    made.use("run-0001", manifest_generation=generation, manifest_sha256="0" * 64)
    refused(runs, "not the manifest that this run uses", "0" * 64)


def test_a_run_without_export_is_told_what_to_do(runs: Runs, made: HandMade) -> None:
    with pytest.raises(InputError, match="uses no export yet"):
        runs.process(run_id="run-9999")


def test_an_export_of_another_run_is_refused(runs: Runs, made: HandMade) -> None:
    made.commit()
    made.use("run-0001", run_id="run-0002")
    refused(runs, "export.json is of another run")


def test_crc32c_of_the_store_and_of_the_manifest_are_compared(runs: Runs, made: HandMade) -> None:
    file_of(made, 1)["crc32c"] = google_crc32c.value(b"something else")
    made.commit()
    refused(runs, "CRC32C")
