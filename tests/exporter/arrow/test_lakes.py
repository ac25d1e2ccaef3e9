"""A lake of others: every file that a pattern means is read, hidden ones are counted, nothing is written into it."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from google.cloud import storage

from exporter.arrow.meant_files import is_hidden
from exporter.arrow.pattern import parse_pattern
from staging.errors import InputError, PenstockError
from staging.lake.open import download_file, open_lake
from tests.exporter.arrow.test_parquet import exported, pipeline, purchases
from tests.exporter.days import DAY, run_export
from tests.servers.fake_gcs import FakeGcsServer
from tests.servers.gcs_proxy import GcsProxy

pytestmark = pytest.mark.integration

TABLE = purchases(24, 24)
OTHER = purchases(100, 24)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    folder = tmp_path / "lake"
    folder.mkdir()
    return folder


def put(path: Path, table: pa.Table = TABLE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def rows_of(pattern: str, folder: Path, **keys: Any) -> int:
    return exported(run_export(pipeline(pattern, folder, **keys))).total()


# --- which files are meant ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["_temporary/0/a.parquet", ".a.parquet", "_a.parquet", "x/.spark/a.parquet", "x/_delta/a.parquet"]
)
def test_hidden_names_are_left_out_and_counted(lake: Path, tmp_path: Path, name: str) -> None:
    put(lake / "0.parquet")
    put(lake / name, OTHER)
    (lake / "_SUCCESS").touch()
    export = run_export(pipeline(f"file://{lake}/**/*.parquet", tmp_path))
    assert export.manifest["source"]["evidence"]["hidden_objects"] == "1"
    assert [found["url"] for found in export.manifest["source"]["objects"]] == [f"file://{lake}/0.parquet"]


def test_files_that_are_all_hidden_are_told_so(lake: Path, tmp_path: Path) -> None:
    put(lake / ".0.parquet")
    with pytest.raises(InputError, match="No object matches") as caught:
        run_export(pipeline(f"file://{lake}/*.parquet", tmp_path))
    assert "1 match, all hidden" in caught.value.why


@pytest.mark.parametrize(
    ("pattern", "name", "hidden"),
    [
        ("*.parquet", "_a.parquet", True),
        ("_*.parquet", "_a.parquet", False),
        ("_out/**/*.parquet", "_out/x/a.parquet", False),
        ("_out/**/*.parquet", "_out/_x/a.parquet", True),
        ("**/*.parquet", "_dt=1/a.parquet", False),
        ("**/*.parquet", ".dt=1/a.parquet", True),
    ],
)
def test_a_pattern_may_spell_a_hidden_name(pattern: str, name: str, hidden: bool) -> None:
    assert is_hidden(name, parse_pattern(f"gs://bucket/*/{pattern}", DAY)) is hidden


def test_links_are_followed_and_none_is_gone_round_twice(lake: Path, tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "part" / "0.parquet")
    (lake / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(lake)
    (lake / "1.parquet").symlink_to(put(tmp_path / "one.parquet", OTHER))
    assert rows_of(f"file://{lake}/**/*.parquet", tmp_path) == exported_rows(TABLE, OTHER)
    (tmp_path / "one.parquet").unlink()
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match=r"1\.parquet can't be read") as caught:
        run_export(pipeline(f"file://{lake}/*.parquet", tmp_path / "other"))
    assert "leads nowhere" in caught.value.why


def exported_rows(*tables: pa.Table) -> int:
    from tests.exporter.arrow.test_parquet import day_rows

    return day_rows(*tables).total()


@pytest.mark.parametrize("matching", [True, False])
def test_a_name_that_is_not_utf8_is_read_or_passed_over(lake: Path, tmp_path: Path, matching: bool) -> None:
    put(lake / "0.parquet")
    name = b"/\xff\xfe" + (b".parquet" if matching else b".txt")
    put(tmp_path / "other.parquet", OTHER).rename(os.fsdecode(os.fsencode(lake) + name))
    expected = exported_rows(TABLE, OTHER) if matching else exported_rows(TABLE)
    export = run_export(pipeline(f"file://{lake}/*.parquet", tmp_path))
    assert exported(export).total() == expected
    urls = [found["url"] for found in export.manifest["source"]["objects"]]
    assert urls == [f"file://{lake}/0.parquet", *([f"file://{lake}/%FF%FE.parquet"] if matching else [])]


LOGS = {
    "Delta Lake": "_delta_log/00000000000000000000.json",
    "Apache Hudi": ".hoodie/hoodie.properties",
    "Apache Iceberg": "metadata/00000-b5c7.metadata.json",
    "Iceberg": "metadata/00000-b5c7.metadata.json.gz",
    "Apache Paimon": "snapshot/LATEST",
}


@pytest.mark.parametrize("table_format", LOGS)
@pytest.mark.parametrize("pattern", ["table/*.parquet", "table/dt={day}/*.parquet", "**/*.parquet", "t*/d*/*.parquet"])
def test_a_table_formats_folder_is_refused_by_its_name(
    lake: Path, tmp_path: Path, table_format: str, pattern: str
) -> None:
    put(lake / "table" / "0.parquet")
    put(lake / "table" / f"dt={DAY}" / "0.parquet")
    log = lake / "table" / LOGS[table_format]
    log.parent.mkdir()
    log.write_text("{}")
    with pytest.raises(InputError, match=f"is a table of (Apache )?{table_format}"):
        run_export(pipeline(f"file://{lake}/{pattern}", tmp_path))


@pytest.mark.parametrize("pattern", ["*.parquet", "{day}.parquet", "?*.parquet"])
def test_a_folder_that_the_pattern_means_is_told_and_not_left_out(lake: Path, tmp_path: Path, pattern: str) -> None:
    put(lake / f"{DAY}.parquet" / "part-0.parquet")
    (lake / f"{DAY}.parquet" / "_SUCCESS").touch()
    with pytest.raises(InputError, match=f"{DAY}.parquet matches `source.parquet`, and is a folder"):
        run_export(pipeline(f"file://{lake}/{pattern}", tmp_path))
    assert rows_of(f"file://{lake}/{pattern}/*.parquet", tmp_path) == exported_rows(TABLE)


def test_files_of_a_day_that_hold_another_days_rows_are_no_empty_day(lake: Path, tmp_path: Path) -> None:
    put(lake / f"{DAY}.parquet", moved(TABLE, timedelta(days=-3)))
    with pytest.raises(InputError, match="None of the 24 rows in the files of 2026-11-14 lies within a day"):
        run_export(pipeline(f"file://{lake}/{{day}}.parquet", tmp_path))
    assert rows_of(f"file://{lake}/*.parquet", tmp_path) == 0  # files of many days: this one has none


def test_rows_of_the_day_beside_it_may_be_all_that_a_file_has(lake: Path, tmp_path: Path) -> None:
    """A file of a day in UTC has rows of two days elsewhere."""
    put(lake / f"{DAY}.parquet", moved(TABLE, timedelta(days=-1)))
    put(lake / "empty" / f"{DAY}.parquet", TABLE.slice(0, 0))
    assert rows_of(f"file://{lake}/{{day}}.parquet", tmp_path / "a") < 24
    assert rows_of(f"file://{lake}/empty/{{day}}.parquet", tmp_path / "b") == 0


def moved(table: pa.Table, by: timedelta) -> pa.Table:
    """The same rows at other times."""
    at = table.schema.get_field_index("purchased_at")
    return table.set_column(at, table.schema.field(at), pc.add(table["purchased_at"], by))


def test_a_table_beside_the_files_is_no_matter(lake: Path, tmp_path: Path) -> None:
    put(lake / "mine" / "0.parquet")
    (lake / "table" / "_delta_log").mkdir(parents=True)
    (lake / "table" / "_delta_log" / "0.json").touch()
    put(lake / "metadata" / "0.parquet", OTHER)  # no log: a name that anybody may choose
    assert rows_of(f"file://{lake}/m*/*.parquet", tmp_path) == exported_rows(TABLE, OTHER)


# --- nothing is written, and faults are the source's ----------------------------------------------------------------


def test_reading_makes_no_folder_and_no_file(lake: Path, tmp_path: Path) -> None:
    put(lake / "0.parquet")
    before = sorted(lake.rglob("*"))
    (tmp_path / "elsewhere").mkdir()
    run_export(pipeline(f"file://{lake}/*.parquet", tmp_path))
    with pytest.raises(InputError, match="No object matches"):
        run_export(pipeline(f"file://{lake}/day={{day}}/*.parquet", tmp_path / "elsewhere"))
    assert sorted(lake.rglob("*")) == before


def test_faults_of_the_source_speak_of_the_source(lake: Path, tmp_path: Path, gcs_endpoint: str) -> None:
    assert gcs_endpoint
    told = []
    for pattern in (f"file://{lake}/*.parquet", "gs://there-is-none-of-this/*.parquet"):
        with pytest.raises(InputError) as caught:
            run_export(pipeline(pattern, tmp_path))
        told.append(str(caught.value))
    assert "There is no such bucket" in told[1]
    for text in told:
        assert "source.parquet" in text
        assert "staging" not in text


def test_a_column_that_only_the_path_has_is_told(lake: Path, tmp_path: Path) -> None:
    put(lake / f"dt={DAY}" / "0.parquet")
    with pytest.raises(InputError, match=r"Column dt .* can't decide the day") as caught:
        run_export(pipeline(f"file://{lake}/dt={{day}}/*.parquet", tmp_path, time="dt"))
    assert "path has it" in caught.value.why
    with pytest.raises(InputError, match=r"Column dt .* can't be carried") as caught:
        run_export(pipeline(f"file://{lake}/dt={{day}}/*.parquet", tmp_path, columns=["amount", "dt"]))
    assert "path has it" in caught.value.why


def test_text_that_is_not_utf8_in_a_file_is_refused(lake: Path, tmp_path: Path) -> None:
    put(lake / "0.parquet", purchases(24, 1, note=pa.array([b"\xff"]).view(pa.string())))
    for shard in ("key", "file"):
        with pytest.raises(InputError, match=r"holds a value that its type does not allow|can't be read by the task"):
            run_export(
                pipeline(f"file://{lake}/*.parquet", tmp_path, columns=["amount", "note"], export={"shard": shard}),
                run_id=f"run-{shard}",
            )


# --- in a bucket ----------------------------------------------------------------------------------------------------

Upload = Callable[..., Any]


@pytest.fixture
def upload(gcs_bucket: str, tmp_path: Path) -> Upload:
    client = storage.Client.create_anonymous_client()
    bucket = client.bucket(gcs_bucket.removeprefix("gs://"))

    def put_object(name: str, table: pa.Table = TABLE, *, packed: bool = False) -> None:
        path = put(tmp_path / "upload" / "file.parquet", table)
        blob = bucket.blob(name)
        if packed:
            blob.content_encoding = "gzip"
        blob.upload_from_string(gzip.compress(path.read_bytes()) if packed else path.read_bytes())

    return put_object


@pytest.mark.parametrize("name", ["lake//0.parquet", "lake/a//b/0.parquet", "lake/a\tb.parquet"])
def test_every_name_that_a_bucket_allows_is_read(gcs_bucket: str, upload: Upload, tmp_path: Path, name: str) -> None:
    upload(name)
    upload("lake/plain.parquet", OTHER)
    export = run_export(pipeline(f"{gcs_bucket}/lake/**/*.parquet", tmp_path))
    assert exported(export).total() == exported_rows(TABLE, OTHER)
    found = {each["url"]: each["generation"] for each in export.manifest["source"]["objects"]}
    assert f"{gcs_bucket}/{name}" in found
    with open_lake(gcs_bucket) as lake:
        (listed,) = [each for each in lake.list(name) if each.name == name]
    url = f"{gcs_bucket}/{name}"
    arrived = download_file(None, url, tmp_path / "x", generation=listed.generation)  # type: ignore[arg-type] # no staging is asked
    assert arrived.size_bytes == (tmp_path / "x").stat().st_size


def test_sums_that_a_listing_lacks_are_asked_for(
    gcs_server: FakeGcsServer, gcs_bucket: str, upload: Upload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a bucket under a customer-managed key."""
    upload("lake/0.parquet")
    upload("lake/1.parquet", OTHER)
    with open_lake(f"{gcs_bucket}/lake") as lake:
        sums = [found.crc32c for found in lake.list("")]
    proxy = GcsProxy(gcs_server.endpoint)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.endpoint)
    try:
        proxy.arm("list", "without-sums", times=20)
        export = run_export(pipeline(f"{gcs_bucket}/lake/*.parquet", tmp_path))
    finally:
        proxy.close()
    assert [found["crc32c"] for found in export.manifest["source"]["objects"]] == sums
    assert exported(export).total() == exported_rows(TABLE, OTHER)


