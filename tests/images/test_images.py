"""The images, made from the lines of their Dockerfiles: what is in them, what is not, and that how they do a day."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from tests.acceptance.oracle import BusinessDay, revenue_of
from tests.acceptance.whole_day import WholeDay
from tests.images.dockerfile_lines import Image, follow
from tests.servers.programs import CHECKOUT
from tests.shop.shops import build_shop
from tests.shop.tables import Database, create_shop, read_revenue

pytestmark = pytest.mark.integration

IMAGES = ("exporter", "processor", "loader", "chain")
DATABASE_PACKAGES = ("sqlalchemy", "psycopg", "pymysql", "adbc_driver_manager", "adbc_driver_postgresql")
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
    expected = {*IMAGES, "jobs_emulator"} if name == "chain" else {name}
    assert {other for other in (*IMAGES, "jobs_emulator", "tests", "pytest") if made.can_import(other)} == expected
    commands = {path.name for path in made.place("/app/.venv/bin").glob("penstock*")}
    assert commands == {made.entrypoint[0]}


def test_no_database_package_is_in_the_processor_s_image(image: MadeImage) -> None:
    assert [package for package in DATABASE_PACKAGES if image("processor").can_import(package)] == []


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


def test_the_images_bring_a_day_to_done_and_only_two_of_them_know_a_database(
    image: MadeImage, postgres_database: str, tmp_path: Path
) -> None:
    day = BusinessDay(date(2026, 10, 25), "Europe/Berlin")
    (tmp_path / "staging").mkdir()
    database = Database(postgres_database)
    whole = WholeDay(build_shop("skew", day), day, database, database, (tmp_path / "staging").as_uri(), tmp_path)
    create_shop(database, whole.shop)
    whole.write_config(source={"url": "env:SHOP"}, target={"url": "env:BOOKS"})
    config = ("--config", str(whole.config))
    run = (*config, "--day", "2026-10-25", "--run-id", "images-together")

    _expect_done(image("chain").run("init", *config, SHOP=postgres_database, BOOKS=postgres_database))
    _expect_done(image("exporter").run(*run, SHOP=postgres_database))
    for index in range(whole.tasks):
        task = {"CLOUD_RUN_TASK_INDEX": str(index), "CLOUD_RUN_TASK_COUNT": "2", "CLOUD_RUN_TASK_ATTEMPT": "0"}
        _expect_done(image("processor").run(*run, **task))
    _expect_done(image("loader").run(*run, BOOKS=postgres_database))

    expected = revenue_of(whole.shop.rows, day, whole.shop.status)
    assert read_revenue(database, "revenue", "user_id", "2026-10-25") == expected
    _expect_done(image("chain").run("verify", *config, "--day", "2026-10-25", BOOKS=postgres_database))


def _expect_done(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


OWN = CHECKOUT / "docker" / "own.Dockerfile"


@pytest.mark.parametrize("job", ["processor", "chain"])
def test_the_example_of_an_own_image_has_the_transform_with_what_it_imports_and_stays_what_it_was(
    job: str, tmp_path: Path
) -> None:
    made = follow(OWN, tmp_path, JOB=job)
    assert re.fullmatch(r"[1-9]\d+", made.user)
    assert made.entrypoint == image_entrypoint(job)
    assert made.can_import("roman")
    promised = made.run("-c", "import tiers; print(tiers._TIERS[4])", program="python")
    assert promised.stdout == "IV\n", promised.stderr
    assert made.run("--help").returncode == 0


def test_an_own_transform_does_its_task_in_an_own_image(tmp_path: Path) -> None:
    made = follow(OWN, tmp_path / "image", JOB="processor")
    find = (
        "import polars as pl; from processor.find_transform import find_transform; "
        "from staging.config.pipeline import ProcessConfig; "
        "rows = pl.LazyFrame({'user_id': [1] * 11 + [2], 'amount': ['1.50'] * 12}); "
        "rows = rows.cast({'amount': pl.Decimal(12, 2)}); "
        "day = type('Day', (), {'key_columns': ('user_id',)})(); "
        "tiers = find_transform(ProcessConfig(transform='tiers:tiers'), []); "
        "print(tiers.apply(rows, day).sort('user_id').collect().rows())"
    )
    done = made.run("-c", find, program="python")
    assert done.stdout == "[(1, Decimal('16.50'), 'II'), (2, Decimal('1.50'), 'I')]\n", done.stderr


def image_entrypoint(job: str) -> list[str]:
    """As the job's own Dockerfile has it."""
    lines = (CHECKOUT / "docker" / f"{job}.Dockerfile").read_text()
    return re.findall(r'"([^"]+)"', lines.split("ENTRYPOINT")[1])
