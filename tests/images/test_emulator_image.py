"""The emulator's image, made from the lines of its Dockerfile: it holds the emulator alone, and that runs a job."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.images.dockerfile_lines import Image, follow
from tests.jobs_emulator.harness import SOON, Cloud
from tests.servers.programs import CHECKOUT

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return follow(CHECKOUT / "docker" / "emulator.Dockerfile", tmp_path_factory.mktemp("emulator"))


def test_the_image_holds_the_emulator_and_nothing_else_of_the_project_and_is_not_root(image: Image) -> None:
    ours = ("staging", "databases", "exporter", "processor", "loader", "chain", "jobs_emulator", "tests", "pytest")
    assert [name for name in ours if image.can_import(name)] == ["jobs_emulator"]
    assert {path.name for path in image.place("/app/.venv/bin").glob("penstock*")} == {"penstock-jobs-emulator"}
    assert re.fullmatch(r"[1-9]\d+", image.user)


def test_the_emulator_of_the_image_runs_a_job(image: Image, tmp_path: Path) -> None:
    (tmp_path / "images.toml").write_text('[images.true]\nentrypoint = ["/bin/true"]\n')
    program = image.place("/app/.venv/bin/penstock-jobs-emulator")
    command = [str(program), "serve", "--images", str(tmp_path / "images.toml"), "--port", "0", "--quiet"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=image.place(".")) as process:
        assert process.stderr is not None
        match = re.search(r"127\.0\.0\.1:\d+", process.stderr.readline())
        assert match is not None
        region = Cloud(match[0])
        region.create("job", task_count=3)
        assert region.run("job").result(polling=SOON).succeeded_count == 3
        region.close()
        process.terminate()
