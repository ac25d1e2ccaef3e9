"""A deployment brought to life: its jobs in an emulator, its bucket behind a door for each account, rights in both.

Each account has a door of its own to the storage, as each would have credentials of its own; the emulator knows callers
by the tokens of its policy.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from google.cloud import run_v2

from chain.deploy.deployment import plan_deployment
from chain.deploy.write import to_files
from jobs_emulator.rights.policy import Policy, parse_policy
from staging.config.file import load_pipeline
from tests.chain.deploy.spoken import Resources, job_of_resource, resources_of
from tests.chain.jobs.cloudrun.harness import EmulatorProcess
from tests.servers.gcs_proxy import GcsProxy
from tests.shop.purchases import create_purchases
from tests.warm import warm_python

PLACE = "projects/acme/locations/europe-west1"
DEPLOYER = "user:ada@example.com"
ZONE = ZoneInfo("Europe/Berlin")
PIPELINE = """\
name = "night"
[source]
url = "env:SHOP_URL"
table = "purchases"
key = "user_id"
time = "purchased_at"
columns = ["amount"]
timezone = "Europe/Berlin"
[staging]
url = "gs://{bucket}/penstock"
[export]
shards = 2
allow_full_scan = true
[target]
url = "env:BOOKS_URL"
table = "revenue"
[cloud]
project = "acme"
region = "europe-west1"
cloudsql_instances = ["acme:europe-west1:shop"]
[cloud.chain]
patience_seconds = 0
[cloud.secrets]
SHOP_URL = "shop-url"
BOOKS_URL = "books-url"
"""
MODULES = {"exporter": "exporter", "processor": "processor", "loader": "loader", "chain": "chain"}


@dataclass(frozen=True)
class Grant:
    """One grant of the file, as the policy has it."""

    resource: str
    role: str
    member: str


def grants_of(resources: Resources) -> list[Grant]:
    """All of them, in the file's order."""
    found = []
    for kind, named in resources.items():
        for each in named.values():
            if not kind.endswith("_iam_member"):
                continue
            match kind:
                case "google_storage_bucket_iam_member":
                    where = f"buckets/{each['bucket']}"
                case "google_secret_manager_secret_iam_member":
                    where = f"projects/{each['project']}/secrets/{each['secret_id']}"
                case "google_project_iam_member":
                    where = f"projects/{each['project']}"
                case "google_cloud_run_v2_job_iam_member":
                    where = f"projects/acme/locations/{each['location']}/jobs/{each['name']}"
                case _:
                    raise AssertionError(kind)
            found.append(Grant(where, each["role"], each["member"]))
    return found


