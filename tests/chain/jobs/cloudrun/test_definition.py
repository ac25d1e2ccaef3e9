"""How a stored definition becomes what the pipeline file says, and when it already is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.cloud import run_v2

from chain.jobs.cloudrun.definition import WantedJob, define, plan_job, split_secret
from chain.jobs.port import JobName, Overrides
from tests.chain.jobs.cloudrun.harness import a_pipeline

CLOUD = """\
[cloud]
project = "acme"
region = "europe-west1"
cloudsql_instances = ["acme:europe-west1:shop"]
[cloud.exporter]
cpu = "2"
memory = "4Gi"
service_account = "exporter@acme.iam.gserviceaccount.com"
[cloud.vpc]
network = "default"
subnetwork = "jobs"
"""
SECRETS = {"SHOP_URL": "shop-url:3", "TOKEN": "projects/acme/secrets/token"}
Interface = run_v2.VpcAccess.NetworkInterface


def want(folder: Path, more: str = "", job: JobName = "exporter", **overrides: Any) -> WantedJob:
    pipeline = a_pipeline(folder, CLOUD + more)
    return plan_job(pipeline, job, "exporter:1", Overrides(arguments=(), **overrides), SECRETS)


def as_stored(job: run_v2.Job) -> run_v2.Job:
    """The job as the service gives it back: defaults, other spellings, fields of its own."""
    stored = run_v2.Job(job)
    stored.name, stored.etag, stored.generation = "projects/acme/locations/europe-west1/jobs/j", '"abc"', 7
    stored.launch_stage = "GA"
    stored.template.task_count = stored.template.task_count or 1
    task = stored.template.template
    task.timeout = {"seconds": 600}
    task.execution_environment = run_v2.ExecutionEnvironment(2)  # the second generation
    limits = task.containers[0].resources.limits
    limits["cpu"] = {"2": "2000m"}.get(limits.get("cpu", ""), "1000m")
    limits["memory"] = {"4Gi": "4096Mi"}.get(limits.get("memory", ""), "512Mi")
    if task.vpc_access.network_interfaces:
        task.vpc_access.network_interfaces[0].network = "projects/acme/global/networks/default"
    for variable in task.containers[0].env:
        selector = variable.value_source.secret_key_ref
        selector.secret = selector.secret.rpartition("/")[2]
    return stored


def test_a_new_job_has_what_the_file_says_and_nothing_else(tmp_path: Path) -> None:
    job = define(want(tmp_path, parallelism=4, max_retries=2), None)
    task = job.template.template
    container = task.containers[0]
    assert (container.image, dict(container.resources.limits)) == ("exporter:1", {"cpu": "2", "memory": "4Gi"})
    assert (job.template.parallelism, task.max_retries) == (4, 2)
    assert task.service_account == "exporter@acme.iam.gserviceaccount.com"
    selectors = {variable.name: variable.value_source.secret_key_ref for variable in container.env}
    assert {name: (each.secret, each.version) for name, each in selectors.items()} == {
        "SHOP_URL": ("shop-url", "3"),
        "TOKEN": ("projects/acme/secrets/token", "latest"),
    }
    assert not any(variable.value for variable in container.env)
    assert list(task.vpc_access.network_interfaces) == [Interface(network="default", subnetwork="jobs")]
    assert task.volumes[0].cloud_sql_instance.instances == ["acme:europe-west1:shop"]
    assert container.volume_mounts[0].mount_path == "/cloudsql"
    assert (
        dict(job.labels)
        == dict(job.template.labels)
        == {
            "penstock-pipeline": "daily_revenue",
            "penstock-step": "exporter",
        }
    )


def test_what_the_file_leaves_open_is_left_to_the_service(tmp_path: Path) -> None:
    pipeline = a_pipeline(tmp_path)
    job = define(plan_job(pipeline, "processor", "processor:1", Overrides(arguments=()), {}), None)
    task = job.template.template
    assert not task.containers[0].resources.limits
    assert not task.service_account
    assert "vpc_access" not in task
    assert not task.volumes
    assert "max_retries" in task  # an explicit 0 is sent


@pytest.mark.parametrize("job", ["exporter", "processor", "loader"])
def test_a_job_as_the_service_gives_it_back_is_no_difference(tmp_path: Path, job: JobName) -> None:
    wanted = want(tmp_path, job=job, parallelism=4, max_retries=0)
    stored = as_stored(define(wanted, None))
    assert define(wanted, stored) == stored


def test_what_somebody_set_by_hand_and_the_file_does_not_know_stays(tmp_path: Path) -> None:
    wanted = want(tmp_path)
    stored = as_stored(define(wanted, None))
    stored.labels["team"] = "sales"
    stored.template.template.encryption_key = "k"
    stored.template.template.volumes.append(run_v2.Volume(name="own", empty_dir={}))
    changed = define(want(tmp_path, max_retries=1), stored)
    assert changed != stored
    assert changed.labels["team"] == "sales"
    assert changed.template.template.encryption_key == "k"
    assert [volume.name for volume in changed.template.template.volumes] == ["cloudsql", "own"]
    assert changed.etag == stored.etag


def test_parallelism_that_differs_is_written_with_as_many_tasks_at_least(tmp_path: Path) -> None:
    stored = as_stored(define(want(tmp_path), None))
    changed = define(want(tmp_path, parallelism=5), stored)
    assert (stored.template.parallelism, changed.template.parallelism, changed.template.task_count) == (0, 5, 5)
    back = define(want(tmp_path), changed)
    assert (back.template.parallelism, back.template.task_count) == (0, 5)


@pytest.mark.parametrize("retries", [1, 3, 10])
def test_retries_that_differ_are_written(tmp_path: Path, retries: int) -> None:
    stored = as_stored(define(want(tmp_path, max_retries=0), None))
    assert define(want(tmp_path, max_retries=retries), stored).template.template.max_retries == retries


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('cpu = "2"', 'cpu = "4"'),
        ('memory = "4Gi"', 'memory = "8Gi"'),
        ("exporter@acme", "reader@acme"),
        ('network = "default"', 'network = "inner"'),
        ('subnetwork = "jobs"', 'subnetwork = "other"'),
        ('subnetwork = "jobs"', 'egress = "all-traffic"'),
        ('network = "default"\nsubnetwork = "jobs"', 'connector = "c"'),
        ('network = "default"\nsubnetwork = "jobs"', ""),
        ("europe-west1:shop", "europe-west1:replica"),
        ('cloudsql_instances = ["acme:europe-west1:shop"]', ""),
    ],
)
def test_each_setting_that_differs_is_written_once(tmp_path: Path, old: str, new: str) -> None:
    stored = as_stored(define(want(tmp_path), None))
    assert old in CLOUD
    pipeline = a_pipeline(tmp_path, CLOUD.replace(old, new))
    wanted = plan_job(pipeline, "exporter", "exporter:1", Overrides(arguments=()), SECRETS)
    changed = define(wanted, stored)
    assert changed != stored
    assert define(wanted, changed) == changed


def test_the_image_and_each_secret_that_differ_are_written_and_those_that_went_are_taken_away(tmp_path: Path) -> None:
    pipeline = a_pipeline(tmp_path, CLOUD)
    overrides = Overrides(arguments=())
    stored = as_stored(define(want(tmp_path), None))
    stored.template.template.containers[0].env.append(run_v2.EnvVar(name="PLAIN", value="x"))
    secrets = {"SHOP_URL": "shop-url:4", "OTHER": "other"}
    changed = define(plan_job(pipeline, "exporter", "exporter:2", overrides, secrets), stored)
    container = changed.template.template.containers[0]
    assert container.image == "exporter:2"
    told = {each.name: each.value_source.secret_key_ref.version for each in container.env}
    assert told == {"SHOP_URL": "4", "OTHER": "latest"}


def test_a_processor_is_in_the_network_only_if_the_file_says_so_and_has_no_sockets(tmp_path: Path) -> None:
    alone = define(want(tmp_path, job="processor"), None).template.template
    assert "vpc_access" not in alone
    assert not alone.volumes
    along = define(want(tmp_path, "processor = true\n", job="processor"), None).template.template
    assert along.vpc_access.network_interfaces[0].network == "default"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("name", ("name", "latest")),
        ("name:3", ("name", "3")),
        ("projects/p/secrets/name", ("projects/p/secrets/name", "latest")),
        ("projects/p/secrets/name/versions/4", ("projects/p/secrets/name", "4")),
    ],
)
def test_a_secret_is_written_in_any_of_its_forms(reference: str, expected: tuple[str, str]) -> None:
    assert split_secret(reference) == expected