def test_a_packed_object_names_its_property(gcs_bucket: str, upload: Upload, tmp_path: Path) -> None:
    upload("lake/0.parquet", packed=True)
    with pytest.raises(InputError, match=r"0\.parquet has the property Content-Encoding: gzip"):
        run_export(pipeline(f"{gcs_bucket}/lake/*.parquet", tmp_path))


def test_a_table_in_a_bucket_is_refused_from_any_depth(gcs_bucket: str, upload: Upload, tmp_path: Path) -> None:
    upload(f"table/dt={DAY}/0.parquet")
    upload("table/_delta_log/00000000000000000000.json")
    for pattern in ("table/dt={day}/*.parquet", "**/*.parquet", "table/**/*.parquet"):
        with pytest.raises(PenstockError, match="is a table of Delta Lake"):
            run_export(pipeline(f"{gcs_bucket}/{pattern}", tmp_path))


def test_the_manifests_names_are_json(lake: Path, tmp_path: Path) -> None:
    put(lake / 'a "b" ü.parquet')
    export = run_export(pipeline(f"file://{lake}/*.parquet", tmp_path), day=date.fromisoformat(str(DAY)))
    assert json.loads(json.dumps(export.manifest))["source"]["objects"][0]["url"].endswith(
        "a%20%22b%22%20%C3%BC.parquet"
    )
