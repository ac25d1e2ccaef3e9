"""A manifest of several tables, or of other days' exports, is refused where one single thing of it does not fit."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from staging.documents.manifest import Manifest
from staging.documents.manifest_check import check_manifest
from staging.errors import IntegrityError
from staging.names import DayNames
from tests.exporter.days import pipeline, run_export, weekly
from tests.shop.net_shop import WITH, create_net_shop, make_net_shop

Document = dict[str, Any]
Bend = Callable[[Document], None]
MONDAY = date(2026, 11, 9)
"""Of the week that the shop's three days lie in."""


def check(document: Document) -> None:
    manifest = Manifest.parse(json.dumps(document).encode(), name="manifest.json")
    names = DayNames(document["pipeline"], date.fromisoformat(document["day"]))
    check_manifest(manifest, names, document["export_id"], name="manifest.json")


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Document]:
    """`tables`: a day of three tables in three shards. `week`: a week of days of four shards, in two."""
    folder = tmp_path_factory.mktemp("exports")
    url = f"sqlite:///{folder}/shop.db"
    create_net_shop(url, make_net_shop())
    tables = run_export(pipeline(url, folder / "tables", export={"shards": 3}, **{"with": WITH}))
    for number in range(7):
        day, shards = MONDAY + timedelta(days=number), 4 if number % 2 else 6
        daily = pipeline(url, folder / "days", export={"shards": shards})
        run_export(daily, day=day, run_id=f"run-{number:04}", now=datetime(2026, 12, 1, tzinfo=UTC))
    now = datetime(2026, 12, 1, tzinfo=UTC)
    week = run_export(weekly(url, folder / "days"), day=MONDAY, run_id="week-0001", now=now)
    return {"tables": tables.manifest, "week": week.manifest}


@pytest.mark.parametrize("made", ["tables", "week"])
def test_what_was_exported_is_taken(exports: dict[str, Document], made: str) -> None:
    check(exports[made])


def table(found: Document, name: str) -> Document:
    return next(each for each in found["tables"] if each["name"] == name)


def first_file(found: Document) -> Document:
    """The file of a shard's first day that has one."""
    return next(file for shard in found["shards"] for file in shard["files"])


def rename(found: Document, old: str, new: str) -> None:
    file = first_file(found)
    assert old in file["name"]
    file["name"] = file["name"].replace(old, new)


def swap_tables_columns(found: Document, name: str, one: int, other: int) -> None:
    columns = table(found, name)["columns"]
    columns[one], columns[other] = columns[other], columns[one]


def move_rows(found: Document) -> None:
    """From one shard of the refunds to another: the total stays, and each file says what it said."""
    for shard, more in ((0, 1), (1, -1)):
        table(found, "refunds")["shards"][shard]["rows"] += more


def take_file_of(found: Document, name: str) -> None:
    """A shard of the refunds takes the file of another table's shard of that number."""
    of = found if name == "purchases" else table(found, name)
    table(found, "refunds")["shards"][0]["files"][0]["name"] = of["shards"][0]["files"][0]["name"]


def another_key_type(found: Document) -> None:
    found["columns"][0]["dtype"] = "Int32"
    found["schema_fingerprint"] = fingerprint_of(found)


def fingerprint_of(found: Document) -> str:
    from staging.columns.types import fingerprint

    found = {**found, "schema_fingerprint": "0" * 64}
    return fingerprint(Manifest.parse(json.dumps(found).encode(), name="manifest.json").columns)


