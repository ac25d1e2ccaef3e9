"""Where the jobs are on Cloud Run.

Project, region, the service that answers for them, and what the jobs are called there.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from chain.jobs.port import DeployedJob
from staging.config.cloud_checks import JOB_ID_CHARACTERS
from staging.errors import InputError

_HASH_CHARACTERS = 6


@dataclass(frozen=True, slots=True)
class Place:
    """A region of a project.

    `emulator` is an emulator's `host:port` or `unix:PATH`, None for Google's service. `token` is what that emulator
    asks for, empty where it asks for nothing.
    """

    project: str
    region: str
    emulator: str | None = None
    token: str = field(default="", repr=False)

    @property
    def parent(self) -> str:
        """Resource name of what jobs live in."""
        return f"projects/{self.project}/locations/{self.region}"

    def job(self, job_id: str) -> str:
        """Resource name of a job."""
        return f"{self.parent}/jobs/{job_id}"

    def __str__(self) -> str:
        told = f"{self.project}, {self.region}"
        return f"{told}, on the emulator at {self.emulator}" if self.emulator else told


def plan_job_id(pipeline: str, job: DeployedJob) -> str:
    """Return the id of a pipeline's job.

    `daily_revenue` becomes `daily-revenue-exporter`, a long name is cut.
    """
    return plan_name(pipeline, job, JOB_ID_CHARACTERS)


def plan_name(pipeline: str, part: str, characters: int) -> str:
    """Return `<pipeline>-<part>` as Cloud Run takes it.

    In lower-case letters, digits and dashes; a long one is cut, with a digest.
    """
    plain = pipeline.replace("_", "-").strip("-")
    room = characters - len(part) - 1
    if len(plain) > room:
        digest = hashlib.sha256(pipeline.encode()).hexdigest()[:_HASH_CHARACTERS]
        plain = f"{plain[: room - _HASH_CHARACTERS - 1].strip('-')}-{digest}"
    return f"{plain}-{part}"


def short_name(resource: str) -> str:
    """Return the last part of a resource name: what people call it."""
    return resource.rpartition("/")[2]


def parse_emulator(address: str) -> str:
    """Return `host:port` of RUN_EMULATOR_HOST.

    It may be written as a URL; InputError for anything else.
    """
    bare = address.strip().removeprefix("http://").rstrip("/")
    if not re.fullmatch(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}", bare):
        raise InputError(
            "RUN_EMULATOR_HOST is not the address of an emulator.",
            why="It should be host:port.",
            fix="Set it to what the emulator said when it started, for example 127.0.0.1:8123, or unset it.",
        )
    return bare
