"""What `penstock deploy` writes: true to the provider's schema, to gcloud's flags, to the chain's own definitions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.cloud import run_v2

from chain.day.job import single_task
from chain.deploy.complete import JOBS, complete
from chain.deploy.deployment import plan_deployment
from chain.deploy.jobs import night_arguments
from chain.deploy.write import to_files
from chain.jobs.cloud_settings import plan_secrets
from chain.jobs.cloudrun.definition import define, plan_job
from chain.jobs.port import JobName, Overrides
from staging.config.file import load_pipeline
from staging.config.pipeline import Pipeline
from staging.errors import InputError
from tests.chain.deploy.distil_schema import SCHEMA
from tests.chain.deploy.generated import generated
from tests.chain.deploy.spoken import (
    COMPLETIONS,
    Command,
    Resources,
    check_gcloud,
    commands_of,
    job_of_command,
    job_of_resource,
    resources_of,
)
from tests.warm import warm_python

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "pipelines" / "cloud_run.toml"
NUMBERS = range(40)
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "number": int,
    "boolean": bool,
    "stringList": list,
    "stringMap": dict,
}
META = {"count", "for_each", "depends_on"}


@dataclass
class Written:
    """A pipeline and what is written of it."""

    pipeline: Pipeline
    terraform: Mapping[str, str]
    resources: Resources
    commands: list[Command]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[Written]:
    """Forty of them, which together use each resource of the schema."""
    folder = tmp_path_factory.mktemp("pipelines")
    return [_write(generated(number, folder), folder) for number in NUMBERS]


def _write(pipeline: Pipeline, folder: Path) -> Written:
    deployment = plan_deployment(pipeline)
    files = to_files(deployment, "terraform")
    commands = commands_of(to_files(deployment, "gcloud")["penstock.sh"], folder)
    return Written(pipeline, files, resources_of(files["penstock.tf.json"]), commands)


def own_definition(pipeline: Pipeline, job: JobName, stored: run_v2.Job | None) -> run_v2.Job:
    """What a run of the pipeline would make of its job, by the chain's own code."""
    process = pipeline.process
    plan = single_task()
    if job == "processor":
        at_once = None if process.parallelism == "auto" else int(process.parallelism)
        at_once = min(at_once, int(process.tasks)) if at_once and process.tasks != "auto" else at_once
        plan = Overrides(arguments=(), parallelism=at_once, max_retries=process.max_retries)
    image = getattr(pipeline.cloud.images, job)
    return define(plan_job(pipeline, job, image, plan, plan_secrets(pipeline, job)), stored)


def test_each_job_of_the_file_is_what_a_run_would_make_itself(written: list[Written]) -> None:
    for each in written:
        pipeline, resources = each.pipeline, each.resources["google_cloud_run_v2_job"]
        assert set(resources) == set(JOBS)
        for job in ("exporter", "processor", "loader"):
            spoken = job_of_resource(resources[job])
            assert spoken == own_definition(complete(pipeline), job, None)
            # A laptop that has the same file, and no more, finds nothing to change.
            if getattr(pipeline.cloud.images, job) is not None:
                assert own_definition(pipeline, job, spoken) == spoken


def test_the_chain_s_job_runs_the_newest_day_and_is_never_tried_again(written: list[Written], tmp_path: Path) -> None:
    for each in written:
        pipeline, chain = each.pipeline, job_of_resource(each.resources["google_cloud_run_v2_job"]["chain"])
        task = chain.template.template
        (container,) = task.containers
        assert task.max_retries == 0
        assert "max_retries" in task
        assert tuple(container.args) == night_arguments(pipeline)
        assert int(container.args[-1]) == pipeline.cloud.chain.patience_seconds
        assert task.timeout.total_seconds() == (pipeline.cloud.chain.timeout_seconds or 86_400)
        values = {variable.name: variable.value for variable in container.env if variable.value}
        told = load_pipeline(Path("env:PENSTOCK_PIPELINE"), environ=values)
        assert told.model_dump(exclude={"cloud"}, by_alias=True) == pipeline.model_dump(
            exclude={"cloud"}, by_alias=True
        )
        assert told.url_references() == pipeline.url_references()
        assert not told.cloud.manage_jobs
        assert told.cloud.secrets == pipeline.cloud.secrets


def test_each_attribute_is_one_of_the_provider_s_published_schema(written: list[Written]) -> None:
    schema = json.loads(SCHEMA.read_text())
    assert schema["version"] == "6.50.0"
    assert schema["source"].startswith("npm @cdktf/provider-google 16")
    met = set()
    for each in written:
        for kind, resources in each.resources.items():
            for name, resource in resources.items():
                inner = {key: value for key, value in resource.items() if key not in META}
                assert not list(faults_of(inner, schema["resources"][kind], f"{kind}.{name}"))
                met.add(kind)
    assert met == set(schema["resources"])


