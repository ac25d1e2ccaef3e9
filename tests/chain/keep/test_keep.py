"""`penstock keep` on a small shop in SQLite: what it makes, reads again and leaves alone, and what it ends with."""

from __future__ import annotations

import json
import re
import signal
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.chain.jobs.cloudrun.harness import wait_until
from tests.chain.range.small_range import SHORT_LEASE, SmallRange

pytestmark = pytest.mark.integration

DAYS = ["2026-10-24", "2026-10-25", "2026-10-26", "2026-10-27"]
RANGE = ("--from", DAYS[0], "--to", DAYS[3])


def keep(shop: SmallRange, *arguments: str, code: int = 0) -> dict[str, dict[str, Any]]:
    """Keep the days, and return what became of each."""
    ended = shop.penstock("keep", *(arguments or RANGE), "--json")
    assert ended.returncode == code, ended.stderr
    found = json.loads(ended.stdout)
    assert found["exit_code"] == code
    return {day["day"]: day for day in found["days"]}


def outcomes(shop: SmallRange, *arguments: str, code: int = 0) -> list[str]:
    return [day["outcome"] for day in keep(shop, *arguments, code=code).values()]


def exports(shop: SmallRange) -> set[str]:
    return {path.parent.name for path in shop.staging.rglob("manifest.json")}


def test_missing_days_are_made_a_changed_one_is_read_again_and_unsure_ones_are_left_and_told(
    shop: SmallRange,
) -> None:
    assert shop.backfill(DAYS[0], DAYS[2]).returncode == 0
    before = exports(shop)
    shop.sell(DAYS[1])
    found = keep(shop)
    assert [day["outcome"] for day in found.values()] == ["left", "healed", "left", "new"]
    assert [day["compared"] for day in found.values()] == ["same sums", "changed", "same sums", "never stored"]
    healed, left, new = found[DAYS[1]], found[DAYS[0]], found[DAYS[3]]
    assert healed["rows_after"] == healed["rows_before"] + 1
    assert round(float(healed["sums_after"]["amount"]) - float(healed["sums_before"]["amount"]), 2) == 12.34
    assert healed["why"] == "1 row more"
    (user,) = healed["difference"]["differing"]
    assert (user["key"], user["rows"]["after"] - user["rows"]["before"]) == (7, 1)
    assert (left["difference"], new["difference"]) == (None, None)
    assert left["why"].startswith("compared by count and sums alone: ")
    assert (left["rows_before"], left["seconds"], left["exit_code"]) == (left["rows_after"], None, 0)
    assert (new["rows_before"], new["rows"]) == (None, len(shop.expected(DAYS[3])))
    assert len(exports(shop) - before) == 2
    shop.assert_right(*DAYS)

    after, database = exports(shop), shop.database.read_bytes()
    ended = shop.penstock("keep", *RANGE)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:5]] == [["day", "what"], *([day, "left"] for day in DAYS)]
    assert lines[5].startswith("daily_revenue: 4 days left, in ")
    assert (exports(shop), shop.database.read_bytes()) == (after, database)


def test_yesterday_is_made_and_a_day_that_is_not_over_is_left(shop: SmallRange) -> None:
    today = datetime.now(UTC).astimezone(ZoneInfo("Europe/Berlin")).date()
    days = [(today - timedelta(days=number)).isoformat() for number in (2, 1)]
    for day in days:
        shop.sell(day)
    found = keep(shop, "--last", "2", code=0)
    if set(found) == set(days):  # else midnight has passed, or was less than the grace ago
        assert [day["outcome"] for day in found.values()] == ["new", "new"]
        shop.assert_right(*days)
    (left,) = keep(shop, "--from", "today", "--to", "today").values()
    assert (left["outcome"], left["why"], left["compared"]) == ("left", "it is not over yet", None)


def test_what_to_do_about_days_of_other_settings_is_said_at_the_end(shop: SmallRange) -> None:
    assert shop.backfill(DAYS[0], DAYS[1]).returncode == 0
    other = ("--set", "source.where=amount > 1")
    ended = shop.penstock("keep", "--from", DAYS[0], "--to", DAYS[1], *other)
    assert ended.returncode == 10
    assert "fix: Read the day again with `penstock run --fresh-export`, or put the settings back." in ended.stderr


