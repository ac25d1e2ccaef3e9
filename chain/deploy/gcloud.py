"""Writes a deployment as a script of gcloud commands.

For those without Terraform. It may be run again. A second run does not remove what a pipeline file no longer says;
Terraform does.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

from chain.deploy.deployment import SOFT_DELETE_SECONDS, Deployment
from chain.deploy.grants import Grant
from chain.deploy.jobs import DeployedDefinition

_HEAD = """\
#!/usr/bin/env bash
# Written by `penstock deploy --format gcloud`; a change belongs into the pipeline file. It may be run again.
#   ./penstock.sh you@example.com
set -euo pipefail
ALERT_EMAIL=${1:?the address that is told when no day was brought to done}
exists() { "$@" --format=none >/dev/null 2>&1; }
"""
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def to_script(deployment: Deployment) -> str:
    """Return the script; the same deployment gives the same bytes."""
    parts = [
        ("APIs", [_services(deployment)]),
        ("Buckets and images", _stores(deployment)),
        ("Service accounts", _accounts(deployment)),
        ("What the jobs read and write", [_grant(deployment, g) for g in deployment.grants if g.kind != "job"]),
        ("Jobs", [deploy_job(deployment, each) for each in deployment.jobs]),
        ("Who may start them", [_grant(deployment, g) for g in deployment.grants if g.kind == "job"]),
        ("The night", _schedule(deployment)),
        ("The alert", _alert(deployment)),
    ]
    return _HEAD + "".join(f"\n# {title}\n" + "\n".join(lines) + "\n" for title, lines in parts)


def deploy_job(deployment: Deployment, each: DeployedDefinition) -> str:
    """Return the command that creates or updates a job."""
    execution = each.definition["template"]
    task = execution["template"]
    container = task["containers"][0]
    flags = {
        "image": container["image"],
        "labels": _pairs(each.definition["labels"]),
        "service-account": task["service_account"],
        "max-retries": str(task["max_retries"]),
        "parallelism": str(execution.get("parallelism", 0)),
        "tasks": str(execution.get("task_count", 1)),
        "task-timeout": task.get("timeout", "600s"),
        "args": _joined(container.get("args", [])),
        **_variables(container.get("env", [])),
        **container.get("resources", {}).get("limits", {}),
        **_network(task),
    }
    flags["set-cloudsql-instances"] = ",".join(
        instance for volume in task.get("volumes", []) for instance in volume["cloud_sql_instance"]["instances"]
    )
    return _command("run jobs deploy", each.job_id, *_place(deployment), **flags)


def _network(task: dict[str, Any]) -> dict[str, str]:
    access = task.get("vpc_access")
    if access is None:
        return {}
    found = {"vpc-egress": access["egress"].lower().replace("_", "-")}
    if "connector" in access:
        return {**found, "vpc-connector": access["connector"]}
    interface = access["network_interfaces"][0]
    return {**found, **{flag: interface[key] for flag, key in _INTERFACE.items() if key in interface}}


_INTERFACE = {"network": "network", "subnet": "subnetwork"}


def _variables(env: list[dict[str, Any]]) -> dict[str, str]:
    plain = {each["name"]: each["value"] for each in env if "value" in each}
    secret = {each["name"]: each["value_source"]["secret_key_ref"] for each in env if "value_source" in each}
    found = {"set-env-vars": _joined([f"{name}={value}" for name, value in plain.items()])} if plain else {}
    if secret:
        found["set-secrets"] = ",".join(f"{name}={ref['secret']}:{ref['version']}" for name, ref in secret.items())
    return found


def _services(deployment: Deployment) -> str:
    return _command("services enable", *deployment.services, f"--project={deployment.project}")


def _stores(deployment: Deployment) -> list[str]:
    project = f"--project={deployment.project}"
    lines = [
        _unless(
            _command("storage buckets describe", f"gs://{bucket}", project),
            _command(
                "storage buckets create",
                f"gs://{bucket}",
                project,
                "--uniform-bucket-level-access",
                "--public-access-prevention",
                location=deployment.region,
                **{"soft-delete-duration": f"{SOFT_DELETE_SECONDS}s"},
            ),
        )
        for bucket in deployment.buckets
    ]
    if deployment.repository is not None:
        place = (project, f"--location={deployment.region}")
        make = _command("artifacts repositories create", deployment.repository, *place, "--repository-format=docker")
        look = _command("artifacts repositories describe", deployment.repository, *place)
        lines.append(_unless(look, make))
    return lines


def _accounts(deployment: Deployment) -> list[str]:
    project, domain = f"--project={deployment.project}", deployment.scheduler_account.partition("@")[2]
    return [
        _unless(
            _command("iam service-accounts describe", f"{each.account_id}@{domain}", project),
            _command("iam service-accounts create", each.account_id, project, **{"display-name": each.display_name}),
        )
        for each in deployment.accounts
    ]


def _grant(deployment: Deployment, grant: Grant) -> str:
    who = {"member": f"serviceAccount:{grant.account}", "role": grant.role}
    match grant.kind:
        case "bucket":
            return _command("storage buckets add-iam-policy-binding", f"gs://{grant.name}", **who)
        case "secret":
            project, _, secret = grant.name.partition("/")
            return _command("secrets add-iam-policy-binding", secret, f"--project={project}", **who)
        case "project":
            return _command("projects add-iam-policy-binding", grant.name, "--condition=None", **who)
    return _command("run jobs add-iam-policy-binding", grant.name, *_place(deployment), **who)


def _schedule(deployment: Deployment) -> list[str]:
    schedule = deployment.schedule
    place = (deployment.scheduler_id, f"--project={deployment.project}", f"--location={deployment.region}")
    create = {
        "schedule": schedule.cron,
        "time-zone": schedule.zone,
        "uri": schedule.url,
        "http-method": "POST",
        "headers": "Content-Type=application/json",
        "message-body": schedule.body,
        "oauth-service-account-email": deployment.scheduler_account,
        "oauth-token-scope": _SCOPE,
        "attempt-deadline": "180s",
        "max-retry-attempts": "3",
        "min-backoff": "60s",
        "max-backoff": "600s",
    }
    update = {f"update-{name}" if name == "headers" else name: value for name, value in create.items()}
    return [
        f"if exists {_command('scheduler jobs describe', *place)}; then",
        "  " + _command("scheduler jobs update http", *place, **update),
        "else",
        "  " + _command("scheduler jobs create http", *place, **create),
        "fi",
    ]


def _alert(deployment: Deployment) -> list[str]:
    project, name = f"--project={deployment.project}", f"Penstock {deployment.pipeline}"
    title = deployment.alert["display_name"]
    policy = json.dumps(_camel_case(deployment.alert), ensure_ascii=False, indent=2)
    find = _command("alpha monitoring policies list", project, filter=f'displayName="{title}"', format="value(name)")
    channel = _command(
        "beta monitoring channels create", project, type="email", **{"display-name": name, "format": "value(name)"}
    )
    make = _command("alpha monitoring policies create", project)
    return [
        f'if [ -z "$({find})" ]; then',
        f'  CHANNEL=$({channel} --channel-labels="email_address=$ALERT_EMAIL")',
        f'  {make} --notification-channels="$CHANNEL" --policy={shlex.quote(policy)}',
        "fi",
    ]


def _camel_case(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return the API's JSON of what has the names of its fields."""
    if isinstance(value, dict):
        return {_camel(key): _camel_case(each) for key, each in value.items()}
    return [_camel_case(each) for each in value] if isinstance(value, list) else value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)


def _place(deployment: Deployment) -> tuple[str, str]:
    return f"--project={deployment.project}", f"--region={deployment.region}"


def _unless(look: str, make: str) -> str:
    return f"exists {look} || {make}"


def _command(verb: str, *words: str, **flags: str) -> str:
    options = [f"--{name}={value}" for name, value in flags.items() if value != ""]
    return " ".join(["gcloud", verb, *(shlex.quote(word) for word in (*words, *options))])


def _pairs(values: dict[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in values.items())


def _joined(values: list[str]) -> str:
    """Return a list as gcloud takes it: separated by a text that none of them has (`gcloud topic escaping`)."""
    if not values:
        return ""
    separator = "|"
    while any(separator in value for value in values):
        separator += "|:"[len(separator) % 2]
    return f"^{separator}^{separator.join(values)}"
