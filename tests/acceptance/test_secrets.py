"""Passwords, with the signs that break URLs in them, are seen nowhere but where the operator wrote them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from tests.acceptance.commands import Ended, penstock
from tests.acceptance.objects import list_objects, read_object
from tests.acceptance.oracle import BusinessDay
from tests.acceptance.whole_day import WholeDay
from tests.servers.server import PASSWORD
from tests.shop.shops import build_shop
from tests.shop.tables import Database, create_shop

pytestmark = pytest.mark.integration

CANARY = PASSWORD.split("@", maxsplit=1)[0]
DAY = BusinessDay(date(2026, 10, 25), "Europe/Berlin")
ON_DAY = ("--day", "2026-10-25")


@pytest.fixture(params=["mariadb", pytest.param("mysql", marks=pytest.mark.nightly)])
def whole(postgres_database: str, gcs_bucket: str, tmp_path: Path, request: pytest.FixtureRequest) -> WholeDay:
    """A shop on PostgreSQL, its revenue elsewhere, staging in a bucket; the passwords stand in the pipeline file."""
    source, target = Database(postgres_database), Database(request.getfixturevalue(f"{request.param}_database"))
    day = WholeDay(build_shop("skew", DAY), DAY, source, target, f"{gcs_bucket}/staging", tmp_path)
    create_shop(source, day.shop)
    day.write_config()
    day.create_tables()
    return day


def test_no_password_is_shown_by_a_run_that_works(whole: WholeDay, tmp_path: Path) -> None:
    config = ("--config", whole.config)
    with process_lists() as lists:
        ended = [
            penstock(*command, *config, *day, logs=tmp_path / "logs")
            for command, day in (
                (("init", "--dry-run"), ()),
                (("run", "--json"), ON_DAY),
                (("run", "--fresh-export"), ON_DAY),
                (("reprocess",), ON_DAY),
                (("verify",), ON_DAY),
            )
        ]
    assert [each.code for each in ended] == [0] * 5, [each.err for each in ended]
    _expect_no_canary(whole, ended, lists)
    assert any("chain.jobs.local.attached" in command or "exporter" in command for command in lists), (
        "the jobs were watched"
    )


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        ("source", "password"),
        ("target", "password"),
        ("source", "port"),
        ("target", "dialect"),
        pytest.param("target", "port", marks=pytest.mark.nightly),
        pytest.param("source", "database", marks=pytest.mark.nightly),
        pytest.param("target", "database", marks=pytest.mark.nightly),
        pytest.param("source", "dialect", marks=pytest.mark.nightly),
    ],
)
def test_no_password_is_shown_by_a_run_that_fails(whole: WholeDay, section: str, fault: str, tmp_path: Path) -> None:
    database = whole.source if section == "source" else whole.target
    scheme, _, rest = database.url.partition("://")
    broken = {
        "password": database.url.replace("canary", "canary-wrong"),
        "port": f"{scheme}://{rest.rpartition(':')[0]}:1/nowhere",
        "database": database.url.rpartition("/")[0] + "/nowhere",
        "dialect": f"nosuchdatabase://{rest}",
    }[fault]
    changes: dict[str, dict[str, object]] = {section: {"url": broken}}
    whole.write_config(**changes)
    with process_lists() as lists:
        ended = penstock("run", "--config", whole.config, *ON_DAY, logs=tmp_path / "logs")
    assert ended.code == (20 if fault == "port" else 10), ended.err
    assert "why:" in ended.err
    _expect_no_canary(whole, [ended], lists)


def test_no_password_is_shown_by_a_crash(whole: WholeDay, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "from processor.revenue import contract\n"
        "from processor.transform import Transform\n"
        "def apply(rows, day):\n"
        "    raise RuntimeError('broken on purpose')\n"
        "broken = Transform(contract=contract, apply=apply)\n"
    )
    whole.write_config(process={"transform": "broken:broken", "max_retries": 0})
    with process_lists() as lists:
        ended = penstock("run", "--config", whole.config, *ON_DAY, logs=tmp_path / "logs")
    assert ended.code == 10, ended.err
    assert "broken on purpose" in ended.err
    _expect_no_canary(whole, [ended], lists)


def test_a_password_from_the_environment_reaches_only_the_job_that_needs_it(whole: WholeDay, tmp_path: Path) -> None:
    (tmp_path / "spy.py").write_text(
        "import os\n"
        "from processor.revenue import contract, apply as revenue\n"
        "from processor.transform import Transform\n"
        "def apply(rows, day):\n"
        "    assert not [name for name, value in os.environ.items() if 'canary' in value], 'a secret is here'\n"
        "    return revenue(rows, day)\n"
        "spy = Transform(contract=contract, apply=apply)\n"
    )
    whole.write_config(
        source={"url": "env:SHOP"}, target={"url": "env:BOOKS"}, process={"transform": "spy:spy", "max_retries": 0}
    )
    with process_lists() as lists:
        ended = penstock(
            *("run", "--config", whole.config, *ON_DAY),
            logs=tmp_path / "logs",
            SHOP=whole.source.url,
            BOOKS=whole.target.url,
        )
    assert ended.code == 0, ended.err
    _expect_no_canary(whole, [ended], lists)


def _expect_no_canary(whole: WholeDay, ended: list[Ended], lists: set[str]) -> None:
    places = {f"command {number}": each.out + each.err for number, each in enumerate(ended)}
    places |= {f"process {command}": command for command in lists}
    for path in whole.folder.rglob("*"):
        if path.is_file() and path not in (whole.config, whole.folder / "spy.py"):
            places[str(path)] = path.read_bytes().decode("latin-1")
    for name in list_objects(whole.staging_url):
        places[name] = name + read_object(whole.staging_url, name).decode("latin-1")
    for table in ("penstock_ledger", "revenue"):
        places[table] = str(whole.target.execute(f"SELECT * FROM {table}"))
    assert len(places) > 5
    assert [place for place, text in places.items() if CANARY in text] == []


@contextmanager
def process_lists() -> Iterator[set[str]]:
    """Collect the command line of every process below this one that is seen meanwhile, as anybody may look at it."""
    seen: set[str] = set()
    others: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):  # a job lives for some tenths of a second at least
            seen.update(_commands_below(os.getpid(), others))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def _commands_below(ancestor: int, others: set[str]) -> set[str]:
    """Look at all processes but `others`, which gets those that were not below: their children never will be."""
    parents, commands = {}, {}
    present = {name for name in os.listdir("/proc") if name.isdecimal()}  # noqa: PTH208 - many times a second
    others &= present
    for name in present - others:
        folder = Path("/proc") / name
        try:
            parents[name] = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
            commands[name] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
    below = {str(ancestor)}
    while more := {name for name, parent in parents.items() if parent in below} - below:
        below |= more
    others |= parents.keys() - below
    return {commands[name] for name in below - {str(ancestor)} if name in commands}
