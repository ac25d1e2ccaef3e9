"""A deployment as Terraform's JSON, for the google provider: resources, variables, outputs.

Attributes are those of the provider's schema of 6.50; a job's are the API's own, under the same names.
"""

from __future__ import annotations

import base64
from typing import Any

from chain.deploy.deployment import SOFT_DELETE_SECONDS, Account, Deployment
from chain.deploy.grants import Grant
from chain.deploy.jobs import DeployedDefinition
from chain.deploy.terraform_text import Expression

PROVIDER = "hashicorp/google"
PROVIDER_VERSION = ">= 6.20, < 8"
_JSON_TYPE = {"Content-Type": "application/json"}
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"

Resources = dict[str, dict[str, dict[str, Any]]]


def to_terraform(deployment: Deployment) -> dict[str, Any]:
    """Return the resources and what they need of Terraform."""
    return {
        "terraform": {
            "required_version": ">= 1.5",
            "required_providers": {"google": {"source": PROVIDER, "version": PROVIDER_VERSION}},
        },
        "provider": {"google": {"project": deployment.project, "region": deployment.region}},
        "resource": _resources(deployment),
    }


def to_variables() -> dict[str, Any]:
    """Return what may be chosen without another pipeline file."""
    return {
        "variable": {
            "alert_email": {"type": "string", "description": "Who is told when no day was brought to done."},
            "schedule_paused": {
                "type": "bool",
                "default": False,
                "description": "Whether the night begins by hand only.",
            },
            "create_buckets": {
                "type": "bool",
                "default": True,
                "description": "Whether the buckets are made here; false where they are there already.",
            },
            "create_repository": {
                "type": "bool",
                "default": True,
                "description": "Whether the repository of the images is made here; false where it is there already.",
            },
            "deletion_protection": {
                "type": "bool",
                "default": True,
                "description": "Whether Terraform refuses to destroy or replace the jobs.",
            },
        }
    }


def to_outputs(deployment: Deployment) -> dict[str, Any]:
    """Return what one wants to know after an apply."""
    chain = next(each for each in deployment.jobs if each.job == "chain")
    run = f"gcloud run jobs execute {chain.job_id} --project={deployment.project} --region={deployment.region}"
    accounts = {each.job: each.definition["template"]["template"]["service_account"] for each in deployment.jobs}
    return {
        "output": {
            "start_a_night_now": {"value": f"{run} --wait"},
            "jobs": {"value": {each.job: each.job_id for each in deployment.jobs}},
            "service_accounts": {"value": {**accounts, "scheduler": deployment.scheduler_account}},
            "buckets": {"value": list(deployment.buckets)},
            "images": {"value": {each.job: each.image for each in deployment.jobs}},
            "schedule": {"value": f"{deployment.schedule.cron} ({deployment.schedule.zone})"},
        }
    }


def _resources(deployment: Deployment) -> Resources:
    resources: Resources = {
        "google_project_service": {
            "needed": {
                "for_each": Expression(f"${{toset({_list(deployment.services)})}}"),
                "service": Expression("${each.value}"),
                "disable_on_destroy": False,
            }
        },
        "google_service_account": {each.part: _account(each) for each in deployment.accounts},
        "google_storage_bucket": {_bucket_name(name): _bucket(deployment, name) for name in deployment.buckets},
        "google_cloud_run_v2_job": {each.job: _job(deployment, each) for each in deployment.jobs},
        "google_cloud_scheduler_job": {"nightly": _schedule(deployment)},
        "google_monitoring_notification_channel": {"alert": _channel(deployment)},
        "google_monitoring_alert_policy": {"no_success": _alert(deployment)},
    }
    if deployment.repository is not None:
        resources["google_artifact_registry_repository"] = {"images": _repository(deployment)}
    for grant in deployment.grants:
        kind, values = _grant(deployment, grant)
        resources.setdefault(kind, {})[_name_of(grant)] = values
    return {kind: resources[kind] for kind in sorted(resources)}


def _account(account: Account) -> dict[str, Any]:
    return {
        "account_id": account.account_id,
        "display_name": account.display_name,
        "depends_on": ["google_project_service.needed"],
    }


def _bucket(deployment: Deployment, name: str) -> dict[str, Any]:
    """No lifecycle rule: age does not say whether a day still uses an object; `penstock gc` knows."""
    return {
        "count": Expression("${var.create_buckets ? 1 : 0}"),
        "name": name,
        "location": deployment.region,
        "uniform_bucket_level_access": True,
        "public_access_prevention": "enforced",
        "force_destroy": False,
        "soft_delete_policy": {"retention_duration_seconds": SOFT_DELETE_SECONDS},
        "depends_on": ["google_project_service.needed"],
    }


