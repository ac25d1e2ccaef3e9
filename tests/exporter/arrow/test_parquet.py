"""Parquet in a folder or a bucket is a source: exact, by the generation that was listed, or refused by name."""

# ruff: noqa: DTZ001 - wall-clock times on purpose

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import storage

from exporter.arrow.parquet import SourceChangedError, open_parquet
from exporter.arrow.pattern import parse_pattern
from exporter.inspect.describe import describe_source
from staging.config.pipeline import Pipeline
from staging.errors import InputError, PenstockError
from tests.exporter.days import DAY, NOW, Export, committed, run_export

pytestmark = pytest.mark.integration

START = datetime(2026, 11, 13, 23, tzinfo=UTC)  # of the 14th in Berlin
MONEY = pa.decimal128(12, 2)


def pipeline(pattern: str, folder: Path, *, export: dict[str, Any] | None = None, **source: Any) -> Pipeline:
    section = {
        "parquet": pattern,
        "key": "user_id",
        "time": "purchased_at",
        "columns": ["amount"],
        "timezone": "Europe/Berlin",
    }
    return Pipeline.model_validate(
        {
            "name": "daily_revenue",
            "source": section | source,
            "staging": {"url": f"file://{folder / 'staging'}"},
            "export": export or {"shards": 3},
            "target": {"url": "sqlite:///target.db", "table": "revenue"},
        }
    )


def purchases(first: int, rows: int, **columns: Any) -> pa.Table:
    """Rows around the day: one every hour from a day before its start, so that 24 of 72 lie in it."""
    times = [START + timedelta(hours=(first + i) % 72 - 24) for i in range(rows)]
    made = {
        "note": pa.array(["not carried"] * rows),
        "amount": pa.array([Decimal(first + i) / 100 for i in range(rows)], MONEY),
        "user_id": pa.array([(first + i) % 17 - 5 for i in range(rows)], pa.int32()),
        "purchased_at": pa.array(times, pa.timestamp("us", "UTC")),
    }
    return pa.table(made | columns)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    folder = tmp_path / "lake"
    folder.mkdir()
    return folder


def pattern_of(lake: Path, name: str = "*.parquet") -> str:
    return f"file://{lake}/{name}"


def day_rows(*tables: pa.Table) -> Counter[tuple[int, Decimal]]:
    rows = [row for table in tables for row in table.to_pylist()]
    inside = [row for row in rows if START <= row["purchased_at"] < START + timedelta(hours=24)]
    return Counter((row["user_id"], row["amount"]) for row in inside)


def exported(export: Export) -> Counter[tuple[int, Decimal]]:
    return Counter((row["user_id"], row["amount"]) for row in export.rows())


def test_the_manifest_registers_exactly_what_was_listed(lake: Path, tmp_path: Path) -> None:
    for number in range(3):
        pq.write_table(purchases(number, 10), lake / f"{number}.parquet")
    (lake / "2.csv").write_text("not meant")
    source = run_export(pipeline(pattern_of(lake), tmp_path)).manifest["source"]
    assert source["dialect"] == "parquet"
    assert [(found["url"], found["size_bytes"]) for found in source["objects"]] == [
        (f"file://{lake}/{number}.parquet", (lake / f"{number}.parquet").stat().st_size) for number in range(3)
    ]
    assert source["evidence"]["rows_outside_window"] == "30"


def test_files_in_a_bucket_are_read_by_generation(gcs_bucket: str, tmp_path: Path) -> None:
    client = storage.Client.create_anonymous_client()
    bucket = client.bucket(gcs_bucket.removeprefix("gs://"))

    def upload(name: str, table: pa.Table) -> int:
        pq.write_table(table, tmp_path / "upload.parquet")
        blob = bucket.blob(f"lake/{name}")
        blob.upload_from_filename(tmp_path / "upload.parquet")
        return int(blob.generation)

    tables = [purchases(0, 40), purchases(40, 40)]
    generations = [upload(f"day={DAY}/{number}.parquet", table) for number, table in enumerate(tables)]
    upload("day=2026-11-13/0.parquet", purchases(80, 40))
    client.close()
    export = run_export(pipeline(f"{gcs_bucket}/lake/day={{day}}/*.parquet", tmp_path))
    assert exported(export) == day_rows(*tables)
    assert [found["generation"] for found in export.manifest["source"]["objects"]] == generations


