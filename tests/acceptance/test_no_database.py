"""From Parquet files to Parquet files: a day without any database, on a bucket and in folders, by the command line."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import storage

from tests.acceptance.commands import Ended, penstock
from tests.acceptance.objects import read_object

pytestmark = pytest.mark.integration

START = datetime(2026, 10, 24, 22, tzinfo=UTC)  # of the 25th in Berlin, which has 25 hours
PIPELINES = Path(__file__).parents[2] / "pipelines"
Rows = list[tuple[int, datetime, Decimal]]


def purchases(first: int, rows: int) -> Rows:
    return [
        (i * 31 % 997, START + timedelta(seconds=47 * i - 20_000), Decimal(i * 7919 % 100_000 - 9_999) / 100)
        for i in range(first, first + rows)
    ]


def revenue(rows: Rows) -> dict[int, tuple[Decimal, int]]:
    inside = [row for row in rows if START <= row[1] < START + timedelta(hours=25)]
    total, count = Counter[int](), Counter[int]()
    for user, _, amount in inside:
        total[user] += int(amount * 100)
        count[user] += 1
    return {user: (Decimal(total[user]) / 100, count[user]) for user in count}


class Lake:
    """Where the source's files lie: a folder, or a bucket."""

    def __init__(self, url: str, scratch: Path) -> None:
        self.url, self.scratch = url, scratch

    def write(self, name: str, rows: Rows) -> None:
        columns = {
            "user_id": pa.array([row[0] for row in rows], pa.int64()),
            "purchased_at": pa.array([row[1] for row in rows], pa.timestamp("us", "UTC")),
            "amount": pa.array([row[2] for row in rows], pa.decimal128(12, 2)),
        }
        path = self.scratch / name
        pq.write_table(pa.table(columns), path)
        if self.url.startswith("file://"):
            folder = Path(self.url.removeprefix("file://"))
            folder.mkdir(exist_ok=True)
            path.rename(folder / name)
        else:
            bucket, _, prefix = self.url.removeprefix("gs://").partition("/")
            client = storage.Client.create_anonymous_client()
            client.bucket(bucket).blob(f"{prefix}/{name}").upload_from_filename(path)
            client.close()


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_a_day_goes_from_files_to_files(place: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    base = tmp_path.as_uri() if place == "folder" else request.getfixturevalue("gcs_bucket")
    lake = Lake(f"{base}/lake", tmp_path)
    first = purchases(0, 1500)
    lake.write("a.parquet", first[:700])
    lake.write("b.parquet", first[700:])
    urls = [f"source.parquet={base}/lake/*.parquet", f"staging.url={base}/staging", f"target.parquet={base}/revenue"]
    settings = [part for key in (*urls, "export.shards=3") for part in ("--set", key)]

    def run(*command: str) -> Ended:
        config = PIPELINES / "lake_to_lake.toml"
        return penstock(command[0], "--config", config, *settings, *command[1:], logs=tmp_path / "logs")

    def day() -> dict[int, tuple[Decimal, int]]:
        said: dict[str, Any] = json.loads(read_object(f"{base}/revenue", "day=2026-10-25/manifest.json"))
        paths = []
        for number, part in enumerate(said["parts"]):
            paths.append(tmp_path / f"read-{number}.parquet")
            paths[-1].write_bytes(read_object(f"{base}/revenue", part["name"]))
        found = duckdb.connect().execute(
            "SELECT user_id, revenue, purchases FROM read_parquet(?, hive_partitioning = false)",
            [list(map(str, paths))],
        )
        rows = found.fetchall()
        assert len(rows) == said["rows"]
        return {user: (money, count) for user, money, count in rows}

    on = ("--day", "2026-10-25")
    created = run("init")
    assert (created.code, created.out) == (0, "")
    assert "Nothing to create: the target is Parquet files" in created.err
    report = run("run", *on, "--json").json()
    assert day() == revenue(first)
    assert report["rows_loaded"] == len(revenue(first))
    (conserved,) = report["conserved"]
    assert {Decimal(conserved[step]) for step in ("exported", "shards", "parts", "target")} == {
        sum(money for money, _ in revenue(first).values())
    }
    assert run("verify", *on).code == 0
    if place == "folder":
        return

    assert run("run", *on, "--json").json()["status"] == "already done"
    again = run("reprocess", *on, "--json").json()
    assert (again["inserted"], again["updated"], again["deleted"]) == (0, 0, 0)

    late = purchases(1500, 90)
    lake.write("c.parquet", late)
    fresh = run("run", *on, "--fresh-export", "--json")
    assert fresh.json()["status"] == "done"
    inside = [sum(START <= row[1] < START + timedelta(hours=25) for row in each) for each in (first, late)]
    assert f"since the export before: rows {inside[0]:,} > {sum(inside):,} (+{inside[1]})" in fresh.err
    difference = run("diff", *on, "--json").json()
    before, after = revenue(first), revenue(first + late)
    assert difference["keys"]["new"] + difference["keys"]["changed"] == sum(
        before.get(user) != after[user] for user in after
    )
    assert day() == revenue(first + late)
    assert run("verify", *on).code == 0


def test_files_are_processed_where_they_lie_and_hours_are_merged(gcs_bucket: str, tmp_path: Path) -> None:
    lake = Lake(f"{gcs_bucket}/lake/day=2026-10-25", tmp_path)
    rows = [(user, at.replace(hour=at.minute % 24, day=25), amount) for user, at, amount in purchases(0, 900)]
    for number in range(3):
        lake.write(f"{number}.parquet", rows[number::3])
    urls = [
        f"source.parquet={gcs_bucket}/lake/day={{day}}/*.parquet",
        f"staging.url={gcs_bucket}/staging",
        f"target.parquet={gcs_bucket}/hourly",
    ]
    settings = [part for key in urls for part in ("--set", key)]
    config: tuple[str | Path, ...] = ("--config", PIPELINES / "hourly_lake.toml", *settings, "--day", "2026-10-25")
    report = penstock("run", *config, "--json", logs=tmp_path / "logs").json()
    said = json.loads(read_object(f"{gcs_bucket}/hourly", "day=2026-10-25/manifest.json"))
    (part,) = said["parts"]
    (tmp_path / "part.parquet").write_bytes(read_object(f"{gcs_bucket}/hourly", part["name"]))
    found = {row["hour"]: row for row in pq.read_table(tmp_path / "part.parquet").to_pylist()}
    expected: dict[datetime, list[Decimal]] = {}
    for _, at, amount in rows:
        expected.setdefault(at.replace(minute=0, second=0), []).append(amount)
    assert {hour: (row["revenue"], row["purchases"], row["largest"]) for hour, row in found.items()} == {
        hour: (sum(amounts), len(amounts), max(amounts)) for hour, amounts in expected.items()
    }
    assert (report["shards"], report["rows_exported"], report["rows_loaded"]) == (3, 900, len(expected))
    assert report["conserved"][0]["target"] == str(sum(amount for _, _, amount in rows))
    assert penstock("verify", *config, logs=tmp_path / "logs").code == 0


def test_a_lakes_day_goes_to_a_table(tmp_path: Path) -> None:
    lake = Lake(f"{tmp_path.as_uri()}/lake", tmp_path)
    lake.write("a.parquet", rows := purchases(0, 1500))
    urls = [f"source.parquet={tmp_path.as_uri()}/lake/*.parquet", f"staging.url={tmp_path.as_uri()}/staging"]
    settings = [part for key in (*urls, "export.shards=2") for part in ("--set", key)]
    config: tuple[str | Path, ...] = ("--config", PIPELINES / "parquet_lake.toml", *settings)
    warehouse = {"WAREHOUSE_URL": f"sqlite:///{tmp_path / 'warehouse.sqlite'}"}
    assert penstock("init", *config, logs=tmp_path / "logs", **warehouse).code == 0
    penstock("run", *config, "--day", "2026-10-25", "--json", logs=tmp_path / "logs", **warehouse).json()
    connection = sqlite3.connect(tmp_path / "warehouse.sqlite")
    found = connection.execute("SELECT user_id, revenue, purchases FROM revenue WHERE day = '2026-10-25'").fetchall()
    connection.close()
    assert {user: (Decimal(str(money)), count) for user, money, count in found} == revenue(rows)
