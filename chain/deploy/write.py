"""Writes the files of a deployment into a folder.

What is equal stays untouched.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from chain.deploy.deployment import Deployment, plan_deployment
from chain.deploy.gcloud import to_script
from chain.deploy.readme import to_readme
from chain.deploy.terraform import to_outputs, to_terraform, to_variables
from chain.deploy.terraform_text import to_text
from staging.config.pipeline import Pipeline
from staging.errors import InputError

Format = Literal["terraform", "gcloud"]
SCRIPT = "penstock.sh"
IMAGES = "images.txt"


def write_deployment(pipeline: Pipeline, folder: Path, kind: Format) -> dict[Path, bool]:
    """Return the files and whether each is new or changed.

    InputError for what can't be deployed or written.
    """
    files = to_files(plan_deployment(pipeline), kind)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return {folder / name: _write(folder / name, text) for name, text in files.items()}
    except OSError as error:
        raise InputError(
            f"The deployment can't be written to {folder}.",
            why=f"{error.strerror}: {error.filename}.",
            fix="Name another folder: --out FOLDER.",
        ) from error


def to_files(deployment: Deployment, kind: Format) -> Mapping[str, str]:
    """Return the text of each file by its name."""
    common = {IMAGES: _to_images(deployment), "README.md": to_readme(deployment, terraform=kind == "terraform")}
    if kind == "gcloud":
        return {SCRIPT: to_script(deployment), **common}
    return {
        "penstock.tf.json": to_text(to_terraform(deployment)),
        "variables.tf.json": to_text(to_variables()),
        "outputs.tf.json": to_text(to_outputs(deployment)),
        **common,
    }


def _to_images(deployment: Deployment) -> str:
    """Return a line for each job with its image, for a shell's `while read`."""
    return "".join(f"{each.job} {each.image}\n" for each in deployment.jobs)


def _write(path: Path, text: str) -> bool:
    data = text.encode()
    changed = not path.exists() or path.read_bytes() != data
    if changed:
        path.write_bytes(data)
    if path.name == SCRIPT:
        path.chmod(0o755)
    return changed