@pytest.mark.parametrize("change", ["replaced", "replaced with its time kept", "deleted"])
def test_a_file_that_changes_after_it_was_listed_ends_the_read(lake: Path, change: str) -> None:
    for number in range(2):
        pq.write_table(purchases(number, 10), lake / f"{number}.parquet")
    with open_parquet(pattern_of(lake), DAY, lambda: NOW) as rows:
        batches = rows.batches(("user_id",))
        assert next(batches).num_rows == 10
        times = (lake / "1.parquet").stat()
        (lake / "1.parquet").unlink()
        if change != "deleted":
            pq.write_table(purchases(7, 10), lake / "1.parquet")
        if change == "replaced with its time kept":
            os.utime(lake / "1.parquet", ns=(times.st_atime_ns, times.st_mtime_ns))
        with pytest.raises(SourceChangedError, match=r"1\.parquet was replaced or deleted after it was listed"):
            next(batches)


def test_what_is_written_after_the_listing_is_not_read(lake: Path) -> None:
    pq.write_table(purchases(0, 10), lake / "0.parquet")
    with open_parquet(pattern_of(lake), DAY, lambda: NOW) as rows:
        pq.write_table(purchases(0, 10), lake / "1.parquet")
        assert sum(batch.num_rows for batch in rows.batches(("user_id",))) == 10


def test_a_file_of_which_a_byte_is_lost_is_named(lake: Path, tmp_path: Path) -> None:
    pq.write_table(purchases(0, 100), lake / "0.parquet")
    whole = (lake / "0.parquet").read_bytes()
    (lake / "1.parquet").write_bytes(whole[:-1])
    with pytest.raises(InputError, match=r"1\.parquet can't be read as Parquet"):
        run_export(pipeline(pattern_of(lake), tmp_path))
    assert committed(tmp_path / "staging") == []


def test_files_that_disagree_about_a_carried_column_are_refused(lake: Path, tmp_path: Path) -> None:
    pq.write_table(purchases(0, 10), lake / "0.parquet")
    pq.write_table(purchases(0, 10, note=pa.array([1] * 10)), lake / "1.parquet")
    pq.write_table(purchases(0, 10, amount=pa.array([1] * 10)), lake / "2.parquet")
    with pytest.raises(InputError, match=r"column amount is int64 in 2\.parquet"):
        run_export(pipeline(pattern_of(lake), tmp_path))


