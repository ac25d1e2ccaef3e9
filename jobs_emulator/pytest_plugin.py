"""Fixtures for pytest.

`cloud_run_jobs`, an emulator for one test; `cloud_run_images`, to be overridden, says what it runs.

::

    @pytest.fixture
    def cloud_run_images():
        return {"europe-docker.pkg.dev/acme/jobs/report": ["python", "-m", "report"]}

    def test_report(cloud_run_jobs):
        with jobs_emulator.jobs_client(cloud_run_jobs.address) as jobs: …
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from jobs_emulator.embedded import Emulator


@pytest.fixture
def cloud_run_images() -> Mapping[str, Sequence[str] | Mapping[str, Any]]:
    """The images of `cloud_run_jobs`.

    From reference to entrypoint, or to entrypoint, cmd, cwd, env. Override it.
    """
    return {}


@pytest.fixture
def cloud_run_jobs(
    cloud_run_images: Mapping[str, Sequence[str] | Mapping[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Emulator]:
    """A running emulator, with RUN_EMULATOR_HOST set to its address.

    Its tasks end with the test.
    """
    import jobs_emulator  # noqa: PLC0415 — the client library takes a second, and most tests want none of it

    with jobs_emulator.start(cloud_run_images, grace_seconds=1.0) as emulator:
        monkeypatch.setenv("RUN_EMULATOR_HOST", emulator.address)
        yield emulator