@dataclass
class Night:
    """A deployment, its day and where it runs."""

    folder: Path
    resources: Resources
    emulator: EmulatorProcess

    def create_jobs(self) -> None:
        """As the provider does: by the API, each from its resource, by somebody who may."""
        for resource in self.resources["google_cloud_run_v2_job"].values():
            body = run_v2.Job.to_json(job_of_resource(resource), always_print_fields_with_no_presence=False)
            self.call("POST", f"/v2/{PLACE}/jobs?jobId={resource['name']}", body.encode(), DEPLOYER)

    def fire(self) -> str:
        """Cloud Scheduler's call, as the file has it, but to the emulator; returns the execution's name."""
        target = self.resources["google_cloud_scheduler_job"]["nightly"]["http_target"]
        caller = f"serviceAccount:{target['oauth_token']['service_account_email']}"
        path = urlsplit(target["uri"]).path
        told = self.call(target["http_method"], path, base64.b64decode(target["body"]), caller)
        return str(told["metadata"]["name"])

    def is_done(self) -> bool:
        """Whether the call starts a night, and that ends well."""
        try:
            execution = self.fire()
        except urllib.error.HTTPError as refused:
            if refused.code != http.client.FORBIDDEN:
                raise
            return False
        return bool(self.wait(execution).get("succeededCount"))

    def wait(self, execution: str) -> dict[str, Any]:
        """The execution when it is over."""
        deadline = time.monotonic() + 600  # for a machine that hangs, not for one that is slow
        while "completionTime" not in (found := self.call("GET", f"/v2/{execution}", None, DEPLOYER)):
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        return found

    def call(self, verb: str, path: str, body: bytes | None, member: str) -> dict[str, Any]:
        request = urllib.request.Request(f"http://{self.emulator.address}{path}", body, method=verb)
        request.add_header("Authorization", f"Bearer {_token(member)}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as reply:
            found: dict[str, Any] = json.loads(reply.read())
        return found

    def penstock(self, *arguments: str, storage: str) -> subprocess.CompletedProcess[str]:
        """A command of somebody who may start the jobs, on a machine from where no database is reached."""
        environ = dict(os.environ) | self.variables(storage)
        command = [warm_python(), "-m", "chain", *arguments, "--config", str(self.folder / "night.toml")]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environ)

    def variables(self, storage: str) -> dict[str, str]:
        """What makes a machine of somebody who may start the jobs speak to this deployment and not to Google."""
        token = self.folder / "ada.token"
        token.write_text(_token(DEPLOYER) + "\n")
        token.chmod(0o600)
        return {
            "RUN_EMULATOR_HOST": self.emulator.address,
            "RUN_EMULATOR_TOKEN_FILE": str(token),
            "STORAGE_EMULATOR_HOST": storage,
        }

    def log(self) -> str:
        """What all attempts have written, for a test that failed."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.rglob("data/logs/**/*.log")))

    def revenue(self, day: date | None = None) -> dict[int, Decimal]:
        """What the target has, of a day or at all."""
        where = "" if day is None else f"WHERE day = '{day}'"
        with closing(sqlite3.connect(self.folder / "books.db")) as books:
            rows = books.execute(f"SELECT user_id, revenue FROM revenue {where}").fetchall()
        return {user: Decimal(str(amount)) for user, amount in rows}


Purchase = tuple[int, str, str]
"""Who bought, when, for how much."""


def yesterday() -> date:
    """In Berlin."""
    return datetime.now(ZONE).date() - timedelta(days=1)


def make_purchases() -> tuple[list[Purchase], dict[date, dict[int, Decimal]]]:
    """Purchases of three days that end today; and what each day was in Berlin, by plain Python."""
    expected: dict[date, dict[int, Decimal]] = {}
    rows = []
    for number in range(600):
        at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=number * 7)
        user, amount = number % 17, Decimal(number * 37 % 10_000) / 100
        rows.append((user, at.replace(tzinfo=None).isoformat(" "), str(amount)))
        day = expected.setdefault(at.astimezone(ZONE).date(), {})
        day[user] = day.get(user, Decimal(0)) + amount
    return rows, expected


def make_shop(folder: Path) -> dict[date, dict[int, Decimal]]:
    """A shop with these purchases; returns what each day was."""
    rows, expected = make_purchases()
    columns = {"id": None, "user_id": "integer NOT NULL", "purchased_at": "datetime NOT NULL"}
    create_purchases(urls(folder)["SHOP_URL"], rows, columns=columns, index=False)
    return expected


@contextmanager
def open_night(
    folder: Path, gcs_endpoint: str, bucket: str, *, without: Grant | None = None, more: str = ""
) -> Iterator[Night]:
    """A deployed night whose databases are there; `without` is a grant that somebody forgot, `more` TOML."""
    resources = _deployed(folder, bucket, more)
    with open_deployment(folder, resources, gcs_endpoint, urls_of_secrets(folder), without=without) as night:
        night.create_jobs()
        yield night


@contextmanager
def open_deployment(
    folder: Path, resources: Resources, gcs_endpoint: str, secrets: Mapping[str, str], *, without: Grant | None = None
) -> Iterator[Night]:
    """What the file's accounts may reach, before its jobs are created; `secrets` by their names."""
    policy = _policy([grant for grant in grants_of(resources) if grant != without], resources)
    (folder / "policy.json").write_text(json.dumps(policy))
    with ExitStack() as opened:
        doors = {
            job: _door(opened, gcs_endpoint, parse_policy(policy), _account(resource))
            for job, resource in resources["google_cloud_run_v2_job"].items()
        }
        table = _image_table(folder, resources, doors, secrets)
        emulator = EmulatorProcess(folder, table, "--slots", "3", "--policy", str(folder / "policy.json"))
        opened.callback(emulator.end)
        (folder / "chain.token").write_text(_token(_account(resources["google_cloud_run_v2_job"]["chain"])) + "\n")
        (folder / "chain.token").chmod(0o600)
        (folder / "images.toml").write_text(table.replace("@ADDRESS@", emulator.address))
        emulator.start()
        yield Night(folder, resources, emulator)


