"""What is shown of a night later, and to whom it is told, holds no secret: no password, no hook's address."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from tests.acceptance.commands import Ended, penstock
from tests.acceptance.objects import list_objects, read_object
from tests.acceptance.oracle import BusinessDay
from tests.acceptance.whole_day import WholeDay
from tests.chain.notify.hook import SECRET, webhook
from tests.servers.server import PASSWORD
from tests.shop.shops import build_shop
from tests.shop.tables import Database, create_shop

pytestmark = pytest.mark.integration

CANARIES = (PASSWORD.split("@", maxsplit=1)[0], SECRET, "k3y-of-a-hook")
DAY = BusinessDay(date(2026, 10, 25), "Europe/Berlin")
ON_DAY = ("--day", "2026-10-25")
LOUD = """\
import os
from processor.revenue import contract
from processor.transform import Transform
def apply(rows, day):
    raise RuntimeError("all that is known here: " + repr(dict(os.environ)))
loud = Transform(contract=contract, apply=apply)
"""
LATER = [
    ("report", *ON_DAY, "--out"),
    ("history", "--json"),
    ("history",),
    ("status", *ON_DAY, "--json"),
    ("status", *ON_DAY),
    ("config", "show", "--origin", "--json"),
    ("config", "show"),
    ("plan", *ON_DAY, "--json"),
    ("doctor", "--json"),
    ("try", *ON_DAY, "--json"),
]


@pytest.fixture
def whole(postgres_database: str, mariadb_database: str, gcs_bucket: str, tmp_path: Path) -> WholeDay:
    source, target = Database(postgres_database), Database(mariadb_database)
    day = WholeDay(build_shop("skew", DAY), DAY, source, target, f"{gcs_bucket}/staging", tmp_path)
    create_shop(source, day.shop)
    day.write_config()
    day.create_tables()
    return day


def write(whole: WholeDay, **process: object) -> None:
    whole.write_config(
        source={"url": "env:SHOP"},
        target={"url": "env:BOOKS"},
        notify={"url": "env:HOOK"},
        process={"max_retries": 0, **process},
    )


def test_what_is_shown_or_told_of_good_and_bad_nights_holds_no_secret(whole: WholeDay, tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(LOUD)
    with webhook() as hook:
        secrets = {"SHOP": whole.source.url, "BOOKS": whole.target.url, "HOOK": hook.url}

        def run(*command: str, **changed: str) -> Ended:
            more = [str(tmp_path / "page.html")] if command[-1] == "--out" else []
            words = [*command, *more, "--config", str(whole.config)]
            return penstock(*words, logs=tmp_path / "logs", **{**secrets, **changed})

        write(whole)
        ended = [run("run", *ON_DAY, "--json")]
        wrong = whole.target.url.replace("canary", "canary-wrong")
        ended += [run("run", *ON_DAY, "--fresh-export", BOOKS=wrong), run("resume", *ON_DAY, "--json", BOOKS=wrong)]
        write(whole, transform="loud:loud")
        ended += [run("reprocess", *ON_DAY, "--json")]
        assert [each.code for each in ended] == [0, 10, 10, 10], [each.err for each in ended]
        later = [run(*command) for command in LATER[:-2]]
        assert [each.code for each in later] == [0] * len(later), [each.err for each in later]
        later += [run(*command) for command in LATER[-2:]]  # they name what is wrong with the transform
        assert "all that is known here" in ended[-1].err
        assert hook.events()[0] == "failure"

    shown = {" ".join(command): each.out + each.err for command, each in zip(LATER, later, strict=True)}
    shown |= {f"run {number}": each.out + each.err for number, each in enumerate(ended)}
    shown |= {"page": (tmp_path / "page.html").read_text(), "told": json.dumps(hook.requests)}
    for name in list_objects(whole.staging_url):
        shown[name] = name + read_object(whole.staging_url, name).decode("latin-1")
    for log in (tmp_path / "logs").rglob("*"):
        shown[str(log)] = log.read_text("latin-1") if log.is_file() else ""
    assert [(place, canary) for place, text in shown.items() for canary in CANARIES if canary in text] == []
