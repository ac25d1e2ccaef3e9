"""A day's current export, and the receipts of a run, as every job reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from staging.documents.exports import find_current_export, find_current_manifest, find_export, read_manifest
from staging.documents.head import change_head
from staging.documents.run_notes import find_receipts
from staging.errors import IntegrityError
from staging.names import DayNames
from staging.open_store import open_store
from staging.store import Store
from tests.loader.runs import DAY, PIPELINE, LoaderRun, revenue

NAMES = DayNames(PIPELINE, DAY)


@pytest.fixture
def run(tmp_path: Path) -> LoaderRun:
    return LoaderRun(tmp_path, revenue(range(9)))


@pytest.fixture
def store(run: LoaderRun) -> Iterator[Store]:
    with open_store(run.staging_url) as store:
        yield store


def point_head_at(store: Store, export_id: str | None) -> None:
    change_head(store, NAMES, lambda *_: {"export_id": export_id}, datetime(2026, 11, 15, tzinfo=UTC))


def test_the_current_export_is_what_the_head_names_and_a_run_can_settle_on_it(run: LoaderRun, store: Store) -> None:
    run.write()
    point_head_at(store, None)
    assert find_current_export(store, NAMES) is None
    point_head_at(store, run.export_id)
    found = find_current_export(store, NAMES)
    assert found is not None
    data, info = store.read(NAMES.manifest(run.export_id))
    assert (found.generation, found.sha256) == (info.generation, hashlib.sha256(data).hexdigest())
    assert (
        read_manifest(store, NAMES, found.for_run("another")) == found.manifest == find_current_manifest(store, NAMES)
    )


def test_a_current_export_whose_manifest_is_gone_is_named(run: LoaderRun, store: Store) -> None:
    point_head_at(store, run.export_id)
    with pytest.raises(IntegrityError, match=r"manifest of daily_revenue .* is gone") as caught:
        find_current_export(store, NAMES)
    assert "--fresh-export" in caught.value.fix
    assert find_current_manifest(store, NAMES) is find_export(store, NAMES, run.export_id) is None


@pytest.mark.parametrize("bent", [{"rows": 10}, {"export_id": "e02"}, {"pipeline": "another"}])
def test_a_manifest_that_does_not_fit_is_believed_by_nobody(
    run: LoaderRun, store: Store, bent: dict[str, object]
) -> None:
    name = NAMES.manifest(run.export_id)
    store.create(name, json.dumps(run.manifest | bent).encode())
    point_head_at(store, run.export_id)
    for read in (find_current_export, find_current_manifest):
        with pytest.raises(IntegrityError, match="contradicts itself"):
            read(store, NAMES)


def test_receipts_come_in_the_order_of_shards_with_none_for_one_that_is_not_there(run: LoaderRun, store: Store) -> None:
    run.write()
    (run.folder / NAMES.receipt(run.run_id, 1)).unlink()
    first, missing, last = find_receipts(store, NAMES, run.run_id, 3)
    assert first is not None
    assert last is not None
    assert (first.shard, missing, last.shard) == (0, None, 2)
