"""Writes the README of a deployment's folder.

What is in it, and the commands in their order.
"""

from __future__ import annotations

from chain.deploy.alert import SILENT_HOURS
from chain.deploy.deployment import Deployment

_TERRAFORM = """\
```console
terraform init
export TF_VAR_alert_email=you@example.com
terraform apply {first}
# push the images, below
terraform apply
```
"""
_GCLOUD = """\
```console
./penstock.sh you@example.com     # ends where the images are missing: push them, below, and run it again
```
"""


def to_readme(deployment: Deployment, *, terraform: bool) -> str:
    """Return the text in Markdown."""
    chain = next(each for each in deployment.jobs if each.job == "chain")
    place = f"--project={deployment.project} --region={deployment.region}"
    images = "\n".join(f"docker push {each.image}" for each in deployment.jobs)
    secrets = "\n".join(
        f"printf %s 'the-URL' | gcloud secrets create {name.partition('/')[2]} --project={name.partition('/')[0]} "
        "--data-file=-"
        for name in deployment.secrets
    )
    jobs = "\n".join(
        f"| `{each.job_id}` | {each.job} | {each.definition['template']['template']['service_account']} |"
        for each in deployment.jobs
    )
    return f"""\
# {deployment.pipeline} on Google Cloud
Written by `penstock deploy`. A change belongs into the pipeline file; the same file gives the same bytes.

| job | is | runs as |
|---|---|---|
{jobs}

By `{deployment.schedule.cron}` ({deployment.schedule.zone}) Cloud Scheduler starts `{chain.job_id}`,
which {deployment.night}. Somebody is told when that has not gone well for {SILENT_HOURS} hours.

## Before
The secrets, with the databases' URLs in them, are yours: no tool that keeps a state should see them.
```console
{_enable(deployment, terraform=terraform)}
{secrets or "# this pipeline has no secret"}
```

## Deploy
{_TERRAFORM.replace("{first}", _first(deployment)) if terraform else _GCLOUD}
## Images
```console
{images}
```

## Try
```console
gcloud run jobs execute {chain.job_id} {place} --wait
```

## Take down
```console
{_down(deployment, terraform=terraform)}
```
The buckets stay as long as there is something in them.
"""


def _enable(deployment: Deployment, *, terraform: bool) -> str:
    """Return the command that enables services before anything else.

    Secrets need theirs. Terraform needs the Resource Manager's, which google_project_service asks for the project:
    https://github.com/hashicorp/terraform-provider-google/issues/6101
    """
    services = ["secretmanager.googleapis.com", *(["cloudresourcemanager.googleapis.com"] if terraform else [])]
    return f"gcloud services enable {' '.join(services)} --project={deployment.project}"


def _first(deployment: Deployment) -> str:
    """Return what must exist before images are pushed."""
    targets = ["google_project_service.needed"]
    targets += ["google_artifact_registry_repository.images"] if deployment.repository is not None else []
    return " ".join(f"-target={target}" for target in targets)


def _down(deployment: Deployment, *, terraform: bool) -> str:
    if terraform:
        protect = "-var deletion_protection=false"
        return f"terraform apply {protect}\nterraform destroy {protect}"
    place = f"--project={deployment.project}"
    lines = [f"gcloud scheduler jobs delete {deployment.scheduler_id} {place} --location={deployment.region}"]
    lines += [f"gcloud run jobs delete {each.job_id} {place} --region={deployment.region}" for each in deployment.jobs]
    domain = deployment.scheduler_account.partition("@")[2]
    lines += [f"gcloud iam service-accounts delete {each.account_id}@{domain} {place}" for each in deployment.accounts]
    return "\n".join(lines)
