"""The README's five minutes, as they are written."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs_emulator import unknowns
from jobs_emulator.chaos import ChaosSettings
from jobs_emulator.images import read_image_table
from tests.servers.programs import CHECKOUT

pytestmark = pytest.mark.integration

README = (CHECKOUT / "jobs_emulator" / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """An emulator started with the README's table; `python` is ours."""
    (tmp_path / "images.toml").write_text(blocks("toml")[0])
    command = [sys.executable, "-m", "jobs_emulator", "serve", "--images", str(tmp_path / "images.toml"), "--port", "0"]
    with subprocess.Popen([*command, "--no-auth", "--quiet"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        match = re.search(r"127\.0\.0\.1:\d+", process.stderr.readline())
        assert match is not None
        yield match[0]
        process.terminate()


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_python_and_rest_of_the_readme_run_as_they_stand(address: str, tmp_path: Path) -> None:
    python, rest = blocks("python")[0], next(block for block in blocks("console") if "curl" in block)
    assert run([sys.executable, "-c", python.replace("127.0.0.1:8123", address)], tmp_path) == "3 tasks succeeded\n"
    told = run(["bash", "-ec", rest.replace("127.0.0.1:8123", address).replace("curl ", "curl -sSf ")], tmp_path)
    execution = re.findall(r"executions/(weekly-\w+)", told)[-1]
    logs = [sys.executable, "-m", "jobs_emulator", "logs", execution, "--address", address, "--follow"]
    assert sorted(run(logs, tmp_path).splitlines()) == ["task 0 of 3", "task 1 of 3", "task 2 of 3"]


def test_the_other_python_clients_of_the_readme_list_the_jobs(address: str, tmp_path: Path) -> None:
    made = run([sys.executable, "-c", blocks("python")[0].replace("127.0.0.1:8123", address)], tmp_path)
    assert made == "3 tasks succeeded\n"
    use = """
import asyncio
PARENT = "projects/acme/locations/europe-west1"
async def list_jobs():
    return [job.name async for job in await open_async_client().list_jobs(parent=PARENT)]
print([job.name for job in rest.list_jobs(parent=PARENT)] == asyncio.run(list_jobs()) == [f"{PARENT}/jobs/report"])
"""
    program = blocks("python")[1].replace("127.0.0.1:8123", address) + use
    assert run([sys.executable, "-c", program], tmp_path) == "True\n"


def test_the_chaos_of_the_readme_is_taken(address: str, tmp_path: Path) -> None:
    chaos = next(block for block in blocks("console") if "PATCH" in block)
    told = run(["bash", "-ec", chaos.replace("127.0.0.1:8123", address).replace("curl ", "curl -sSf ")], tmp_path)
    assert '"unavailable_rate": 0.2' in told


def test_the_pytest_example_of_the_readme_passes(tmp_path: Path) -> None:
    (tmp_path / "test_report.py").write_text(blocks("python")[2])
    run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)], tmp_path)


def test_the_whole_table_of_the_readme_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "x")
    (tmp_path / "checkout").mkdir()
    (tmp_path / "images.toml").write_text(blocks("toml")[1])
    assert read_image_table(tmp_path / "images.toml").secrets == {"db-password": "x"}


def test_every_chaos_switch_and_command_line_option_stands_in_the_readme() -> None:
    for field in dataclasses.fields(ChaosSettings):
        assert f"`{field.name}`" in README, field.name
    told = run([sys.executable, "-m", "jobs_emulator", "serve", "--help"], CHECKOUT)
    for option in ("--images", "--port", "--data", "--slots", "--grace", "--quiet", "--chaos"):
        assert option in told


def test_the_choices_the_readme_names_are_those_of_the_code() -> None:
    assert f"the longest job id ({unknowns.JOB_ID_CHARACTERS_MAX})" in README
    assert f"SIGKILL of a task ({unknowns.SIGTERM_GRACE_SECONDS:.0f} s" in README.replace("\n", " ")
    assert f"{unknowns.PAGE_SIZE_DEFAULT}, at most {unknowns.PAGE_SIZE_MAX:,}" in README
    assert os.environ.get("RUN_EMULATOR_HOST") is None
