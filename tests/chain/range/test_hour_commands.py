"""The commands of an hourly pipeline: one hour, all hours of a day, and what is refused before anything is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.chain.range.small_range import SmallRange

pytestmark = pytest.mark.integration

DAY, HOUR = "2026-10-25", "2026-10-25T02+01:00"


@pytest.fixture(scope="module")
def unread(made: Path, tmp_path_factory: pytest.TempPathFactory) -> SmallRange:
    """An hourly pipeline of which nothing is read."""
    found = SmallRange(tmp_path_factory.mktemp("unread"))
    found.make(made)
    found.config.write_text(found.config.read_text().replace("[source]\n", '[source]\nwindow = "hour"\n'))
    return found


@pytest.fixture
def hourly(shop: SmallRange) -> SmallRange:
    """The small shop by the hour."""
    shop.config.write_text(shop.config.read_text().replace("[source]\n", '[source]\nwindow = "hour"\n'))
    shop.sql("DROP TABLE revenue")
    shop.sql("DROP TABLE penstock_ledger")
    assert shop.penstock("init").returncode == 0
    return shop


def test_one_hour_is_brought_to_done_and_shown_among_the_others_of_its_day(hourly: SmallRange) -> None:
    ended = hourly.penstock("run", "--hour", HOUR, "--json")
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert report["day"] == HOUR
    rows = hourly.sql("SELECT hour, SUM(purchases) FROM revenue GROUP BY hour")
    assert rows == [("2026-10-25T01:00:00.000000+00:00", report["rows_exported"])]
    stages = {day: status["stage"] for day, status in hourly.status("--day", DAY).items()}
    assert len(stages) == 25
    assert [day for day, stage in stages.items() if stage == "loaded"] == [HOUR]
    assert hourly.penstock("verify", "--day", HOUR).returncode == 0
    found = json.loads(hourly.penstock("history", "--from", DAY, "--to", DAY, "--json").stdout)
    assert [run["day"] for run in found["runs"]] == [HOUR]


def test_tables_of_hours_speak_of_hours(hourly: SmallRange) -> None:
    hourly.faults(f"{DAY}T00+02:00")
    ended = hourly.penstock("run", "--day", DAY)
    assert ended.stdout.startswith("hour")
    assert ": 1 hour failed, 24 not begun" in ended.stdout
    changed = hourly.penstock("changed", "--from", DAY, "--to", DAY)
    assert ": 1 hour same sums, 24 never stored" in changed.stdout


def test_a_day_is_all_its_hours_in_their_order(hourly: SmallRange) -> None:
    hourly.faults(f"{DAY}T00+02:00")
    ended = hourly.penstock("run", "--day", DAY, "--json")
    days = json.loads(ended.stdout)["days"]
    assert ended.returncode == 10, ended.stderr
    assert [day["outcome"] for day in days] == ["failed", *["not begun"] * 24]
    assert [day["day"][10:] for day in days][1:5] == ["T01+02:00", "T02+02:00", "T02+01:00", "T03+01:00"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("plan", "--day", DAY), 10, "2026-10-25 is a day."),
        (("verify", "--day", DAY), 10, "2026-10-25 is a day."),
        (("resume", "--day", DAY), 10, "2026-10-25 is a day."),
        (("run", "--hour", "2026-10-25T02"), 10, "2026-10-25T02+02:00 or 2026-10-25T02+01:00"),
        (("run", "--hour", "2026-03-29T02"), 10, "does not exist in Europe/Berlin"),
        (("run", "--day", "2026-10-25T02+03:00"), 10, "does not exist in Europe/Berlin"),
        (("run", "--hour", "2999-01-01T09"), 10, "is in the future"),
        (("backfill", "--from", HOUR, "--to", DAY), 10, "A range is of days"),
        (("run", "--day", DAY, "--hour", HOUR), 2, "don't go together"),
        (("run", "--day", DAY, "--wait"), 2, "are for one hour"),
        (("run", "--hour", "last", "--set", "source.window=day"), 10, "is an hour"),
    ],
)
def test_what_is_no_hour_is_refused_before_anything_is_read(
    unread: SmallRange, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ended = unread.penstock(*arguments)
    assert ended.returncode == code, ended.stderr
    assert said in ended.stderr
    assert not list(unread.staging.iterdir())
