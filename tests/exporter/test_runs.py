"""What a run of the exporter adopts, reuses or reads anew, and what it leaves for the jobs behind it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from staging.config.pipeline import StagingConfig
from staging.documents.head import read_head
from staging.documents.manifest import Manifest
from staging.documents.manifest_check import check_manifest
from staging.errors import HeldError, InputError, IntegrityError
from staging.names import DayNames
from staging.open_store import open_store
from tests.exporter.days import DAY, NOW, committed, pipeline, run_export
from tests.shop.purchases import create_purchases
from tests.warm import warm_python

pytestmark = pytest.mark.integration

NAMES = DayNames("daily_revenue", DAY)


@pytest.fixture
def shop(sqlite_database: str) -> str:
    rows = [(n % 50, f"2026-11-14T{n % 24:02}:30:00.000{n % 1000:03}", f"{n}.25") for n in range(500)]
    columns = {"id": None, "user_id": "integer NOT NULL", "purchased_at": "text NOT NULL"}
    return create_purchases(sqlite_database, rows, columns=columns, index=False).url


def _never(url: str) -> Any:
    raise AssertionError(f"nothing may connect to {url}")


def _head_export(folder: Path) -> str | None:
    with open_store(f"file://{folder}") as store:
        found = read_head(store, NAMES)
        return found[0].export_id if found else None


def test_another_attempt_of_a_run_adopts_what_the_first_one_settled_on(shop: str, tmp_path: Path) -> None:
    first = run_export(pipeline(shop, tmp_path))
    again = run_export(pipeline(shop, tmp_path), opener=_never, fresh_export=True)
    assert again.manifest["export_id"] == first.manifest["export_id"] == _head_export(tmp_path)


def test_the_days_export_is_reused_without_a_connection_and_read_anew_on_demand(shop: str, tmp_path: Path) -> None:
    first = run_export(pipeline(shop, tmp_path))
    reused = run_export(pipeline("env:NO_SUCH_VARIABLE", tmp_path), run_id="run-0002", opener=_never)
    assert reused.manifest["export_id"] == first.manifest["export_id"]
    fresh = run_export(pipeline(shop, tmp_path), run_id="run-0003", fresh_export=True)
    assert fresh.manifest["export_id"] != first.manifest["export_id"]
    assert _head_export(tmp_path) == fresh.manifest["export_id"]
    assert [shard["files"][0]["sha256"] for shard in fresh.manifest["shards"]] == [
        shard["files"][0]["sha256"] for shard in first.manifest["shards"]
    ]


def test_an_export_that_answers_another_question_is_not_reused(shop: str, tmp_path: Path) -> None:
    run_export(pipeline(shop, tmp_path))
    with pytest.raises(InputError, match="--fresh-export"):
        run_export(pipeline(shop, tmp_path, where="amount > 3"), run_id="run-0002", opener=_never)


def test_of_two_attempts_at_once_one_export_wins_and_both_are_content(shop: str, tmp_path: Path) -> None:
    met = threading.Barrier(2, timeout=30)

    class Meeting:
        """A store at which both attempts wait for each other before a run settles on its export."""

        def __init__(self, store: Any) -> None:
            self._store = store

        def __getattr__(self, name: str) -> Any:
            return getattr(self._store, name)

        def create(self, name: str, data: bytes) -> Any:
            if name.endswith("/export.json"):
                met.wait()
            return self._store.create(name, data)

    found: list[str] = []

    def attempt() -> None:
        found.append(run_export(pipeline(shop, tmp_path), wrap_store=Meeting).manifest["export_id"])

    threads = [threading.Thread(target=attempt) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert set(found) == {_head_export(tmp_path)}
    assert len([name for name in committed(tmp_path) if name.endswith("manifest.json")]) == 2


def test_the_manifest_agrees_with_itself_and_with_its_place(shop: str, tmp_path: Path) -> None:
    export = run_export(pipeline(shop, tmp_path, export={"shards": 3}))
    parsed = Manifest.parse(json.dumps(export.manifest).encode(), name="manifest")
    check_manifest(parsed, NAMES, export.manifest["export_id"], name="manifest")
    assert "shop" not in json.dumps(export.manifest["source"]["statement"])


def test_shards_are_counted_by_rows_where_they_are_auto(
    shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.shards.count.ROWS_PER_SHARD", 200)
    export = run_export(pipeline(shop, tmp_path))
    assert len(export.manifest["shards"]) == 3
    assert "480 rows counted, 200 a shard" in export.manifest["reading"]["why"]


def test_a_future_day_and_one_that_never_was_are_refused(shop: str, tmp_path: Path) -> None:
    for day in (date(2026, 11, 21), date(2030, 1, 1)):
        with pytest.raises(InputError, match="future"):
            run_export(pipeline(shop, tmp_path), day=day, opener=_never)
    with pytest.raises(InputError, match="does not exist"):
        run_export(pipeline(shop, tmp_path, timezone="Pacific/Apia"), day=date(2011, 12, 30), opener=_never)


def test_a_head_that_was_replaced_meanwhile_holds_the_run(shop: str, tmp_path: Path) -> None:
    class Losing:
        def __init__(self, store: Any) -> None:
            self._store = store

        def __getattr__(self, name: str) -> Any:
            return getattr(self._store, name)

        def create(self, name: str, data: bytes) -> Any:
            made = self._store.create(name, data)
            if name.endswith("manifest.json"):
                head = tmp_path / "heads/daily_revenue/day=2026-11-14.json"
                document = json.loads(head.read_text())
                head.write_text(json.dumps(document | {"head_id": "f" * 32}))
            return made

    with pytest.raises((HeldError, IntegrityError)):
        run_export(pipeline(shop, tmp_path), wrap_store=Losing)


def test_the_command_says_what_is_wrong_and_exits_as_documented(shop: str, tmp_path: Path) -> None:
    config = tmp_path / "pipeline.toml"
    config.write_text(
        f"""