def _repository(deployment: Deployment) -> dict[str, Any]:
    return {
        "count": Expression("${var.create_repository ? 1 : 0}"),
        "repository_id": deployment.repository,
        "location": deployment.region,
        "format": "DOCKER",
        "description": "Images of Penstock's jobs.",
        "depends_on": ["google_project_service.needed"],
    }


def _job(deployment: Deployment, each: DeployedDefinition) -> dict[str, Any]:
    """The definition as it is, with its place. Its account has to be able to read its secrets before it is made."""
    needed = [f"google_service_account.{account.part}" for account in deployment.accounts if account.part == each.job]
    secrets = [
        f"google_secret_manager_secret_iam_member.{_name_of(grant)}"
        for grant in deployment.grants
        if grant.kind == "secret" and grant.part == each.job
    ]
    return {
        "name": each.job_id,
        "location": deployment.region,
        "deletion_protection": Expression("${var.deletion_protection}"),
        **each.definition,
        "depends_on": ["google_project_service.needed", *needed, *secrets],
    }


def _schedule(deployment: Deployment) -> dict[str, Any]:
    schedule = deployment.schedule
    return {
        "name": deployment.scheduler_id,
        "region": deployment.region,
        "description": f"{deployment.night[0].upper()}{deployment.night[1:]}.",
        "schedule": schedule.cron,
        "time_zone": schedule.zone,
        "paused": Expression("${var.schedule_paused}"),
        "attempt_deadline": "180s",
        "retry_config": {"retry_count": 3, "min_backoff_duration": "60s", "max_backoff_duration": "600s"},
        "http_target": {
            "http_method": "POST",
            "uri": schedule.url,
            "headers": _JSON_TYPE,
            "body": base64.b64encode(schedule.body.encode()).decode(),
            "oauth_token": {"service_account_email": deployment.scheduler_account, "scope": _SCOPE},
        },
        "depends_on": ["google_service_account.scheduler", "google_cloud_run_v2_job.chain"],
    }


def _channel(deployment: Deployment) -> dict[str, Any]:
    return {
        "display_name": f"Penstock {deployment.pipeline}",
        "type": "email",
        "labels": {"email_address": Expression("${var.alert_email}")},
        "depends_on": ["google_project_service.needed"],
    }


def _alert(deployment: Deployment) -> dict[str, Any]:
    return {
        **deployment.alert,
        "notification_channels": [Expression("${google_monitoring_notification_channel.alert.id}")],
    }


def _grant(deployment: Deployment, grant: Grant) -> tuple[str, dict[str, Any]]:
    needed = [f"google_service_account.{a.part}" for a in deployment.accounts if a.part == grant.part]
    who = {"role": grant.role, "member": f"serviceAccount:{grant.account}"}
    if grant.kind == "bucket":
        made = [f"google_storage_bucket.{_bucket_name(grant.name)}"] if grant.name in deployment.buckets else []
        kind, where, needed = "google_storage_bucket_iam_member", {"bucket": grant.name}, [*needed, *made]
    elif grant.kind == "secret":
        project, _, secret = grant.name.partition("/")
        kind, where = "google_secret_manager_secret_iam_member", {"project": project, "secret_id": secret}
    elif grant.kind == "project":
        kind, where = "google_project_iam_member", {"project": grant.name}
    else:
        job = next(each.job for each in deployment.jobs if each.job_id == grant.name)
        kind, where = "google_cloud_run_v2_job_iam_member", {"name": grant.name, "location": deployment.region}
        needed = [*needed, f"google_cloud_run_v2_job.{job}"]
    return kind, {**where, **who, "depends_on": needed or ["google_project_service.needed"]}


def _name_of(grant: Grant) -> str:
    role = grant.role.removeprefix("roles/").replace(".", "_")
    return _label(f"{grant.part}_{role}_{grant.name}")


def _bucket_name(bucket: str) -> str:
    return _label(f"bucket_{bucket}")


def _label(text: str) -> str:
    """Return a name for a resource, another one for each text: letters, digits, `_` and `-`, others by their code."""
    return "".join(each if each.isascii() and (each.isalnum() or each in "_-") else f"_{ord(each):x}_" for each in text)


def _list(texts: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"