def faults_of(value: dict[str, Any], schema: dict[str, Any], where: str) -> list[str]:
    """What the provider would refuse."""
    faults = [f"{where}: there is no {key}" for key in value if key not in schema]
    faults += [f"{where}: {key} is missing" for key, each in schema.items() if each["required"] and key not in value]
    for key in value.keys() & schema.keys():
        attribute, found, at = schema[key], value[key], f"{where}.{key}"
        if attribute["type"] == "block":
            if isinstance(found, list) and not attribute["many"]:
                faults.append(f"{at}: one block, not a list")
            for each in found if isinstance(found, list) else [found]:
                faults += faults_of(each, attribute["attributes"], at)
        elif not (isinstance(found, str) and found.startswith("${")):
            wanted = TYPES[attribute["type"]]
            if not isinstance(found, wanted) or (wanted is int and isinstance(found, bool)):
                faults.append(f"{at}: {type(found).__name__} instead of {attribute['type']}")
    return faults


def test_the_check_of_attributes_sees_a_wrong_name_a_wrong_type_and_a_missing_one() -> None:
    schema = json.loads(SCHEMA.read_text())["resources"]["google_storage_bucket"]
    right = {"name": "b", "location": "EU", "soft_delete_policy": {"retention_duration_seconds": 1}}
    assert not faults_of(right, schema, "b")
    wrong = {"name": "b", "soft_delete_policy": [{"retention_duration_seconds": "1"}], "uniform_access": True}
    assert len(faults_of(wrong, schema, "b")) == 4


def test_a_bucket_has_uniform_access_and_soft_delete_and_nothing_that_takes_live_data(
    written: list[Written],
) -> None:
    for each in written:
        for bucket in each.resources["google_storage_bucket"].values():
            assert bucket["uniform_bucket_level_access"] is True
            assert bucket["soft_delete_policy"]["retention_duration_seconds"] >= 7 * 86_400
            assert bucket["force_destroy"] is False
            assert not bucket.keys() & {"lifecycle_rule", "retention_policy", "autoclass"}


def test_the_script_s_jobs_are_those_of_the_file(written: list[Written]) -> None:
    for each in written:
        resources = each.resources["google_cloud_run_v2_job"]
        deployed = {words[3]: flags for words, flags in each.commands if words[:3] == ["run", "jobs", "deploy"]}
        assert set(deployed) == {resource["name"] for resource in resources.values()}
        for resource in resources.values():
            spoken = job_of_command(deployed[resource["name"]])
            wanted = job_of_resource(resource)
            # gcloud says of every job what the API would write back by itself.
            wanted.template.task_count = wanted.template.task_count or 1
            wanted.template.template.timeout = wanted.template.template.timeout or spoken.template.template.timeout
            assert spoken == wanted


def test_the_script_grants_what_the_file_grants(written: list[Written]) -> None:
    for each in written:
        granted = sorted((flags["--member"], flags["--role"]) for _, flags in each.commands if "--member" in flags)
        assert granted == sorted(
            (grant["member"], grant["role"])
            for kind, found in each.resources.items()
            if kind.endswith("_iam_member")
            for grant in found.values()
        )


@pytest.mark.may_skip("gcloud is not everywhere")
def test_gcloud_knows_each_command_and_flag_of_the_script(written: list[Written]) -> None:
    if not COMPLETIONS.exists():
        pytest.skip("there is no gcloud here")
    for each in written:
        for words, flags in each.commands:
            check_gcloud(words, flags)


@pytest.mark.integration
def test_the_same_file_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "2")):
        for kind in ("terraform", "gcloud"):
            command = [warm_python(), "-m", "chain", "deploy", "--config", str(EXAMPLE), "--format", kind]
            environ = dict(os.environ) | {"PYTHONHASHSEED": seed}
            subprocess.run([*command, "--out", str(tmp_path / name)], check=True, capture_output=True, env=environ)
    files = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()}
    assert set(files) == {
        "penstock.tf.json",
        "variables.tf.json",
        "outputs.tf.json",
        "penstock.sh",
        "images.txt",
        "README.md",
    }


@pytest.mark.integration
@pytest.mark.may_skip("terraform is not everywhere")
def test_terraform_reads_the_files_and_would_not_format_them_otherwise(written: list[Written], tmp_path: Path) -> None:
    program = shutil.which("terraform")
    if program is None:
        pytest.skip("there is no terraform here")
    for number in (0, 1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, text in written[number].terraform.items():
            (folder / name).write_text(text)
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CHECKPOINT_DISABLE": "1"}
        for command, words in (("fmt -check -diff", ""), ("providers", "hashicorp/google")):
            done = subprocess.run(
                [program, *command.split()], cwd=folder, capture_output=True, text=True, check=False, env=environ
            )
            assert done.returncode == 0, done.stdout + done.stderr
            assert words in done.stdout


def test_a_password_in_a_url_and_a_secret_that_nobody_fills_are_refused(tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    path = tmp_path / "p.toml"
    for wrong, told in (
        (text.replace('"env:SHOP_URL"', '"postgresql://u:hunter2@db/shop"'), "holds a password"),
        (text.replace('SHOP_URL = "shop-url"', ""), "fills the variable SHOP_URL"),
        (text.replace('"gs://my-bucket/penstock"', '"file:///tmp/x"'), "staging folder"),
        (text.replace('project = "my-project"\nregion = "europe-west1"\n', ""), "where to deploy"),
        (text.replace('project = "my-project"', 'project = "123456"'), "number of a project"),
    ):
        path.write_text(wrong)
        with pytest.raises(InputError, match=told) as refused:
            plan_deployment(load_pipeline(path, environ={}))
        assert "hunter2" not in str(refused.value)
