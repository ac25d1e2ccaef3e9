"""What each job gets to know of the settings."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from chain.jobs.environment import plan_environments
from chain.jobs.port import JobName
from chain.jobs.settings import CONFIG_ARGUMENT
from staging.config.file import load_pipeline
from staging.config.pipeline import Pipeline
from staging.errors import InputError

FILE = """\
name = "p"
[source]
url = "env:SHOP"
table = "t"
key = "k"
time = "at"
columns = ["a"]
timezone = "UTC"
[staging]
url = "file:///s"
[target]
url = "postgresql://u:secret@h/d"
table = "r"
"""


def seen_by_jobs(tmp_path: Path, environ: dict[str, str], overrides: list[str]) -> dict[str, tuple[Pipeline, str]]:
    path = tmp_path / "p.toml"
    path.write_text(FILE)
    pipeline = load_pipeline(path, environ=environ, overrides=overrides)
    environments = plan_environments(pipeline, environ, path)
    path.unlink()
    return {job: (load_pipeline(Path(CONFIG_ARGUMENT), environ=env), str(env)) for job, env in environments.items()}


def test_overrides_reach_every_job_by_environment(tmp_path: Path) -> None:
    seen = seen_by_jobs(
        tmp_path, {"PENSTOCK_EXPORT__SHARDS": "3", "PATH": "/bin"}, ["export.shards=5", "source.where=x = 1"]
    )
    for pipeline, environment in seen.values():
        assert pipeline.export.shards == 5
        assert pipeline.source.where == "x = 1"
        assert "/bin" in environment


def test_no_job_gets_a_url_that_is_not_its_business(tmp_path: Path) -> None:
    source, target = "sqlite:///canary-source", "sqlite:///canary-target"
    withheld = [("processor", "source"), ("processor", "target"), ("exporter", "target"), ("loader", "source")]
    for environ, overrides in (
        ({"SHOP": source, "PENSTOCK_TARGET__URL": target}, []),
        ({}, [f"source.url={source}", f"target.url={target}"]),
    ):
        seen = seen_by_jobs(tmp_path, environ, overrides)
        assert seen["exporter"][0].source.url.reveal() == source
        assert "canary-target" not in seen["exporter"][1]
        assert seen["loader"][0].target.url.reveal() == target
        assert "canary" not in seen["processor"][1]
        for job, section in withheld:
            with pytest.raises(InputError, match="PENSTOCK_URL_IS_WITHHELD"):
                getattr(seen[job][0], section).url.reveal()


def test_no_variable_sets_a_key_a_second_time(tmp_path: Path) -> None:
    seen = seen_by_jobs(tmp_path, {"PENSTOCK_EXPORT__SHARDS": "3", "PENSTOCK_NAME": "q"}, ["export.shards=5"])
    for pipeline, environment in seen.values():
        assert (pipeline.name, pipeline.export.shards) == ("q", 5)
        assert "PENSTOCK_EXPORT__SHARDS" not in environment


def test_a_variable_that_is_named_like_a_key_is_there_for_the_job_that_looks_it_up(tmp_path: Path) -> None:
    environ = {"PENSTOCK_TARGET__URL": "sqlite:///canary"}
    seen = seen_by_jobs(tmp_path, environ, ["source.url=env:PENSTOCK_TARGET__URL"])
    assert seen["exporter"][0].source.url.reveal() == "sqlite:///canary"
    assert seen["loader"][0].target.url.reveal() == "sqlite:///canary"
    assert "canary" not in seen["processor"][1]


def test_a_password_in_the_file_reaches_the_job_that_connects_and_no_other(tmp_path: Path) -> None:
    seen = seen_by_jobs(tmp_path, {"SHOP": "sqlite:///s"}, [])
    assert seen["loader"][0].target.url.reveal() == "postgresql://u:secret@h/d"
    assert [job for job, (_, environment) in seen.items() if "secret" in environment] == ["loader"]


def test_a_pipeline_that_no_process_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too long"):
        seen_by_jobs(tmp_path, {}, [f"source.where={'x' * 131_000}"])
    longest = seen_by_jobs(tmp_path, {"PATH": "/bin"}, [f"source.where={'x' * 130_000}"])
    variable = plan_environments(longest["exporter"][0], {}, tmp_path / "p.toml")["exporter"]
    subprocess.run(["/bin/true"], env=variable, check=True)


def test_a_variable_that_source_and_target_share_stays_for_those_who_need_it(tmp_path: Path) -> None:
    environ = {"SHOP": "sqlite:///canary", "PENSTOCK_TARGET__URL": "env:SHOP"}
    seen = seen_by_jobs(tmp_path, environ, [])
    assert seen["exporter"][0].source.url.reveal() == "sqlite:///canary"
    assert seen["loader"][0].target.url.reveal() == "sqlite:///canary"
    assert "canary" not in seen["processor"][1]


PYTHON = FILE.replace('url = "env:SHOP"\ntable = "t"', 'python = "api:read"').replace(
    "postgresql://u:secret@h/d", "env:BOOKS"
)


def planned(tmp_path: Path, text: str, environ: dict[str, str]) -> dict[str, dict[str, str]]:
    path = tmp_path / "p.toml"
    path.write_text(text)
    return {job: dict(env) for job, env in plan_environments(load_pipeline(path, environ={}), environ, path).items()}


@pytest.mark.parametrize("name", ["API_KEY", "GOOGLE_API_KEY", "SHOP", "Whatever"])
def test_a_python_sources_key_goes_to_the_exporter_alone(tmp_path: Path, name: str) -> None:
    environ = {name: "canary", "PATH": "/bin", "LC_ALL": "C", "https_proxy": "p", "BOOKS": "sqlite:///b"}
    seen = planned(tmp_path, PYTHON, environ)
    assert [job for job, env in seen.items() if "canary" in env.values()] == ["exporter"]
    assert [job for job, env in seen.items() if "BOOKS" in env] == ["loader"]
    for env in seen.values():
        assert {"PATH", "LC_ALL", "https_proxy"} <= env.keys()


def test_a_transform_gets_the_variables_it_names(tmp_path: Path) -> None:
    seen = planned(tmp_path, PYTHON + '[process]\nvariables = ["RATE"]\n', {"RATE": "7", "KEY": "canary"})
    assert (seen["processor"], "RATE" in seen["loader"]) == (seen["processor"] | {"RATE": "7"}, False)
    assert "KEY" not in seen["processor"]


def test_a_secret_of_one_job_stays_with_it_on_this_machine_too(tmp_path: Path) -> None:
    seen = planned(tmp_path, FILE + '[cloud.processor.secrets]\nRATE_KEY = "rate-key"\n', {"RATE_KEY": "canary"})
    assert [job for job, env in seen.items() if "RATE_KEY" in env] == ["processor"]


PARTS = FILE.replace(
    'url = "env:SHOP"', 'dialect = "mysql"\nhost = "shop-host"\nuser = "ada"\npassword = "env:SHOP"\ndatabase = "d"'
).replace(
    'url = "postgresql://u:secret@h/d"', 'dialect = "postgresql"\nhost = "/socket"\nport = 5\npassword = "canary-t"'
)


def test_parts_of_a_url_are_withheld_as_the_url_is(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(PARTS)
    environ, overrides = {"SHOP": "canary-s", "PATH": "/bin"}, ["target.user=canary-u"]
    pipeline = load_pipeline(path, environ=environ, overrides=overrides)
    planned = plan_environments(pipeline, environ, path)
    seen = {job: load_pipeline(Path(CONFIG_ARGUMENT), environ=env) for job, env in planned.items()}
    assert seen["exporter"].source.url.reveal() == "mysql+pymysql://ada:canary-s@shop-host/d"
    assert seen["loader"].target.url.reveal() == pipeline.target.url.reveal()
    withheld: dict[JobName, tuple[str, ...]] = {
        "processor": ("source", "target"),
        "exporter": ("target",),
        "loader": ("source",),
    }
    for job, sections in withheld.items():
        for section in sections:
            hidden = getattr(seen[job], section)
            assert (hidden.host, hidden.user, hidden.password, hidden.database) == (None, None, None, None)
            with pytest.raises(InputError, match="PENSTOCK_URL_IS_WITHHELD"):
                hidden.url.reveal()
    canaries: dict[JobName, str] = {"processor": "canary", "exporter": "canary-u", "loader": "canary-s"}
    for job, canary in canaries.items():
        assert canary not in str(planned[job])
