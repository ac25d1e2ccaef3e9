"""A catalogue is told of each job's run: that it began, what it read and wrote, and how it ended. Only if wanted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from chain.demo.pipeline import write_demo_pipeline
from chain.demo.rows import Shop
from chain.demo.shop import fill_shop
from chain.lineage.datasets import DatasetName, name_source, name_target
from staging.config.file import load_pipeline
from tests.warm import warm_python

CANARY = "canary-5512"
DAY = ("--day", "2026-10-25")


def penstock(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {
        "PENSTOCK_OPENLINEAGE": "1",
        "OPENLINEAGE__TRANSPORT__TYPE": "file",
        "OPENLINEAGE__TRANSPORT__LOG_FILE_PATH": str(folder / "events.json"),
        "OPENLINEAGE__TRANSPORT__APPEND": "true",
    }
    command = [warm_python(), "-m", "chain", *arguments, "--config", str(folder / "shop.toml")]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environ | more, check=False)


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.json").read_text().splitlines()]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    url = f"sqlite:///{tmp_path}/shop.db"
    fill_shop(url, Shop(1, 30, 900), replace=False, say=lambda _: None)
    write_demo_pipeline(tmp_path / "shop.toml", url=url, staging=(tmp_path / "s").as_uri(), shards=2)
    assert penstock(tmp_path, "init", PENSTOCK_OPENLINEAGE="").returncode == 0
    return tmp_path


def rebuild(event: dict[str, Any]) -> None:
    """Make each facet again by the class of its published schema: a field too many, or one that lacks, is an error."""
    datasets = [*event["inputs"], *event["outputs"]]
    kinds = (*(each["facets"] for each in datasets), *(each.get("outputFacets", {}) for each in datasets))
    for facets in (event["run"]["facets"], event["job"].get("facets", {}), *kinds):
        for facet in facets.values():
            name = facet["_schemaURL"].rpartition("/")[2]
            fields = {key: value for key, value in facet.items() if not key.startswith("_")}
            modules = [
                path.stem for path in Path(import_module("openlineage.client.generated").__path__[0]).glob("*.py")
            ]
            found = [getattr(import_module(f"openlineage.client.generated.{each}"), name, None) for each in modules]
            next(each for each in found if each)(**fields)


@pytest.mark.integration
def test_each_job_begins_and_completes_with_what_it_read_and_wrote(shop: Path) -> None:
    done = penstock(shop, "run", *DAY, "--json")
    assert done.returncode == 0, done.stderr
    report, told = json.loads(done.stdout), events(shop)
    assert [(event["eventType"], event["job"]["name"]) for event in told] == [
        (state, f"daily_revenue.{job}")
        for job in ("exporter", "processor", "loader")
        for state in ("START", "COMPLETE")
    ]
    for event in told:
        rebuild(event)
    ended = {event["job"]["name"].partition(".")[2]: event for event in told if event["eventType"] == "COMPLETE"}
    rows = {job: event["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] for job, event in ended.items()}
    assert rows == {
        "exporter": report["rows_exported"],
        "processor": report["rows_processed"],
        "loader": report["rows_loaded"],
    }
    for before, after in (("exporter", "processor"), ("processor", "loader")):
        for key in ("namespace", "name"):
            assert ended[before]["outputs"][0][key] == ended[after]["inputs"][0][key]
    assert len({event["run"]["facets"]["parent"]["run"]["runId"] for event in told}) == 1
    assert len({event["run"]["runId"] for event in told}) == 3
    lineage = ended["processor"]["outputs"][0]["facets"]["columnLineage"]["fields"]
    assert {name: [each["field"] for each in of["inputFields"]] for name, of in lineage.items()} == {
        "revenue": ["amount"],
        "user_id": ["user_id"],
    }
    assert [field["name"] for field in ended["exporter"]["inputs"][0]["facets"]["schema"]["fields"]] == [
        "user_id",
        "purchased_at",
        "amount",
    ]


@pytest.mark.integration
def test_a_job_that_fails_says_so_without_a_secret(shop: Path) -> None:
    config = shop / "shop.toml"
    config.write_text(config.read_text().replace(f"sqlite:///{shop}/shop.db", "env:SHOP_URL", 1))
    away = f"postgresql+psycopg://ada:{CANARY}@127.0.0.1:1/shop"
    assert penstock(shop, "run", *DAY, SHOP_URL=away).returncode == 20
    failed = events(shop)[-1]
    assert failed["eventType"] == "FAIL"
    assert failed["run"]["facets"]["errorMessage"]["message"]
    assert failed["inputs"][0]["namespace"] == "postgres://127.0.0.1:1"
    assert failed["inputs"][0]["name"] == "shop.public.purchases"
    assert CANARY not in (shop / "events.json").read_text()
    assert "ada" not in (shop / "events.json").read_text()


@pytest.mark.integration
def test_a_catalogue_that_is_away_is_a_warning_and_nothing_more(shop: Path) -> None:
    away = {"OPENLINEAGE__TRANSPORT__TYPE": "http", "OPENLINEAGE__TRANSPORT__URL": "http://127.0.0.1:1"}
    done = penstock(shop, "run", *DAY, **away)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning: lineage events were not sent") == 1


@pytest.mark.integration
def test_where_nobody_asks_the_client_is_not_imported() -> None:
    code = "import sys, chain.day.open_run; print([name for name in sys.modules if name.startswith('openlineage')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("url", "table", "is_named"),
    [
        ("postgresql+psycopg://ada:x@db/shop", "purchases", DatasetName("postgres://db:5432", "shop.public.purchases")),
        ("postgres://ada:x@db:6000/shop", "sales.p", DatasetName("postgres://db:6000", "shop.sales.p")),
        ("mysql+pymysql://ada:x@db/shop", "purchases", DatasetName("mysql://db:3306", "shop.purchases")),
        ("mariadb+pymysql://ada:x@db/shop", "other.p", DatasetName("mysql://db:3306", "other.p")),
        ("sqlite:////folder/shop.db", "purchases", DatasetName("file", "/folder/shop.db/purchases")),
        ("env:NOT_KNOWN_HERE", "purchases", DatasetName("unknown", "purchases")),
    ],
)
def test_a_table_is_named_as_other_tools_name_it(url: str, table: str, is_named: DatasetName, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(
        f'name = "p"\n[source]\nurl = "{url}"\ntable = "{table}"\nkey = "u"\ntime = "t"\ncolumns = ["a"]\n'
        'timezone = "UTC"\n[staging]\nurl = "gs://bucket/x"\n[target]\nparquet = "gs://lake/revenue"\n'
    )
    pipeline = load_pipeline(tmp_path / "p.toml", environ={})
    assert name_source(pipeline) == is_named
    assert name_target(pipeline) == DatasetName("gs://lake", "revenue")
