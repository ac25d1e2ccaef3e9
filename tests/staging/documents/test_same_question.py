"""A stored export is used again only for the question that it answered: every setting of [source] has a verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from staging.config.source import SourceConfig
from staging.documents.manifest import Manifest
from staging.documents.same_question import (
    COMPARED,
    NOT_COMPARED,
    check_same_question,
    describe_asked,
    describe_other_place,
    describe_other_server,
    describe_place,
)
from staging.errors import InputError
from tests.loader.runs import LoaderRun, revenue

TABLE: dict[str, Any] = {
    "url": "postgresql+psycopg://ada:p%40ss@shop-1:5432/shop?sslmode=require",
    "table": "purchases",
    "key": "id",
    "time": "purchased_at",
    "columns": ["amount"],
    "timezone": "Europe/Berlin",
    "column_timezone": "UTC",
    "allow_null": ["amount"],
    "where": "status = 'paid'",
}
CHANGED: dict[str, dict[str, Any]] = {
    "parquet": {"parquet": "file:///lake/*.parquet", "url": None, "table": None, "where": None},
    "python": {"python": "api:read", "url": None, "table": None, "where": None},
    "exports": {"exports": "other", "window": "month", "url": None, "table": None, "where": None},
    "table": {"table": "purchases_v2"},
    "schema": {"schema": "archive"},
    "key": {"key": ["id", "shop"]},
    "time": {"time": "paid_at"},
    "columns": {"columns": ["amount", "fee"]},
    "where": {"where": "status <> 'paid'"},
    "timezone": {"timezone": "Europe/Paris"},
    "column_timezone": {"column_timezone": "Europe/Berlin"},
    "allow_null": {"allow_null": []},
    "window": {"exports": "days", "window": "week", "url": None, "table": None, "where": None},
    "with": {"with": {"users": {"table": "users", "key": "id", "columns": ["country"]}}},
    "allow_missing": {},  # for longer windows alone: see below
}
"""For each key that is compared a change of it, which may need others to be a source at all."""


def source_of(**changes: Any) -> SourceConfig:
    return SourceConfig.model_validate({key: value for key, value in (TABLE | changes).items() if value is not None})


def export_of(folder: Path, source: SourceConfig | None = None, **source_fields: Any) -> Manifest:
    """The manifest of an export that was made with these settings."""
    asked = source or source_of()
    document = LoaderRun(folder, revenue(range(3))).manifest
    document["source"] |= {"where": asked.where, "evidence": describe_asked(asked)} | source_fields
    return Manifest.parse(json.dumps(document).encode(), name="manifest.json")


def test_every_key_of_the_source_section_has_a_verdict() -> None:
    keys = {field.alias or name for name, field in SourceConfig.model_fields.items()}
    assert COMPARED.keys() | NOT_COMPARED.keys() == keys
    assert not COMPARED.keys() & NOT_COMPARED.keys()
    assert CHANGED.keys() == COMPARED.keys()


def test_the_same_question_is_the_same(tmp_path: Path) -> None:
    check_same_question(export_of(tmp_path), source_of())


@pytest.mark.parametrize("key", [key for key in CHANGED if CHANGED[key]])
def test_a_changed_setting_is_refused_by_name(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError) as caught:
        check_same_question(export_of(tmp_path), source_of(**CHANGED[key]))
    assert f"source.{'table' if key == 'schema' else key} was" in caught.value.why


def test_a_longer_window_that_lacks_days_is_refused_when_that_is_not_allowed_any_more(tmp_path: Path) -> None:
    longer = CHANGED["window"] | {"allow_null": []}
    used = {"day": "2026-11-14", "export_id": "export-1", "generation": 1, "sha256": "0" * 64, "rows": 3}
    document = export_of(tmp_path, None, dialect="exports", table="days", exports=[used]).model_dump()
    document["window_end"] = document["window_end"].replace(day=20)
    document["source"] |= {"evidence": {}, "where": None}
    manifest = Manifest.model_validate(document)
    check_same_question(manifest, source_of(**longer, allow_missing=True))
    with pytest.raises(InputError, match=r"source\.allow_missing was true and is false"):
        check_same_question(manifest, source_of(**longer))


def test_a_permission_that_is_new_changes_nothing_of_what_was_read_without_it(tmp_path: Path) -> None:
    check_same_question(export_of(tmp_path, source_of(allow_null=[])), source_of())
    check_same_question(export_of(tmp_path), source_of(allow_float=True))


def test_an_old_manifest_that_does_not_say_is_read(tmp_path: Path) -> None:
    manifest = export_of(tmp_path, None, evidence={})
    check_same_question(manifest, source_of(column_timezone="Asia/Tokyo"))
    assert describe_other_place(manifest, source_of()) == ""


def test_another_place_is_told_and_no_password_is(tmp_path: Path) -> None:
    moved = source_of(url="postgresql://bob:s3cret@shop-2/shop")
    told = describe_other_place(export_of(tmp_path), moved)
    assert "read from postgresql://shop-1:5432/shop" in told
    assert "source.url is postgresql://shop-2/shop now" in told
    assert describe_other_place(export_of(tmp_path), source_of(url="postgresql://x:y@shop-1:5432/shop")) == ""
    assert describe_other_place(export_of(tmp_path), source_of(url="env:NOT_SET_HERE")) == ""
    check_same_question(export_of(tmp_path), moved)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("mysql+pymysql://u:p@h/db?charset=utf8", "mysql://h/db"),
        ("postgresql:///db?host=/run/pg&user=u&password=p", "postgresql:///run/pg/db"),
        ("sqlite:////folder/shop.db", "sqlite:////folder/shop.db"),
        ("postgresql://u:p@ss/w@h/db", ""),
    ],
)
def test_a_place_has_no_user_and_no_password(url: str, place: str) -> None:
    assert describe_place(url) == place


def test_another_server_is_told_by_what_it_says_of_itself(tmp_path: Path) -> None:
    before, after = export_of(tmp_path), export_of(tmp_path, None, server_identity="two")
    assert "from another server" in describe_other_server(before, after)
    assert describe_other_server(before, before) == ""
