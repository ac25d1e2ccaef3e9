"""What jobs elsewhere get to know: the whole pipeline, no password, and no URL that is not their business."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chain.jobs.cloud_settings import (
    check_filled,
    plan_chain_setting,
    plan_secrets,
    plan_settings,
)
from chain.jobs.cloudrun.place import parse_emulator, plan_job_id
from chain.jobs.port import JobName
from chain.jobs.settings import CONFIG_ARGUMENT, VARIABLE
from staging.config.cloud_checks import check_job_id
from staging.config.file import load_pipeline
from staging.config.pipeline import Pipeline
from staging.errors import InputError
from tests.chain.jobs.cloudrun.harness import BASE, a_pipeline

JOBS: tuple[JobName, ...] = ("exporter", "processor", "loader")
MORE = """\
[export]
shards = 32
[process]
tasks = 7
[cloud]
project = "acme"
region = "r"
[cloud.secrets]
SHOP_URL = "shop-url"
REVENUE_URL = "revenue-url"
TOKEN = "token"
"""


def load_in_job(variables: dict[str, str]) -> Pipeline:
    return load_pipeline(Path(CONFIG_ARGUMENT), environ=variables)


def with_urls(folder: Path, source: str, target: str = "env:REVENUE_URL") -> Pipeline:
    path = folder / "urls.toml"
    path.write_text((BASE + MORE).replace("env:SHOP_URL", source).replace("env:REVENUE_URL", target))
    return load_pipeline(path, environ={}, overrides=["source.where=a = 'ü'"])


def test_a_job_reads_from_its_variable_what_the_chain_read_from_file_environment_and_flags(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(BASE + MORE, encoding="utf-8")
    environ = {"PENSTOCK_PROCESS__MAX_RETRIES": "9", "PENSTOCK_TARGET__SCHEMA": ""}
    pipeline = load_pipeline(path, environ=environ, overrides=["source.where=a = 'ü\"'", "source.columns=amount,fee"])
    variables = plan_settings(pipeline, storage_is_local=False)
    for job in JOBS:
        loaded = load_in_job(variables[job])
        for section in ("name", "staging", "export", "process", "load"):
            assert getattr(loaded, section) == getattr(pipeline, section)
        for section in ("source", "target"):
            urls = {"url", "url_"}
            found, given = getattr(loaded, section), getattr(pipeline, section)
            assert found.model_dump(exclude=urls) == given.model_dump(exclude=urls)
        assert loaded.cloud.project is None


def test_each_job_gets_its_own_url_and_no_other(tmp_path: Path) -> None:
    variables = plan_settings(with_urls(tmp_path, "postgresql://reader@host/shop"), storage_is_local=False)
    urls = {job: [json.loads(variables[job][VARIABLE])[side]["url"] for side in ("source", "target")] for job in JOBS}
    withheld = "env:PENSTOCK_URL_IS_WITHHELD"
    assert urls == {
        "exporter": ["postgresql://reader@host/shop", withheld],
        "processor": [withheld, withheld],
        "loader": [withheld, "env:REVENUE_URL"],
    }
    with pytest.raises(InputError, match="PENSTOCK_URL_IS_WITHHELD is not set"):
        load_in_job(variables["processor"]).source.url.reveal()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter2@host/db",
        "mysql+pymysql://u:p%40%3Ahunter2@host/db",
        "mysql+pymysql://:hunter2@host/db",
        "postgresql://u:p/hunter2@host/db",
        "postgresql://u@host/db?password=hunter2",
        "mssql+pyodbc://u@host/db?x=1&PWD=hunter2",
    ],
)
def test_a_url_with_a_password_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match=r"source\.url holds a password") as caught:
        plan_settings(with_urls(tmp_path, url), storage_is_local=False)
    assert "hunter2" not in str(caught.value)
    assert "[cloud.secrets]" in caught.value.fix


@pytest.mark.parametrize(
    "url", ["env:SHOP_URL", "file:/secrets/shop", "postgresql://reader@host:5432/db", "sqlite:////data/a:b.db"]
)
def test_a_url_without_a_password_travels_as_it_is(tmp_path: Path, url: str) -> None:
    variables = plan_settings(with_urls(tmp_path, url), storage_is_local=False)
    assert load_in_job(variables["exporter"]).source.url.reference == url


def test_a_folder_is_no_staging_for_the_cloud(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(BASE.replace("gs://bucket/prefix", "file:///folder"))
    pipeline = load_pipeline(path, environ={})
    with pytest.raises(InputError, match="file:///folder can't be reached"):
        plan_settings(pipeline, storage_is_local=False)
    assert plan_settings(pipeline, storage_is_local=True)


def test_a_pipeline_that_no_variable_can_hold_is_refused(tmp_path: Path) -> None:
    pipeline = a_pipeline(tmp_path)
    source = pipeline.source.model_copy(update={"where": "x" * 33_000})
    with pytest.raises(InputError, match="too long"):
        plan_settings(pipeline.model_copy(update={"source": source}), storage_is_local=True)


def test_secrets_of_a_url_go_to_the_job_that_connects_and_others_to_all(tmp_path: Path) -> None:
    pipeline = a_pipeline(tmp_path, MORE)
    assert plan_secrets(pipeline, "exporter") == {"SHOP_URL": "shop-url", "TOKEN": "token"}
    assert plan_secrets(pipeline, "processor") == {"TOKEN": "token"}
    assert plan_secrets(pipeline, "loader") == {"REVENUE_URL": "revenue-url", "TOKEN": "token"}


def test_a_python_sources_key_goes_to_the_exporter_alone(tmp_path: Path) -> None:
    path = tmp_path / "python.toml"
    text = (BASE + MORE).replace('url = "env:SHOP_URL"', 'python = "api:read"')
    path.write_text(
        "".join(line for line in text.splitlines(keepends=True) if not line.startswith('table = "purchases'))
    )
    pipeline = load_pipeline(path, environ={})
    assert plan_secrets(pipeline, "exporter") == {"SHOP_URL": "shop-url", "TOKEN": "token"}
    assert plan_secrets(pipeline, "processor") == {}
    assert plan_secrets(pipeline, "loader") == {"REVENUE_URL": "revenue-url"}


def test_a_job_gets_the_secrets_that_name_it(tmp_path: Path) -> None:
    pipeline = a_pipeline(tmp_path, MORE + '[cloud.processor.secrets]\nRATE = "rate"\nTOKEN = "its-own"\n')
    assert plan_secrets(pipeline, "processor") == {"TOKEN": "its-own", "RATE": "rate"}
    assert "RATE" not in plan_secrets(pipeline, "exporter")


def test_one_variable_for_both_urls_goes_to_both_jobs(tmp_path: Path) -> None:
    pipeline = with_urls(tmp_path, "env:SHOP_URL", "env:SHOP_URL")
    assert [("SHOP_URL" in plan_secrets(pipeline, job)) for job in JOBS] == [True, False, True]


def test_a_variable_that_nothing_fills_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Nothing on Cloud Run fills the variable SHOP_URL") as caught:
        check_filled(a_pipeline(tmp_path), "exporter")
    assert 'SHOP_URL = "name-of-the-secret"' in caught.value.fix
    check_filled(a_pipeline(tmp_path), "processor")
    for job in JOBS:
        check_filled(a_pipeline(tmp_path, MORE), job)


@pytest.mark.parametrize("text", [None, "", "[]", "name = 1", '"x"'])
def test_a_variable_that_holds_no_pipeline_is_named(text: str | None) -> None:
    with pytest.raises(InputError, match="PENSTOCK_PIPELINE does not hold a pipeline"):
        load_in_job({} if text is None else {VARIABLE: text})


def test_faults_of_a_pipeline_in_a_variable_are_named_by_key() -> None:
    with pytest.raises(InputError, match="source: the section") as caught:
        load_in_job({VARIABLE: '{"name": "x", "extra": 1}'})
    assert "extra: there is no such key" in str(caught.value)


@pytest.mark.parametrize(
    ("pipeline", "job_id"),
    [("daily_revenue", "daily-revenue-exporter"), ("a", "a-exporter"), ("x-_", "x-exporter")],
)
def test_a_jobs_id_comes_from_the_pipelines_name(pipeline: str, job_id: str) -> None:
    assert plan_job_id(pipeline, "exporter") == check_job_id(job_id)


def test_long_names_get_ids_that_fit_and_differ() -> None:
    names = ["a" * 62 + end for end in "bc"]
    ids = [check_job_id(plan_job_id(name, job)) for name in names for job in JOBS]
    assert len(set(ids)) == 6


@pytest.mark.parametrize("text", ["127.0.0.1:8123", "http://127.0.0.1:8123/", " 127.0.0.1:8123 "])
def test_the_emulators_address_may_be_written_as_a_url(text: str) -> None:
    assert parse_emulator(text) == "127.0.0.1:8123"
    assert parse_emulator("[::1]:8123") == "[::1]:8123"


@pytest.mark.parametrize("text", ["8123", "host", "https://host:1", "a b:1", "host:port", "host:1/path"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="RUN_EMULATOR_HOST"):
        parse_emulator(text)


def test_files_of_a_folder_can_not_be_reached_from_elsewhere_and_those_of_a_bucket_need_no_secret(
    tmp_path: Path,
) -> None:
    path = tmp_path / "p.toml"
    table = BASE.replace('url = "env:SHOP_URL"\ntable = "purchases"', 'parquet = "{source}"')
    lake = table.replace('url = "env:REVENUE_URL"\ntable = "revenue"', 'parquet = "{target}"')
    for source, target, told in (
        ("file:///lake/*.parquet", "gs://warehouse/revenue", "source.parquet is file:///lake"),
        ("gs://lake/*.parquet", "file:///revenue", "target.parquet is file:///revenue"),
    ):
        path.write_text(lake.replace("{source}", source).replace("{target}", target), encoding="utf-8")
        with pytest.raises(InputError, match=told):
            plan_settings(load_pipeline(path, environ={}), storage_is_local=False)
    beside = '[source.with.visits]\nparquet = "file:///lake/*.parquet"\nkey = "user_id"\ncolumns = ["pages"]\n'
    path.write_text(BASE + beside, encoding="utf-8")
    with pytest.raises(InputError, match=r"source\.with\.visits\.parquet is file:///lake"):
        plan_settings(load_pipeline(path, environ={}), storage_is_local=False)
    path.write_text(BASE + beside.replace("file:///lake", "gs://lake"), encoding="utf-8")
    for variables in plan_settings(load_pipeline(path, environ={}), storage_is_local=False).values():
        assert load_in_job(variables).source.with_["visits"].parquet == "gs://lake/*.parquet"
    path.write_text(
        lake.replace("{source}", "gs://lake/*.parquet").replace("{target}", "gs://warehouse/r"), encoding="utf-8"
    )
    pipeline = load_pipeline(path, environ={})
    for job, variables in plan_settings(pipeline, storage_is_local=False).items():
        assert load_in_job(variables).source.parquet == "gs://lake/*.parquet"
        assert load_in_job(variables).target.parquet == "gs://warehouse/r"
        check_filled(pipeline, job)


def in_parts(folder: Path, source: str, target: str) -> Pipeline:
    path = folder / "parts.toml"
    parts = 'dialect = "postgresql"\nhost = "shop-host"\nuser = "ada"\ntls = "REQUIRED"\n{}'
    text = (BASE + MORE).replace('url = "env:SHOP_URL"', parts.format(source))
    path.write_text(text.replace('url = "env:REVENUE_URL"', parts.format(target).replace("shop-host", "books-host")))
    return load_pipeline(path, environ={})


def test_parts_travel_with_the_reference_of_the_password_to_the_job_that_connects(tmp_path: Path) -> None:
    pipeline = in_parts(tmp_path, 'password = "env:SHOP_URL"', 'password = "env:REVENUE_URL"')
    variables = plan_settings(pipeline, storage_is_local=False)
    secrets = {"SHOP_URL": "s@crets", "REVENUE_URL": "r/venue"}
    sections: dict[JobName, tuple[str, str]] = {"exporter": ("source", "target"), "loader": ("target", "source")}
    for job, (section, withheld) in sections.items():
        filled = {name: secrets[name] for name in plan_secrets(pipeline, job) if name in secrets}
        assert len(filled) == 1
        found = load_in_job(variables[job] | filled)
        with pytest.raises(InputError, match="PENSTOCK_URL_IS_WITHHELD"):
            getattr(found, withheld).url.reveal()
        whole = load_in_job({VARIABLE: plan_chain_setting(pipeline)} | secrets)
        assert getattr(found, section).url.reveal() == getattr(whole, section).url.reveal()
        assert getattr(found, section).url.reveal().startswith("postgresql+psycopg://ada:")
        check_filled(pipeline, job)
    assert "host" not in json.loads(variables["processor"][VARIABLE])["source"]
    assert plan_secrets(pipeline, "processor") == {"TOKEN": "token"}


def test_parts_without_a_password_need_none(tmp_path: Path) -> None:
    pipeline = in_parts(tmp_path, "", "")
    variables = plan_settings(pipeline, storage_is_local=False)
    assert load_in_job(variables["exporter"]).source.url.reveal() == pipeline.source.url.reveal()
    check_filled(pipeline, "exporter")


def test_a_password_in_parts_is_refused_for_the_cloud_and_not_repeated(tmp_path: Path) -> None:
    pipeline = in_parts(tmp_path, 'password = "hunter2"', "")
    for plan in (lambda: plan_settings(pipeline, storage_is_local=False), lambda: plan_chain_setting(pipeline)):
        with pytest.raises(InputError, match=r"source\.password holds a password") as caught:
            plan()
        assert "hunter2" not in str(caught.value)
    with pytest.raises(InputError, match=r"UNFILLED.*\n?.*source\.password is env:UNFILLED"):
        check_filled(in_parts(tmp_path, 'password = "env:UNFILLED"', ""), "exporter")