def test_a_day_that_fails_keeps_no_other_one_from_being_done(shop: SmallRange) -> None:
    shop.faults(DAYS[1])
    ended = shop.penstock("keep", *RANGE)
    assert ended.returncode == 10
    assert [line.split()[1] for line in ended.stdout.splitlines()[1:5]] == ["new", "failed", "new", "new"]
    assert "1 of 4 days of daily_revenue are not kept." in ended.stderr
    assert "Row 7 is odd." in ended.stderr
    shop.faults()
    assert outcomes(shop) == ["left", "new", "left", "left"]
    shop.assert_right(*DAYS)


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGKILL])
def test_interrupted_or_killed_it_goes_on_and_reads_no_day_twice(shop: SmallRange, with_signal: signal.Signals) -> None:
    assert shop.backfill(DAYS[0], DAYS[2]).returncode == 0
    for day in DAYS[:2]:
        shop.sell(day)
    (shop.folder / "attempts").write_text("")
    with shop.waiting(DAYS[1]):
        running = shop.begin("keep", *RANGE, "--json", *SHORT_LEASE)
        wait_until(lambda: DAYS[1] in shop.attempts())
        running.send_signal(with_signal)
        stdout, stderr = running.communicate(timeout=30)
    if with_signal == signal.SIGTERM:
        assert running.returncode == 20, stderr
        found = [day["outcome"] for day in json.loads(stdout)["days"]]
        assert found == ["healed", "stopped", "left", "not begun"]
    before = exports(shop)

    found = outcomes(shop)
    assert found == ["left", "healed", "left", "new"]
    assert len(exports(shop) - before) == 1  # the missing day's alone
    shop.assert_right(*DAYS)


@pytest.mark.parametrize("damaged", ["run.json", "manifest.json", "manifest.json deleted"])
def test_a_day_whose_documents_are_damaged_keeps_no_other_one_from_being_done(shop: SmallRange, damaged: str) -> None:
    assert shop.backfill(DAYS[1], DAYS[1]).returncode == 0
    (path,) = shop.staging.rglob(damaged.split(maxsplit=1)[0])
    path.write_bytes(b"{}") if damaged == path.name else path.unlink()
    found = keep(shop, "--from", DAYS[0], "--to", DAYS[1], code=40)
    assert (found[DAYS[0]]["outcome"], found[DAYS[1]]["exit_code"]) == ("new", 40), found
    assert found[DAYS[1]]["outcome"] == ("failed" if damaged == "run.json" else "left")
    shop.assert_right(DAYS[0])


def test_a_range_that_can_not_be_meant_and_a_source_that_is_no_table_are_refused_before_anything_is_read(
    shop: SmallRange,
) -> None:
    for arguments in ((), ("--last", "2", "--from", DAYS[0]), ("--last", "4000"), ("--budget-seconds", "0")):
        assert shop.penstock("keep", *arguments).returncode == 2
    ended = shop.penstock("keep", "--from", DAYS[1], "--to", DAYS[0])
    assert (ended.returncode, "begins after its end" in ended.stderr) == (10, True)
    text = re.sub(r'url = .*\ntable = "purchases"', 'python = "own_transform:chosen"', shop.config.read_text(), count=1)
    shop.config.write_text(re.sub(r"where = .*\n", "", text))
    ended = shop.penstock("keep", "--last", "2")
    assert (ended.returncode, "reads no table" in ended.stderr) == (10, True)
    assert exports(shop) == set()


def test_a_budget_that_is_too_small_leaves_days_for_later(shop: SmallRange) -> None:
    assert shop.backfill(DAYS[0], DAYS[2]).returncode == 0
    shop.sell(DAYS[0])
    found = keep(shop, *RANGE, "--budget-seconds", "0.0000001", code=20)
    told = [(day["outcome"], day["compared"]) for day in found.values()]
    assert told == [("healed", "changed"), *[("left", "can't be told")] * 2, ("new", "never stored")]
    assert "budget" in found[DAYS[1]]["why"]
    assert outcomes(shop) == ["left"] * 4


def test_what_was_stored_by_other_settings_is_left_and_a_person_is_told(shop: SmallRange) -> None:
    assert shop.backfill(DAYS[0], DAYS[0]).returncode == 0
    before = exports(shop)
    found = keep(shop, "--from", DAYS[0], "--to", DAYS[0], "--set", "source.where=amount > 0", code=10)
    assert (found[DAYS[0]]["outcome"], found[DAYS[0]]["compared"]) == ("left", "can't be told")
    assert "source.where" in found[DAYS[0]]["why"]
    assert exports(shop) == before
