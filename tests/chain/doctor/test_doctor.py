"""`penstock doctor` on real databases, a bucket and an emulator of Cloud Run: everything is looked at, in one go."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from chain.doctor import bucket as doctor_bucket
from chain.doctor.bucket import examine_store
from chain.doctor.view import format_finding
from staging.errors import InputError
from staging.open_store import open_store
from staging.process.finding import Finding, fault
from staging.store import ObjectInfo, Store
from tests.chain.jobs.cloudrun.harness import emulator_process
from tests.chain.terminal import on_terminal, plain
from tests.servers.fake_gcs import FakeGcsServer
from tests.servers.gcs_proxy import GcsProxy
from tests.servers.server import PASSWORD
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database
from tests.warm import warm_python

pytestmark = pytest.mark.integration

ROLE_PASSWORD = "other@pass:word/%"


def penstock(*arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [warm_python(), "-m", "chain", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "80"} | environ,
        timeout=120,
        check=False,
    )


def _config(folder: Path, staging: str | None = None, more: str = "") -> Path:
    (folder / "stage").mkdir(exist_ok=True)
    path = folder / "daily.toml"
    path.write_text(f"""\
name = "daily_revenue"
[source]
url = "env:SHOP"
table = "purchases"
key = "user_id"
time = "purchased_at"
columns = ["amount"]
timezone = "Europe/Berlin"
[staging]
url = "{staging or (folder / "stage").as_uri()}"
[target]
url = "env:WAREHOUSE"
table = "revenue"
{more}""")
    return path


def _shop(url: str, *, indexed: bool = True, time: str | None = None) -> Database:
    columns = {"id": None, "amount": "decimal(10,2) NOT NULL"} | ({"purchased_at": f"{time} NOT NULL"} if time else {})
    return create_purchases(url, [(1, "2026-11-14 12:00:00", "1.50")], columns=columns, index=indexed)


def _look(config: Path, url: str, target: str | None = None, *more: str, code: int = 0, **environ: str) -> Any:
    done = penstock("doctor", "--config", config, "--json", *more, SHOP=url, WAREHOUSE=target or url, **environ)
    assert done.returncode == code, done.stdout + done.stderr
    for secret in (PASSWORD, sa.engine.URL.create("x", password=PASSWORD).render_as_string(False), ROLE_PASSWORD):
        assert secret not in done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["ok"] is (code == 0)
    return {check["name"]: check for check in found["checks"]}


def _levels(found: dict[str, Any], level: str) -> list[str]:
    return [name for name, check in found.items() if check["level"] == level]


@pytest.mark.parametrize("server", ["postgres_database", "mariadb_database", "mysql_database", "sqlite_database"])
def test_all_is_well_and_nothing_is_left_in_the_bucket(
    server: str, request: pytest.FixtureRequest, gcs_bucket: str, gcs_endpoint: str, tmp_path: Path
) -> None:
    url = request.getfixturevalue(server)
    _shop(url)
    config = _config(tmp_path, f"{gcs_bucket}/some/prefix")
    assert penstock("init", "--config", config, SHOP=url, WAREHOUSE=url).returncode == 0
    found = _look(config, url)
    assert _levels(found, "fault") == []
    assert found["staging writes"]["level"] == "ok"
    assert {"source", "source driver", "source clock", "source columns", "source right", "source index", "source time",
            "transform", "target", "target tables", "target fit", "staging", "staging clock", "staging rights",
            "jobs"} <= found.keys()  # fmt: skip
    with urllib.request.urlopen(f"{gcs_endpoint}/storage/v1/b/{gcs_bucket.removeprefix('gs://')}/o") as response:
        assert json.loads(response.read()).get("items", []) == []


def test_every_fault_is_found_in_one_go_each_with_its_fix(
    mysql_family_database: str, gcs_bucket: str, tmp_path: Path
) -> None:
    database = _shop(mysql_family_database, indexed=False)
    database.execute("INSERT INTO purchases SELECT seq, '2026-11-14 12:00:00', 1.50 FROM seq_1_to_130000")
    database.execute("ANALYZE TABLE purchases")
    config = _config(tmp_path, "gs://no-such-bucket-here")
    found = _look(config, mysql_family_database, None, "--set", "process.transform=own:nothing", code=10)
    faults = _levels(found, "fault")
    assert faults == ["source index", "transform", "target table", "target ledger", "staging"]
    assert all(found[name]["fix"] for name in faults)
    assert "CREATE INDEX" in found["source index"]["fix"]
    assert "penstock init" in found["target table"]["fix"]
    assert found["source right"]["level"] == "ok"


def test_what_depends_on_a_dead_source_is_told_not_to_be_known(sqlite_database: str, tmp_path: Path) -> None:
    _shop(sqlite_database)
    config = _config(tmp_path)
    assert penstock("init", "--config", config, SHOP=sqlite_database, WAREHOUSE=sqlite_database).returncode == 0
    dead = "mysql+pymysql://u:other%40pass%3Aword%2F%25@127.0.0.1:9/x"
    found = _look(config, dead, sqlite_database, code=20)  # trying again may help
    assert _levels(found, "fault") == ["source"]
    assert _levels(found, "warning") == ["transform", "target fit"]
    assert found["staging writes"]["level"] == "ok"


def test_a_variable_that_is_not_set_stops_nothing_else(sqlite_database: str, tmp_path: Path) -> None:
    _shop(sqlite_database)
    config = _config(tmp_path)
    done = penstock("doctor", "--config", config, "--json", WAREHOUSE=sqlite_database)
    assert done.returncode == 10
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert "variable SHOP is not set" in found["source"]["text"]
    assert {"target", "staging writes", "jobs"} <= found.keys()


def _far_from_midnight(path: Path) -> None:
    """Let it be noon where the days are: within its grace yesterday is not over, and nothing else is told."""
    ahead = 12 - datetime.now(UTC).hour
    path.write_text(path.read_text().replace("Europe/Berlin", f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"))


def test_a_missing_right_is_named_and_so_is_one_that_makes_us_wait_longer(
    postgres_database: str, tmp_path: Path
) -> None:
    database = _shop(postgres_database)
    config = _config(tmp_path)
    _far_from_midnight(config)
    assert penstock("init", "--config", config, SHOP=postgres_database, WAREHOUSE=postgres_database).returncode == 0
    role = f"reader_{os.getpid()}_{id(database)}"
    database.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{ROLE_PASSWORD}'")
    url = sa.make_url(postgres_database).set(username=role, password=ROLE_PASSWORD).render_as_string(False)
    try:
        found = _look(config, url, postgres_database, code=10)
        fault = next(check for name, check in found.items() if check["level"] == "fault" and "source" in name)
        assert "permission" in fault["text"].lower()
        database.execute(f"GRANT SELECT ON purchases TO {role}")
        found = _look(config, url, postgres_database)
        assert found["source right"]["level"] == "ok"
        assert found["source day end"]["level"] == "warning"
        assert found["source day end"]["fix"].startswith("GRANT pg_read_all_stats TO ")
        database.execute(f"GRANT pg_read_all_stats TO {role}")
        assert _look(config, url, postgres_database)["source day end"]["level"] == "ok"
        found = _look(config, postgres_database, url, code=10)
        assert "penstock_ledger" in found["target fit"]["text"] or "revenue" in found["target fit"]["text"]
    finally:
        database.execute(f"DROP OWNED BY {role}")
        database.execute(f"DROP ROLE {role}")


def test_a_server_whose_own_clock_shows_another_zone_is_told(mysql_family_database: str, tmp_path: Path) -> None:
    _shop(mysql_family_database, time="datetime")
    config = _config(tmp_path)
    assert (
        penstock("init", "--config", config, SHOP=mysql_family_database, WAREHOUSE=mysql_family_database).returncode
        == 0
    )
    found = _look(config, mysql_family_database)
    ((zone,),) = Database(mysql_family_database).execute("SELECT @@GLOBAL.time_zone")
    assert found["source time"]["level"] == "warning"
    assert f"zone is {zone}" in found["source time"]["text"]


def test_it_fits_eighty_columns_and_says_how_many_faults(sqlite_database: str, tmp_path: Path) -> None:
    _shop(sqlite_database)
    line = [warm_python(), "-m", "chain", "doctor", "--config", str(_config(tmp_path))]
    code, screen = on_terminal(line, tmp_path, SHOP=sqlite_database, WAREHOUSE=sqlite_database, NO_COLOR="1")
    lines = [line for line in plain(screen) if line and str(tmp_path) not in line]
    assert code == 10
    assert max(map(len, lines)) <= 80
    assert {line[:4] for line in lines if line[:1] != " "} >= {"ok  ", "warn", "FAIL"}
    assert "can't run as it is: 2 faults" in screen


class _Overwriting:
    """A store whose service ignores preconditions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, name: str, data: bytes) -> ObjectInfo:
        if (found := self._store.find(name)) is not None:
            self._store.delete(name, generation=found.generation)
        return self._store.create(name, data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_a_bucket_that_overwrites_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def overwriting(url: str) -> Iterator[Any]:
        with open_store(url) as store:
            yield _Overwriting(store)

    monkeypatch.setattr(doctor_bucket, "open_store", overwriting)
    found: list[Finding] = list(examine_store("staging", tmp_path.as_uri(), lambda: datetime.now(UTC)))
    faults = [finding for finding in found if finding.level == "fault"]
    assert [finding.name for finding in faults] == ["staging writes"]
    assert "if_generation_match" in faults[0].text


def test_an_account_that_may_create_and_not_replace_is_told_before_a_run(
    gcs_server: FakeGcsServer, gcs_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = GcsProxy(gcs_server.endpoint, lambda permission, _: permission != "storage.objects.delete")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.endpoint)
    try:
        found = list(examine_store("staging", gcs_bucket, lambda: datetime.now(UTC), folder="heads/doctor"))
    finally:
        proxy.close()
    faults = [finding for finding in found if finding.level == "fault"]
    assert [finding.name for finding in faults] == ["staging replaces"]
    assert "storage.objects.delete" in faults[0].text
    assert "on the heads" in faults[0].fix


def test_a_pause_is_told(sqlite_database: str, tmp_path: Path) -> None:
    _shop(sqlite_database)
    config = _config(tmp_path)
    penstock("pause", "--config", config, "--reason", "stock taking", SHOP=sqlite_database, WAREHOUSE=sqlite_database)
    found = _look(config, sqlite_database, code=10)
    assert "stock taking" in found["pause"]["text"]


def test_the_place_where_jobs_run_is_looked_at(sqlite_database: str, tmp_path: Path) -> None:
    _shop(sqlite_database)
    config = _config(tmp_path, more='[cloud.secrets]\nSHOP = "shop"\nWAREHOUSE = "warehouse"\n')
    assert penstock("init", "--config", config, SHOP=sqlite_database, WAREHOUSE=sqlite_database).returncode == 0
    with emulator_process(tmp_path, "") as emulator:
        found = _look(config, sqlite_database, RUN_EMULATOR_HOST=emulator.address)
        assert "daily-revenue-exporter is made by the first run" in found["job exporter"]["text"]
    dead = _look(config, sqlite_database, code=20, RUN_EMULATOR_HOST=emulator.address)
    assert {"job exporter", "job processor", "job loader"} == set(_levels(dead, "fault"))


def test_a_cloud_that_misses_settings_is_a_fault_before_anything_is_called(
    sqlite_database: str, tmp_path: Path
) -> None:
    _shop(sqlite_database)
    cloud = '[cloud]\nproject = "some-project"\nregion = "europe-west1"\n'
    config = _config(tmp_path, more=cloud)
    assert penstock("init", "--config", config, SHOP=sqlite_database, WAREHOUSE=sqlite_database).returncode == 0
    found = _look(config, sqlite_database, code=10)
    assert _levels(found, "fault") == ["jobs"]
    assert "can't be reached from Cloud Run" in found["jobs"]["text"]


def test_without_process_mariadb_makes_us_wait_longer(mysql_family_database: str, tmp_path: Path) -> None:
    database = _shop(mysql_family_database)
    config = _config(tmp_path)
    _far_from_midnight(config)
    assert (
        penstock("init", "--config", config, SHOP=mysql_family_database, WAREHOUSE=mysql_family_database).returncode
        == 0
    )
    role = f"reader_{tmp_path.name[-8:].replace('-', '')}"
    database.execute(f"CREATE USER {role} IDENTIFIED BY '{ROLE_PASSWORD}'")
    url = sa.make_url(mysql_family_database).set(username=role, password=ROLE_PASSWORD).render_as_string(False)
    try:
        database.execute(f"GRANT SELECT ON purchases TO {role}")
        found = _look(config, url, mysql_family_database)
        assert found["source day end"]["level"] == "warning"
        assert found["source day end"]["fix"].startswith("GRANT PROCESS ON *.* TO ")
        database.execute(f"GRANT PROCESS ON *.* TO {role}")
        assert _look(config, url, mysql_family_database)["source day end"]["level"] == "ok"
    finally:
        database.execute(f"DROP USER {role}")


def test_the_lines_of_a_librarys_error_are_one_sentence_here() -> None:
    error = InputError(
        "It can't be planned.", why='unable to find "amoutn"\n\tDid you mean "amount"?', fix="Correct it."
    )
    told = format_finding(
        fault("transform", error), style=lambda text, **_: str(text), columns=1_000_000, has_signs=False
    )
    assert told.splitlines()[0].endswith('It can\'t be planned. unable to find "amoutn" Did you mean "amount"?')