def test_no_file_is_no_empty_day(lake: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No object matches"):
        run_export(pipeline(pattern_of(lake), tmp_path))


def test_a_file_without_rows_is_an_empty_day(lake: Path, tmp_path: Path) -> None:
    pq.write_table(purchases(0, 10).slice(0, 0), lake / "0.parquet")
    export = run_export(pipeline(pattern_of(lake), tmp_path))
    assert (export.manifest["rows"], export.manifest["sums"], export.files()) == (0, {"amount": "0.00"}, [])


VALUES = {
    "int8": (pa.array([-128, 127], pa.int8()), "Int8"),
    "uint64": (pa.array([0, 2**64 - 1], pa.uint64()), "UInt64"),
    "decimal of 38 digits": (pa.array([Decimal("9" * 38), Decimal(-1)], pa.decimal128(38, 0)), "Decimal(38, 0)"),
    "small decimal": (pa.array([Decimal("1.5"), Decimal("-0.1")], pa.decimal32(5, 1)), "Decimal(5, 1)"),
    "text": (pa.array(["", "käse\n"]), "String"),
    "dictionary": (pa.array(["a", "b"]).dictionary_encode(), "String"),
    "bytes": (pa.array([b"", b"\x00\xff"]), "Binary"),
    "fixed bytes": (pa.array([b"ab", b"cd"], pa.binary(2)), "Binary"),
    "boolean": (pa.array([True, False]), "Boolean"),
    "date": (pa.array([date(1, 1, 1), date(9999, 12, 31)]), "Date"),
    "time": (pa.array([time(0), time(23, 59, 59, 999999)], pa.time64("us")), "Time"),
    "timestamp": (pa.array([datetime(1969, 1, 1), datetime(2026, 1, 1)], pa.timestamp("ms")), "Datetime(us)"),
    "nanoseconds": (pa.array([1000, 2000], pa.timestamp("ns")), "Datetime(us)"),
    "instant": (pa.array([1, -1], pa.timestamp("us", "America/Lima")), "Datetime(us, UTC)"),
}


@pytest.mark.parametrize("kind", VALUES)
def test_every_value_of_a_carried_type_arrives_exactly(lake: Path, tmp_path: Path, kind: str) -> None:
    values, dtype = VALUES[kind]
    pq.write_table(purchases(24, 2, value=values), lake / "0.parquet")
    export = run_export(pipeline(pattern_of(lake), tmp_path, export={"shards": 1}, columns=["value"]))
    assert export.manifest["columns"][2]["dtype"] == dtype
    found = export.table()["value"].to_pylist()
    expected = values.to_pylist()
    assert found == [each.to_pydatetime() if hasattr(each, "to_pydatetime") else each for each in expected]


REFUSED = {
    "nested": (pa.array([[1], [2]]), "It is nested"),
    "float": (pa.array([1.5, 2.5]), "floating-point number"),
    "half": (pa.array([1, 2], pa.float16()), "can't be carried"),
    "76 digits": (pa.array([Decimal(1), Decimal(2)], pa.decimal256(40, 0)), "It may have 40 digits"),
    "uuid": (pa.array([b"1" * 16, b"2" * 16], pa.uuid()), "can't be carried"),
    "duration": (pa.array([1, 2], pa.duration("s")), "can't be carried"),
    "finer than a microsecond": (pa.array([1000, 2001], pa.timestamp("ns")), "finer than a microsecond"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_exact_is_refused_by_its_columns_name(lake: Path, tmp_path: Path, kind: str) -> None:
    values, reason = REFUSED[kind]
    pq.write_table(purchases(24, 2, value=values), lake / "0.parquet")
    with pytest.raises(InputError, match=r"Column value") as caught:
        run_export(pipeline(pattern_of(lake), tmp_path, columns=["value"]))
    assert reason in str(caught.value)
    assert "a view" not in caught.value.fix, "files have none"


def test_int96_timestamps_are_refused(lake: Path, tmp_path: Path) -> None:
    pq.write_table(purchases(24, 2), lake / "0.parquet", use_deprecated_int96_timestamps=True)
    with pytest.raises(InputError, match="Column purchased_at of type INT96 can't decide the day"):
        run_export(pipeline(pattern_of(lake), tmp_path))


@pytest.mark.parametrize("column", ["user_id", "purchased_at"])
def test_a_null_in_key_or_time_is_refused(lake: Path, tmp_path: Path, column: str) -> None:
    table = purchases(24, 3)
    index = table.schema.get_field_index(column)
    nulled = pa.array([*table[column].to_pylist()[:2], None], table.schema.field(index).type)
    pq.write_table(table.set_column(index, column, nulled), lake / "0.parquet")
    with pytest.raises(InputError, match=f"Column {column} .* is NULL") as caught:
        run_export(pipeline(pattern_of(lake), tmp_path))
    assert caught.value.fix == "Correct the row where it is written. Nothing was exported.", "files have no where"


def test_wall_clock_times_are_those_of_the_columns_zone(lake: Path, tmp_path: Path) -> None:
    wall = pa.array([datetime(2026, 11, 14), datetime(2026, 11, 14, 23, 59), datetime(2026, 11, 15)])
    pq.write_table(purchases(0, 3, purchased_at=wall), lake / "0.parquet")
    export = run_export(pipeline(pattern_of(lake), tmp_path, column_timezone="Europe/Berlin"))
    assert sorted(row["purchased_at"] for row in export.rows()) == [START, START + timedelta(hours=23, minutes=59)]


def test_a_date_column_holds_business_days(lake: Path, tmp_path: Path) -> None:
    days = pa.array([date(2026, 11, 13), date(2026, 11, 14), date(2026, 11, 15)])
    pq.write_table(purchases(0, 3, purchased_at=days), lake / "0.parquet")
    assert [row["purchased_at"] for row in run_export(pipeline(pattern_of(lake), tmp_path)).rows()] == [START]


@pytest.mark.parametrize("column", ["note", "user_id"])
def test_a_time_that_is_no_timestamp_and_no_date_is_refused(lake: Path, tmp_path: Path, column: str) -> None:
    pq.write_table(purchases(0, 3).append_column("id", pa.array([1, 2, 3])), lake / "0.parquet")
    with pytest.raises(InputError, match=f"Column {column} .* can't decide the day"):
        run_export(pipeline(pattern_of(lake), tmp_path, key="id", time=column))


def test_columns_are_described_without_a_day(lake: Path, tmp_path: Path) -> None:
    (lake / "day=2026-11-14").mkdir()
    pq.write_table(purchases(0, 3), lake / "day=2026-11-14/0.parquet")
    described = describe_source(pipeline(pattern_of(lake, "day={day}/*.parquet"), tmp_path))
    assert list(described) == ["user_id", "purchased_at", "amount"]


def test_wildcards_stay_in_a_folder_unless_doubled() -> None:
    def matches(pattern: str, name: str) -> bool:
        return parse_pattern(f"gs://bucket/{pattern}", DAY).names.fullmatch(name) is not None

    assert parse_pattern("gs://bucket/a.b/x?/*.parquet", DAY).store_url == "gs://bucket/a.b"
    assert parse_pattern("gs://bucket/day={day}/x.parquet", DAY).store_url == "gs://bucket/day=2026-11-14"
    assert matches("*.parquet", "a.parquet")
    assert not matches("*.parquet", "a/b.parquet")
    assert matches("**/*.parquet", "a/b/c.parquet")
    assert matches("**/*.parquet", "c.parquet")
    assert not matches("*.parquet", "axparquet")
    assert matches("p?rt[1].parquet", "part[1].parquet")


def test_a_source_is_one_of_the_three(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is for a table"):
        pipeline("file:///lake/*.parquet", tmp_path, table="purchases")
    with pytest.raises(ValueError, match="is for a table"):
        pipeline("file:///lake/*.parquet", tmp_path, where="amount > 0")
    settings = pipeline("file:///lake/*.parquet", tmp_path)
    with pytest.raises(PenstockError, match="no database but Parquet file:///lake"):
        _ = settings.source.url


def test_a_carried_column_of_another_type_than_yesterdays_is_refused(lake: Path, tmp_path: Path) -> None:
    pq.write_table(purchases(0, 72), lake / "0.parquet")
    run_export(pipeline(pattern_of(lake), tmp_path))
    pq.write_table(purchases(0, 72, amount=pa.array(range(72))), lake / "0.parquet")
    with pytest.raises(InputError, match=r"file://.* has other columns than when 2026-11-14 was read") as caught:
        run_export(pipeline(pattern_of(lake), tmp_path), day=date(2026, 11, 15), run_id="run-0002")
    assert "amount was decimal128(12, 2) (Decimal(12, 2)) and is int64 (Int64)" in str(caught.value)


def test_an_export_of_other_files_is_not_used_again(lake: Path, tmp_path: Path) -> None:
    pq.write_table(purchases(0, 72), lake / "0.parquet")
    run_export(pipeline(pattern_of(lake), tmp_path))
    with pytest.raises(InputError, match="made with other settings") as caught:
        run_export(pipeline(pattern_of(lake, "0.parquet"), tmp_path), run_id="run-0002")
    assert "source.parquet was" in str(caught.value)
