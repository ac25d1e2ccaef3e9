"""The `[cloud]` section: what it takes, what it refuses, and that no secret is shown on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from staging.config.file import load_pipeline
from staging.errors import InputError
from tests.chain.jobs.cloudrun.harness import BASE

CLOUD = """\
[cloud]
project = "acme-data"
region = "europe-west1"
transport = "rest"
cloudsql_instances = ["acme-data:europe-west1:shop"]
[cloud.images]
exporter = "europe-docker.pkg.dev/acme-data/penstock/exporter:1"
[cloud.exporter]
cpu = "2"
memory = "4Gi"
service_account = "exporter@acme-data.iam.gserviceaccount.com"
timeout_seconds = 7200
[cloud.vpc]
network = "default"
[cloud.secrets]
SHOP_URL = "shop-url:3"
REVENUE_URL = "projects/acme-data/secrets/revenue-url/versions/latest"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "pipeline.toml"
    path.write_text(BASE + text, encoding="utf-8")
    return path


def fault_of(folder: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        load_pipeline(write(folder, text), environ={})
    return str(caught.value)


def test_without_the_section_nothing_is_said_about_a_cloud(tmp_path: Path) -> None:
    cloud = load_pipeline(write(tmp_path, ""), environ={}).cloud
    assert (cloud.project, cloud.region, cloud.images.exporter, cloud.secrets) == (None, None, None, {})


def test_a_whole_section_is_read(tmp_path: Path) -> None:
    cloud = load_pipeline(write(tmp_path, CLOUD), environ={}).cloud
    assert (cloud.project, cloud.region, cloud.transport) == ("acme-data", "europe-west1", "rest")
    assert cloud.images.exporter == "europe-docker.pkg.dev/acme-data/penstock/exporter:1"
    assert (cloud.exporter.cpu, cloud.exporter.memory, cloud.exporter.timeout_seconds) == ("2", "4Gi", 7200)
    assert cloud.secrets["SHOP_URL"] == "shop-url:3"


def test_its_keys_come_from_the_environment_and_from_flags_too(tmp_path: Path) -> None:
    cloud = load_pipeline(
        write(tmp_path, CLOUD),
        environ={"PENSTOCK_CLOUD__IMAGES__LOADER": "loader:2", "PENSTOCK_CLOUD__VPC__PROCESSOR": "true"},
        overrides=["cloud.region=us-central1", "cloud.secrets=A=b, C=d:4", "cloud.cloudsql_instances=p:r:a,p:r:b"],
    ).cloud
    assert (cloud.images.loader, cloud.region, cloud.vpc.processor) == ("loader:2", "us-central1", True)
    assert cloud.images.exporter is not None
    assert cloud.secrets == {"A": "b", "C": "d:4"}
    assert cloud.cloudsql_instances == ("p:r:a", "p:r:b")


def test_an_empty_project_brings_the_jobs_back_to_this_machine(tmp_path: Path) -> None:
    cloud = load_pipeline(write(tmp_path, CLOUD), environ={}, overrides=["cloud.project="]).cloud
    assert cloud.project is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[cloud]\nproject = "acme"\n', "line 14, cloud: region is missing"),
        ('[cloud]\nproject = "Acme Data"\nregion = "r"\n', "line 15, cloud.project: should be a project's id"),
        ('[cloud]\nregion = "Europe/Berlin"\n', "line 15, cloud.region: should be a region"),
        ('[cloud]\nendpoint = "http://x"\n', "line 15, cloud.endpoint: should be a host"),
        ('[cloud]\ntransport = "http"\n', 'line 15, cloud.transport: should be "grpc" or "rest"'),
        ('[cloud]\nproyect = "a"\n', "line 15, cloud.proyect: there is no such key; did you mean cloud.project?"),
        ('[cloud.images]\nprocesor = "a"\n', "did you mean cloud.images.processor?"),
        ('[cloud.images]\nloader = ""\n', "line 15, cloud.images.loader: should be a text in quotes, not empty"),
        ('[cloud.processor]\nmemory = "4 GB"\n', "line 15, cloud.processor.memory: should be an amount of memory"),
        ("[cloud.processor]\ncpu = 2\n", "line 15, cloud.processor.cpu: should be a text in quotes"),
        ("[cloud.processor]\ntimeout_seconds = 2\n", "line 15, cloud.processor.timeout_seconds: there is no such key"),
        ("[cloud.loader]\ntimeout_seconds = 604801\n", "should be a whole number from 1 to 604800"),
        ('[cloud.loader]\njob = "Daily_Loader"\n', "line 15, cloud.loader.job: should be a job's id"),
        ('[cloud.loader]\njob = "' + 50 * "a" + '"\n', "at most 49 characters"),
        ('[cloud.loader]\nservice_account = "me"\n', "should be the address of a service account"),
        ('[cloud]\ncloudsql_instances = ["shop"]\n', "should be connection names"),
        ('[cloud]\ncloudsql_instances = "shop"\n', "should be a list of texts"),
        ('[cloud.vpc]\nconnector = "c"\nnetwork = "n"\n', "line 14, cloud.vpc: a connector and a network exclude"),
        ('[cloud.vpc]\negress = "all"\n', 'should be "private-ranges-only" or "all-traffic"'),
        ('[cloud]\nsecrets = "a"\n', 'line 15, cloud.secrets: should be a table of NAME = "text"'),
        ("[cloud.secrets]\nA = 1\n", 'cloud.secrets: should be a table of NAME = "text"'),
        ('[cloud.secrets]\n"A-B" = "b"\n', "one NAME is not that of a variable"),
        ('[cloud.secrets]\nPENSTOCK_SOURCE__URL = "b"\n', "PENSTOCK_SOURCE__URL is Penstock's own"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, fault: str) -> None:
    assert fault in fault_of(tmp_path, text)


def test_a_password_in_place_of_a_secrets_name_is_not_repeated(tmp_path: Path) -> None:
    message = fault_of(tmp_path, '[cloud.secrets]\nSHOP_URL = "postgresql://u:hunter2@h/d"\n')
    assert "SHOP_URL should name a secret of Secret Manager" in message
    assert "hunter2" not in message


def test_variables_of_traces_are_read_and_anything_that_may_hold_a_secret_is_refused_unseen(tmp_path: Path) -> None:
    read = load_pipeline(write(tmp_path, CLOUD + '[cloud.chain.variables]\nPENSTOCK_OTEL = "1"\n'), environ={}).cloud
    assert read.chain.variables == {"PENSTOCK_OTEL": "1"}
    for line, told in (
        ('OTEL_EXPORTER_OTLP_HEADERS = "hunter2"', "Secret Manager"),
        ('OPENLINEAGE_API_KEY = "hunter2"', "Secret Manager"),
        ('OTEL_EXPORTER_OTLP_ENDPOINT = "https://ada:hunter2@collector"', "Secret Manager"),
        ('OPENLINEAGE_URL = "https://catalogue?key=hunter2"', "Secret Manager"),
        ('PENSTOCK_SOURCE__URL = "hunter2"', "is none of PENSTOCK_OTEL"),
    ):
        fault = fault_of(tmp_path, f"{CLOUD}[cloud.chain.variables]\n{line}\n")
        assert told in fault
        assert "hunter2" not in fault
    secret = CLOUD + 'OPENLINEAGE_URL = "catalogue-url"\n[cloud.chain.variables]\nOPENLINEAGE_URL = "http://c"\n'
    assert "take it out of one" in fault_of(tmp_path, secret)
