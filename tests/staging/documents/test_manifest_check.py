"""A manifest that contradicts itself or its place in one single thing is refused, and the thing is named."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from staging.documents.manifest import Manifest
from staging.documents.manifest_check import check_manifest
from staging.errors import IntegrityError
from staging.names import DayNames
from tests.shop.hand_made_export import DAY, EXPORT_ID, PIPELINE, HandMade, purchases

Document = dict[str, Any]
MADE = HandMade(lambda *_: 1, purchases(60), shards=3).manifest
NAMES = DayNames(PIPELINE, DAY)


def check(document: Document, export_id: str = EXPORT_ID) -> None:
    manifest = Manifest.parse(json.dumps(document).encode(), name="manifest.json")
    check_manifest(manifest, NAMES, export_id, name="manifest.json")


def swap(found: Document, one: int, other: int) -> None:
    columns = found["columns"]
    columns[one], columns[other] = columns[other], columns[one]


def shift_rows(found: Document) -> None:
    """From one shard to another: the total stays."""
    for shard, more in ((0, 1), (1, -1)):
        found["shards"][shard]["rows"] += more


def shift_sums(found: Document) -> None:
    del found["shards"][1]["sums"]["amount"]


def sum_of_no_column(found: Document) -> None:
    for each in (found, *found["shards"]):
        each["sums"]["tax"] = "0"


def by_file(found: Document) -> None:
    found["shard_function"] = "file"


BENT: dict[str, tuple[Callable[[Document], None], str]] = {
    "another pipeline": (lambda found: found.update(pipeline="another"), "lies at"),
    "another day": (lambda found: found.update(day="2026-11-15"), "lies at"),
    "a window of no time": (lambda found: found.update(window_end=found["window_start"]), "ends before it starts"),
    "a column twice": (lambda found: found["columns"].append(found["columns"][2]), "stands twice"),
    "time and money swapped": (lambda found: swap(found, 1, 2), "not key and time"),
    "key and time swapped": (lambda found: swap(found, 0, 1), "not key and time"),
    "another fingerprint": (lambda found: found.update(schema_fingerprint="0" * 64), "another fingerprint"),
    "shards in another order": (lambda found: found["shards"].reverse(), "not numbered"),
    "a row more in all": (lambda found: found.update(rows=found["rows"] + 1), "rows together"),
    "rows of a shard that its file has not": (shift_rows, "other rows than the shard"),
    "a file twice": (
        lambda found: found["shards"][0]["files"].append({**found["shards"][0]["files"][0], "rows": 0}),
        "names a file twice",
    ),
    "a file of another shard": (
        lambda found: found["shards"][0]["files"][0].update(name=found["shards"][1]["files"][0]["name"]),
        "is no file of shard 0",
    ),
    "a file that lies anywhere": (
        lambda found: found["shards"][0]["files"][0].update(name="x.parquet"),
        "is no file of shard 0",
    ),
    "files that nobody registered": (by_file, "not among the source's objects"),
    "another shard function": (lambda found: found.update(shard_function="xxh64"), "is not the shard function"),
    "a cent more in all": (lambda found: found["sums"].update(amount="1.23"), "don't add up"),
    "a sum of half a cent": (lambda found: found["sums"].update(amount="1.234"), "don't add up"),
    "a shard without its sum": (shift_sums, "is not there for every shard"),
    "a sum of no column": (lambda found: found["sums"].update(tax="0"), "is not there for every shard"),
    "a sum of no column, in every shard": (sum_of_no_column, "is not there for every shard"),
    "a sum that only a shard has": (lambda found: found["shards"][2]["sums"].update(tax="0"), "other control sums"),
}


def test_the_manifest_itself_is_taken() -> None:
    check(MADE)


@pytest.mark.parametrize("case", BENT)
def test_one_thing_that_does_not_fit_is_named(case: str) -> None:
    bend, named = BENT[case]
    found = copy.deepcopy(MADE)
    bend(found)
    with pytest.raises(IntegrityError, match=named):
        check(found)


def test_an_export_of_another_place_is_refused() -> None:
    with pytest.raises(IntegrityError, match="lies at"):
        check(MADE, "20261115T021500Z-0123456789ac")
