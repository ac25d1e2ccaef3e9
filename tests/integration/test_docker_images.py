"""The images, made from the lines of their Dockerfiles: what is in them, what is not, and that how they do a day."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import pytest

from tests.integration.dockerfile_lines import Image, follow
from tests.servers.programs import CHECKOUT

IMAGES = ("exporter", "processor", "loader", "chain")
DATABASE_PACKAGES = ("sqlalchemy", "psycopg", "pymysql", "adbc_driver_manager", "adbc_driver_postgresql", "arrow_odbc")
MadeImage = Callable[[str], Image]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> MadeImage:
    """Make an image by its name, once."""
    return cache(lambda name: follow(CHECKOUT / "docker" / f"{name}.Dockerfile", tmp_path_factory.mktemp(name)))


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_starts_its_job_and_is_not_root(image: MadeImage, name: str) -> None:
    made = image(name)
    done = made.run("--help")
    assert done.returncode == 0, done.stderr
    assert "--config" in done.stdout or "run" in done.stdout
    assert re.fullmatch(r"[1-9]\d+", made.user)


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_holds_the_contract_and_its_job_and_the_chain_s_all_jobs(image: MadeImage, name: str) -> None:
    made = image(name)
    assert made.can_import("staging")
    expected = set(IMAGES) if name == "chain" else {name}
    assert {other for other in (*IMAGES, "jobs_emulator", "tests", "pytest") if made.can_import(other)} == expected
    commands = {path.name for path in made.place("/app/.venv/bin").glob("penstock*")}
    assert commands == {made.entrypoint[0]}


def test_no_database_package_is_in_the_processor_s_image(image: MadeImage) -> None:
    assert [package for package in DATABASE_PACKAGES if image("processor").can_import(package)] == []


def test_odbc_is_in_the_exporter_s_image_alone(image: MadeImage) -> None:
    assert [name for name in IMAGES if image(name).can_import("arrow_odbc")] == ["exporter"]
    assert [name for name in IMAGES if "odbc-mariadb" in image(name).system_packages] == ["exporter"]


def test_an_image_is_built_with_the_uv_of_the_checkout(image: MadeImage) -> None:
    pinned = re.search(r'^UV_VERSION = "(.+)"', (CHECKOUT / ".ci" / "set_up.py").read_text(), re.MULTILINE)
    assert pinned is not None
    for name in IMAGES:
        assert image(name).pip_packages == [f"uv=={pinned[1]}"], name


def test_an_image_has_the_same_base_in_each_stage(image: MadeImage) -> None:
    # The virtual environment links to the Python of the stage it was built in.
    assert {base for name in IMAGES for base in image(name).bases} == {"python:3.11-slim-bookworm"}


def test_what_is_sent_to_the_builder_is_what_the_dockerfiles_name() -> None:
    allowed = {line[1:] for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    named = set()
    for name in IMAGES:
        for line in (CHECKOUT / "docker" / f"{name}.Dockerfile").read_text().splitlines():
            if line.startswith("COPY ") and "--from" not in line:
                named |= {word.rstrip("/") for word in line.split()[1:-1]}
    assert named <= allowed
    assert all((CHECKOUT / path).exists() for path in named)