OF_TABLES: dict[str, tuple[Bend, str]] = {
    "a table twice": (lambda found: found["tables"].append(table(found, "users")), "names a table twice"),
    "a table's key behind its time": (
        lambda found: swap_tables_columns(found, "refunds", 0, 1),
        "table refunds: its first columns are not key and time",
    ),
    "a table's time behind its money": (
        lambda found: swap_tables_columns(found, "refunds", 1, 2),
        "table refunds: its first columns are not key and time",
    ),
    "a key behind what is carried": (
        lambda found: swap_tables_columns(found, "users", 0, 1),
        "table users: its first columns are not key and time",
    ),
    "a table's fingerprint": (
        lambda found: table(found, "users").update(schema_fingerprint="0" * 64),
        "table users: its schema has another fingerprint",
    ),
    "a leading key of another type": (another_key_type, "its key has other types than the leading table's"),
    "a shard less": (lambda found: table(found, "users")["shards"].pop(), "table users: it has other shards"),
    "shards in another order": (
        lambda found: table(found, "refunds")["shards"].reverse(),
        "table refunds: it has other shards",
    ),
    "keys without a row, not counted": (
        lambda found: table(found, "users").update(keys_without_row=None),
        "keys without a row are counted",
    ),
    "keys without a row of a table with a time": (
        lambda found: table(found, "refunds").update(keys_without_row=0),
        "keys without a row are counted",
    ),
    "a row more": (
        lambda found: table(found, "refunds").update(rows=table(found, "refunds")["rows"] + 1),
        "table refunds: its shards have .* rows together",
    ),
    "rows of a shard that its file has not": (move_rows, "table refunds: the files of shard 0 have other rows"),
    "a file of the leading table": (lambda found: take_file_of(found, "purchases"), "is no file of shard 0"),
    "a file of another table": (lambda found: take_file_of(found, "users"), "is no file of shard 0"),
    "a cent more": (lambda found: table(found, "refunds")["sums"].update(amount="1.23"), "don't add up"),
    "a sum of no column": (lambda found: table(found, "refunds")["sums"].update(tax="0"), "is not there"),
}


OF_DAYS: dict[str, tuple[Bend, str]] = {
    "no name of ours": (lambda found: first_file(found).update(name="x.parquet"), "is of no export"),
    "no shard": (
        lambda found: first_file(found).update(name=first_file(found)["name"].split("/shard=")[0] + "/manifest.json"),
        "is of no export",
    ),
    "another table's shard": (lambda found: rename(found, "/shard=", "/table=refunds/shard="), "is of no export"),
    "another pipeline": (lambda found: rename(found, "daily_revenue/", "monthly_revenue/"), "is of no export"),
    "another day": (
        lambda found: rename(found, first_file(found)["name"].split("/")[1], "day=2026-11-30"),
        "is of no export",
    ),
    "another export": (
        lambda found: rename(found, first_file(found)["name"].split("/")[2], "export=20261201T000000Z-0123456789ab"),
        "is of no export",
    ),
    "an export that the source does not name": (lambda found: found["source"].update(exports=[]), "is no file of"),
    "keys of another shard": (
        lambda found: rename(found, "/shard=00000/", "/shard=00001/"),
        "holds no keys of shard 0",
    ),
    "rows that the files have not": (lambda found: first_file(found).update(rows=10**6), "have other rows"),
}


@pytest.mark.parametrize("case", OF_TABLES)
def test_one_thing_of_another_table_that_does_not_fit_is_named(exports: dict[str, Document], case: str) -> None:
    bend, named = OF_TABLES[case]
    found = copy.deepcopy(exports["tables"])
    bend(found)
    with pytest.raises(IntegrityError, match=named):
        check(found)


@pytest.mark.parametrize("case", OF_DAYS)
def test_one_file_of_another_day_that_does_not_fit_is_named(exports: dict[str, Document], case: str) -> None:
    bend, named = OF_DAYS[case]
    found = copy.deepcopy(exports["week"])
    bend(found)
    with pytest.raises(IntegrityError, match=named):
        check(found)


@pytest.mark.parametrize(
    ("wrong_sums", "told"),
    [(4, "; its shards have other control sums than it has"), (5, "; and 1 more"), (6, "; and 2 more")],
)
def test_five_faults_are_shown_and_the_others_counted(exports: dict[str, Document], wrong_sums: int, told: str) -> None:
    """Each sum of no column is a fault, and that the shards have others than the whole is one, too."""
    found = copy.deepcopy(exports["week"])
    found["sums"].update({f"tax{number}": "0" for number in range(wrong_sums)})
    with pytest.raises(IntegrityError) as refused:
        check(found)
    assert refused.value.why.endswith(told)
