"""A day's current export is the one its head names, whose manifest is there, itself, and of this day."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from staging.documents.exports import find_current_export, find_current_id, find_current_manifest, find_export
from staging.documents.head import change_head
from staging.errors import IntegrityError
from staging.folder.store import FolderStore, open_folder_store
from staging.names import DayNames
from tests.shop.hand_made_export import DAY, EXPORT_ID, PIPELINE, HandMade, purchases, put_in_folder

NAMES = DayNames(PIPELINE, DAY)
NOW = datetime(2026, 11, 15, 3, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    HandMade(put_in_folder(tmp_path), purchases(20), shards=2).commit()
    return open_folder_store(tmp_path.as_uri())


def point(store: FolderStore, export_id: str | None) -> None:
    change_head(store, NAMES, lambda *_: {"export_id": export_id}, NOW)


def test_a_day_without_head_or_whose_head_names_none_has_no_current_export(store: FolderStore) -> None:
    for _ in range(2):
        assert find_current_id(store, NAMES) is None
        assert find_current_export(store, NAMES) is None
        assert find_current_manifest(store, NAMES) is None
        point(store, None)


def test_the_current_export_is_the_one_that_the_head_names(store: FolderStore) -> None:
    point(store, EXPORT_ID)
    found = find_current_export(store, NAMES)
    assert found is not None
    assert (find_current_id(store, NAMES), found.manifest.export_id) == (EXPORT_ID, EXPORT_ID)
    assert find_current_manifest(store, NAMES) == found.manifest
    assert found == find_export(store, NAMES, EXPORT_ID)


def test_a_current_export_whose_manifest_is_gone_is_an_error_where_it_is_needed(store: FolderStore) -> None:
    point(store, "20261115T021500Z-0123456789ff")
    with pytest.raises(IntegrityError, match="is gone"):
        find_current_export(store, NAMES)
    assert find_current_manifest(store, NAMES) is None


def test_a_manifest_that_was_copied_to_another_day_is_refused(store: FolderStore) -> None:
    other = DayNames(PIPELINE, DAY.replace(day=15))
    data, _ = store.read(NAMES.manifest(EXPORT_ID))
    store.create(other.manifest(EXPORT_ID), data)
    with pytest.raises(IntegrityError, match="contradicts itself"):
        find_export(store, other, EXPORT_ID)