def deployed_grants(folder: Path, bucket: str) -> list[Grant]:
    """What the night's file grants."""
    return grants_of(_deployed(folder, bucket))


def _deployed(folder: Path, bucket: str, more: str = "") -> Resources:
    (folder / "night.toml").write_text(PIPELINE.format(bucket=bucket) + more)
    pipeline = load_pipeline(folder / "night.toml", environ={})
    return resources_of(to_files(plan_deployment(pipeline), "terraform")["penstock.tf.json"])


def create_tables(folder: Path, bucket: str) -> None:
    """As somebody would with `penstock init`, from where the databases can be reached."""
    (folder / "init.toml").write_text(PIPELINE.format(bucket=bucket))
    environ = dict(os.environ) | urls(folder)
    command = [warm_python(), "-m", "chain", "init", "--config", str(folder / "init.toml")]
    subprocess.run(command, check=True, capture_output=True, env=environ)


def urls(folder: Path) -> dict[str, str]:
    return {"SHOP_URL": f"sqlite:///{folder}/shop.db", "BOOKS_URL": f"sqlite:///{folder}/books.db"}


def urls_of_secrets(folder: Path) -> dict[str, str]:
    return {"shop-url": urls(folder)["SHOP_URL"], "books-url": urls(folder)["BOOKS_URL"]}


def _account(resource: Mapping[str, Any]) -> str:
    return f"serviceAccount:{resource['template']['template']['service_account']}"


def _token(member: str) -> str:
    return base64.urlsafe_b64encode(member.encode()).decode().rstrip("=")


def _policy(grants: list[Grant], resources: Resources) -> dict[str, Any]:
    scheduler = resources["google_cloud_scheduler_job"]["nightly"]["http_target"]["oauth_token"]
    members = {grant.member for grant in grants} | {DEPLOYER, f"serviceAccount:{scheduler['service_account_email']}"}
    bindings = [{"resource": each.resource, "role": each.role, "members": [each.member]} for each in grants]
    bindings.append({"resource": "projects/acme", "role": "roles/run.developer", "members": [DEPLOYER]})
    return {"bindings": bindings, "tokens": {_token(member): member for member in members}}


def _door(opened: ExitStack, endpoint: str, policy: Policy, member: str) -> str:
    proxy = GcsProxy(endpoint, lambda permission, bucket: policy.allows(member, permission, f"buckets/{bucket}"))
    opened.callback(proxy.close)
    return proxy.endpoint


def _image_table(folder: Path, resources: Resources, doors: Mapping[str, str], secrets: Mapping[str, str]) -> str:
    lines = []
    for job, resource in resources["google_cloud_run_v2_job"].items():
        image = resource["template"]["template"]["containers"][0]["image"]
        variables = [f"STORAGE_EMULATOR_HOST={doors[job]}"]
        if job == "chain":
            variables += ["RUN_EMULATOR_HOST=@ADDRESS@", f"RUN_EMULATOR_TOKEN_FILE={folder}/chain.token"]
        entrypoint = json.dumps(["env", *variables, warm_python(), "-m", job])
        lines += [f'[images."{image}"]', f"entrypoint = {entrypoint}", f'cwd = "{folder}"']
        lines.append(f'env = {{ PYTHONPATH = "{Path(__file__).parents[3]}", HOME = "{folder}" }}')
    lines += ["[secrets]", *(f"{name} = {json.dumps(f'value:{text}')}" for name, text in secrets.items())]
    return "\n".join(lines) + "\n"
