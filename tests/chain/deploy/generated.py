"""Pipelines by the hundred, each another mix of what `[cloud]` and the rest may say, the same ones at each run."""

from __future__ import annotations

import random
from pathlib import Path

from staging.config.file import load_pipeline
from staging.config.pipeline import Pipeline

NAMES = ("daily_revenue", "a", "orders-by-shop", "a_very_long_name_of_a_pipeline_that_nobody_wants_to_type_twice")
AUTO = '"auto"'
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC", "Australia/Lord_Howe", "America/Santiago")
WHERES = ("status IN ('paid', 'refunded')", "note <> '${var.x} %{ if } \\\\u0024'", "name = 'a|b|:c' AND x = \"é\"", "")


def generated(number: int, folder: Path) -> Pipeline:
    """The pipeline of that number."""
    path = folder / f"{number}.toml"
    path.write_text(_text(random.Random(number)), encoding="utf-8")
    return load_pipeline(path, environ={})


def _text(dice: random.Random) -> str:
    where, source = dice.choice(WHERES), _source(dice)
    sections = [
        f'name = "{dice.choice(NAMES)}"',
        "[source]",
        *source,
        'key = "user_id"',
        'time = "purchased_at"',
        'columns = ["amount"]',
        f'timezone = "{dice.choice(ZONES)}"',
        "[staging]",
        f'url = "gs://{dice.choice(("shop-bucket", "1.dotted_bucket"))}/penstock"',
        "[process]",
        f"parallelism = {dice.choice((AUTO, 1, 8, 10_000))}",
        f"tasks = {dice.choice((AUTO, 4, 10_000))}",
        f"max_retries = {dice.randint(0, 10)}",
        *_target(dice),
        *_cloud(dice, keeps="table" in source[-1] and dice.random() < 0.3),
    ]
    text = "\n".join(sections) + "\n"
    if where and "[source]\nurl" in text:
        literal = "'''" + where + "'''"
        text = text.replace("[source]\n", f"[source]\nwhere = {literal}\n", 1)
    return text


def _source(dice: random.Random) -> list[str]:
    if dice.random() < 0.2:
        return [f'parquet = "gs://{dice.choice(("lake", "shop-bucket"))}/in/{{day}}/*.parquet"']
    return ['url = "env:SHOP_URL"', 'table = "purchases"']


def _target(dice: random.Random) -> list[str]:
    if dice.random() < 0.2:
        return ["[target]", f'parquet = "gs://{dice.choice(("lake-out", "shop-bucket"))}/out"']
    return ["[target]", 'url = "env:REVENUE_URL"', 'table = "revenue"']


def _cloud(dice: random.Random, *, keeps: bool) -> list[str]:
    project = dice.choice(("acme-data", "acme.com:shop"))
    lines = ["[cloud]", f'project = "{project}"', f'region = "{dice.choice(("europe-west1", "us-central1"))}"']
    if dice.random() < 0.5:
        lines.append(f'cloudsql_instances = ["{project}:europe-west1:shop", "other:us-east1:books"]')
    if dice.random() < 0.5:
        lines += ["[cloud.images]", *(f'{job} = "europe-docker.pkg.dev/x/{job}:7"' for job in _some(dice))]
    for job in ("exporter", "processor", "loader", "chain"):
        lines += [f"[cloud.{job}]", *_resources(dice, job)]
    lines += ["[cloud.vpc]", *dice.choice(_NETWORKS)]
    if dice.random() < 0.5:
        lines.append("processor = true")
    if keeps:
        lines += ["[cloud.schedule]", f"keep_days = {dice.randint(1, 366)}"]
    shop = dice.choice(("shop-url", "shop-url:3", "projects/vault/secrets/shop/versions/4", "projects/vault/secrets/x"))
    lines += ["[cloud.secrets]", f'SHOP_URL = "{shop}"', 'REVENUE_URL = "revenue-url"']
    return lines + (['API_TOKEN = "token"'] if dice.random() < 0.3 else [])


_NETWORKS: tuple[list[str], ...] = (
    [],
    ['network = "default"'],
    ['network = "projects/host/global/networks/main"', 'subnetwork = "jobs"', 'egress = "all-traffic"'],
    ['connector = "projects/acme/locations/europe-west1/connectors/c"'],
)


def _some(dice: random.Random) -> list[str]:
    return [job for job in ("exporter", "processor", "loader", "chain") if dice.random() < 0.7]


def _resources(dice: random.Random, job: str) -> list[str]:
    lines = [f'cpu = "{dice.choice(("1", "2", "500m"))}"'] if dice.random() < 0.5 else []
    lines += [f'memory = "{dice.choice(("512Mi", "4Gi"))}"'] if dice.random() < 0.5 else []
    lines += [f'service_account = "own-{job}@acme.iam.gserviceaccount.com"'] if dice.random() < 0.3 else []
    lines += [f'job = "my-{job}"'] if dice.random() < 0.2 else []
    if job == "chain" and dice.random() < 0.3:
        lines.append('variables = { PENSTOCK_OTEL = "1", OTEL_RESOURCE_ATTRIBUTES = "team=a,cost=b:c|d" }')
    return lines + (["timeout_seconds = 7200"] if job != "processor" and dice.random() < 0.3 else [])
