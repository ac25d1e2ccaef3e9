"""A catalogue is told of each job's run: that it began, what it read and wrote, and how it ended. Only if wanted."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from chain.demo.pipeline import write_demo_pipeline
from chain.demo.rows import Shop
from chain.demo.shop import fill_shop
from chain.lineage.datasets import DatasetName, name_source, name_target
from chain.new.example import copy_example
from staging.config.file import load_pipeline
from tests.chain.lineage.published import faults_of
from tests.shop.net_shop import create_net_shop, make_net_shop
from tests.warm import warm_python

CANARY = "canary-5512"
ACCOUNT = "wilhelmina"  # no text of hexadecimal digits, as run ids are
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


class Catalogue:
    """A catalogue over HTTP: takes events at OpenLineage's own path, and keeps them."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.address = ""


@pytest.fixture
def catalogue() -> Iterator[Catalogue]:
    seen = Catalogue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            is_there = self.path == "/api/v1/lineage"
            if is_there:
                seen.events.append(json.loads(body))
                seen.keys.add(self.headers.get("Authorization"))
            self.send_response(201 if is_there else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        seen.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield seen
        finally:
            server.shutdown()
            thread.join()


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
    assert [faults_of(event) for event in told] == [[]] * 6
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
def test_a_catalogue_over_http_hears_of_every_table_of_the_instant_and_what_is_made_of_which(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    create_net_shop(url, make_net_shop(rows=60))
    for path in copy_example("net_revenue", tmp_path / "shop.toml"):
        text = path.read_text().replace("env:SHOP_URL", url).replace("env:WAREHOUSE_URL", url)
        path.write_text(text.replace("gs://my-bucket/penstock", (tmp_path / "s").as_uri()))
    over = {"OPENLINEAGE__TRANSPORT__TYPE": "http", "OPENLINEAGE__TRANSPORT__URL": catalogue.address}
    key = {"OPENLINEAGE__TRANSPORT__AUTH__TYPE": "api_key", "OPENLINEAGE__TRANSPORT__AUTH__APIKEY": CANARY}
    assert penstock(tmp_path, "init", PENSTOCK_OPENLINEAGE="").returncode == 0
    done = penstock(tmp_path, "run", "--day", "2026-11-14", "--set", "export.allow_full_scan=true", **over, **key)
    assert done.returncode == 0, done.stderr
    assert catalogue.keys == {f"Bearer {CANARY}"}
    assert CANARY not in json.dumps(catalogue.events) + done.stdout + done.stderr
    assert [faults_of(event) for event in catalogue.events] == [[]] * 6
    ended = {
        each["job"]["name"].partition(".")[2]: each for each in catalogue.events if each["eventType"] == "COMPLETE"
    }
    read = [(each["namespace"], each["name"]) for each in ended["exporter"]["inputs"]]
    assert read == [("file", f"{tmp_path}/shop.db/{table}") for table in ("purchases", "refunds", "users")]
    inputs = [{key: value for key, value in each.items() if value} for each in ended["processor"]["inputs"]]
    assert inputs == [as_read(each) for each in ended["exporter"]["outputs"]]
    exports = f"{tmp_path}/s/net_revenue/exports"
    (parts,) = ended["processor"]["outputs"]
    made = parts["facets"]["columnLineage"]["fields"]
    assert {name: [(each["name"], each["field"]) for each in of["inputFields"]] for name, of in made.items()} == {
        "user_id": [(exports, "user_id")],
        "net": [(exports, "amount"), (f"{exports}/refunds", "amount")],
    }
    fields = [each["name"] for each in ended["exporter"]["inputs"][2]["facets"]["schema"]["fields"]]
    assert fields == ["id", "country"]


def as_read(dataset: dict[str, Any]) -> dict[str, Any]:
    """What the next job reads: the same data set, whose rows and column lineage were its writer's to tell."""
    told = {key: value for key, value in dataset.items() if key not in ("outputFacets", "inputFacets")}
    return told | {"facets": {"schema": dataset["facets"]["schema"]}}


def test_an_event_that_the_published_schema_does_not_know_is_found() -> None:
    url = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
    run = {"runId": "00000000-0000-0000-0000-000000000001", "facets": {}}
    event: dict[str, Any] = {
        "eventTime": "2026-11-14T00:00:00+00:00",
        "eventType": "START",
        "producer": "https://x",
        "schemaURL": url,
        "run": run,
        "job": {"namespace": "n", "name": "j"},
        "inputs": [],
        "outputs": [],
    }
    assert faults_of(event) == []
    for change in (
        {"eventTime": "yesterday"},
        {"eventTime": "2026-11-14T00:00:00"},
        {"eventType": "BEGIN"},
        {"run": {"runId": "7", "facets": {}}},
        {"job": {"name": "j"}},
        {"inputs": [{"namespace": "n"}]},
    ):
        assert len(faults_of({**event, **change})) == 1, change


@pytest.mark.integration
def test_a_job_that_fails_says_so_without_a_secret(shop: Path) -> None:
    config = shop / "shop.toml"
    config.write_text(config.read_text().replace(f"sqlite:///{shop}/shop.db", "env:SHOP_URL", 1))
    away = f"postgresql+psycopg://{ACCOUNT}:{CANARY}@127.0.0.1:1/shop"
    assert penstock(shop, "run", *DAY, SHOP_URL=away).returncode == 20
    failed = events(shop)[-1]
    assert failed["eventType"] == "FAIL"
    assert failed["run"]["facets"]["errorMessage"]["message"]
    assert failed["inputs"][0]["namespace"] == "postgres://127.0.0.1:1"
    assert failed["inputs"][0]["name"] == "shop.public.purchases"
    assert CANARY not in (shop / "events.json").read_text()
    assert ACCOUNT not in (shop / "events.json").read_text()


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