name = "daily_revenue"
[source]
url = "{shop}"
table = "purchases"
key = "user_id"
time = "purchased_at"
columns = ["amount"]
timezone = "Europe/Berlin"
[staging]
url = "file://{tmp_path}"
[target]
url = "sqlite:///target.db"
table = "revenue"
"""
    )

    def run(*arguments: str) -> tuple[int, str]:
        command = [warm_python(), "-m", "exporter", "--config", str(config), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    assert run("--day", "2026-11-14")[0] == 2
    code, error = run("--day", "2026-02-30", "--run-id", "run-0001")
    assert (code, "2026-02-30" in error) == (10, True)
    code, error = run("--day", "2026-11-14", "--run-id", "run-0001", "--set", "source.key=nobody")
    assert (code, "nobody" in error) == (10, True)
    code, error = run("--day", "2026-11-14", "--run-id", "run-0001")
    assert (code, "run-0001 uses export" in error) == (0, True)


def test_a_bucket_holds_what_a_folder_holds(shop: str, tmp_path: Path, gcs_bucket: str, gcs_endpoint: str) -> None:
    import gcsfs

    from exporter.export_day import Surroundings, export_day
    from exporter.open_source import open_source
    from staging.process.cancel import Cancel
    from staging.process.progress import Progress

    inside_folder = run_export(pipeline(shop, tmp_path, export={"shards": 3}))
    url = f"{gcs_bucket}/some/prefix"
    settings = pipeline(shop, tmp_path, export={"shards": 3}).model_copy(update={"staging": StagingConfig(url=url)})
    with open_store(url) as store:
        around = Surroundings(store, open_source, lambda: NOW, Cancel(), Progress())
        settled = export_day(settings, DAY, "run-0001", around, fresh_export=False)
    files = gcsfs.GCSFileSystem(token="anon", endpoint_url=gcs_endpoint, cache_timeout=0)
    root = url.removeprefix("gs://")
    manifest = json.loads(files.cat_file(f"{root}/{NAMES.manifest(settled.export_id)}"))
    for there, here in zip(manifest["shards"], inside_folder.manifest["shards"], strict=True):
        assert there["sums"] == here["sums"]
        data = files.cat_file(f"{root}/{there['files'][0]['name']}")
        assert hashlib.sha256(data).hexdigest() == there["files"][0]["sha256"] == here["files"][0]["sha256"]
