"""`penstock backfill` with the real jobs on SQLite and a folder: ranges, failures, interruptions, going on."""

from __future__ import annotations

import json
import re
import signal

import pytest

from staging.names import ParsedName, parse_name
from tests.chain.jobs.cloudrun.harness import wait_until
from tests.chain.range.small_range import SHORT_LEASE, SmallRange

pytestmark = pytest.mark.integration

DAYS = ["2026-10-24", "2026-10-25", "2026-10-26", "2026-10-27"]


def test_both_ends_of_the_range_are_done_some_days_at_once_and_a_second_time_nothing_is_written(
    shop: SmallRange,
) -> None:
    ended = shop.backfill(DAYS[0], DAYS[2], "--days-at-once", "2")
    assert ended.returncode == 0, ended.stderr
    shop.assert_right(*DAYS[:3])
    assert shop.sql("SELECT DISTINCT day FROM revenue ORDER BY day") == [(day,) for day in DAYS[:3]]
    lines = ended.stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:4]] == [[day, "done"] for day in DAYS[:3]]
    for line, day in zip(lines[1:4], DAYS, strict=False):
        revenue = shop.expected(day)
        assert line.endswith(f"  {len(revenue)}  {sum(revenue.values()):>9,}")
    assert re.fullmatch(r"daily_revenue: 3 days done, in [0-9.]+ s", lines[4])
    assert max(map(len, lines)) <= 80

    before, loaders = shop.database.read_bytes(), shop.executions("loader")
    assert shop.outcomes(DAYS[0], DAYS[2]) == dict.fromkeys(DAYS[:3], "already done")
    assert shop.database.read_bytes() == before
    assert len(shop.executions("loader") - loaders) == 1  # one for all three days


@pytest.mark.parametrize("number", [0, 2])
def test_of_done_days_the_one_that_was_changed_in_the_target_is_set_right(shop: SmallRange, number: int) -> None:
    assert shop.backfill(DAYS[0], DAYS[2]).returncode == 0
    shop.sql(f"UPDATE revenue SET revenue = revenue + 1 WHERE day = '{DAYS[number]}'")
    ended = shop.backfill(DAYS[0], DAYS[2])
    assert ended.returncode == 0, ended.stderr
    assert "asking the target of 3 loaded days at once" in ended.stderr
    outcomes = {line[:10]: "already" not in line for line in ended.stdout.splitlines()[1:4]}
    assert outcomes == {day: day == DAYS[number] for day in DAYS[:3]}
    shop.assert_right(*DAYS[:3])


def test_after_a_failure_no_day_begins_but_with_keep_going_all_others_are_done(shop: SmallRange) -> None:
    shop.faults(DAYS[1])
    ended = shop.backfill(DAYS[0], DAYS[3])
    assert ended.returncode == 10
    assert [line.split("  ")[1].strip() for line in ended.stdout.splitlines()[1:5]] == [
        "done",
        "failed",
        "not begun",
        "not begun",
    ]
    assert "Row 7 is odd." in ended.stderr  # the whole error; the table has a few words
    assert re.search(r"log: \S+task\d+-attempt0\.log", ended.stderr)
    assert "raised." in ended.stdout  # not cut: it goes into a pipe

    assert shop.outcomes(DAYS[0], DAYS[3], "--keep-going", code=10) == {
        DAYS[0]: "already done",
        DAYS[1]: "failed",
        DAYS[2]: "done",
        DAYS[3]: "done",
    }
    shop.assert_right(DAYS[0], DAYS[2], DAYS[3])
    assert shop.revenue(DAYS[1]) == {}
    shop.faults()
    assert shop.outcomes(DAYS[0], DAYS[3])[DAYS[1]] == "done"
    shop.assert_right(*DAYS)


def test_days_under_way_come_to_their_end_when_another_one_fails(shop: SmallRange) -> None:
    shop.faults(DAYS[0])
    with shop.waiting(DAYS[1]):
        running = shop.begin("backfill", "--from", DAYS[0], "--to", DAYS[3], "--days-at-once", "2", "--json")
        wait_until(lambda: shop.status("--day", DAYS[0])[DAYS[0]]["stage"] == "failed")
        wait_until(lambda: DAYS[1] in shop.attempts())
    stdout, stderr = running.communicate(timeout=90)
    assert running.returncode == 10, stderr
    found = {day["day"]: day["outcome"] for day in json.loads(stdout)["days"]}
    assert found == {DAYS[0]: "failed", DAYS[1]: "done", DAYS[2]: "not begun", DAYS[3]: "not begun"}
    shop.assert_right(DAYS[1])


def test_stopped_by_a_signal_it_says_what_is_left_and_goes_on_where_it_was(shop: SmallRange) -> None:
    with shop.waiting(DAYS[1]):
        running = shop.begin("backfill", "--from", DAYS[0], "--to", DAYS[2], "--json")
        wait_until(lambda: DAYS[1] in shop.attempts())
        running.send_signal(signal.SIGTERM)
        stdout, stderr = running.communicate(timeout=30)
    assert running.returncode == 20, stderr
    found = {day["day"]: day["outcome"] for day in json.loads(stdout)["days"]}
    assert found == {DAYS[0]: "done", DAYS[1]: "stopped", DAYS[2]: "not begun"}
    export = shop.status("--day", DAYS[1])[DAYS[1]]["export_id"]

    assert shop.outcomes(DAYS[0], DAYS[2]) == {DAYS[0]: "already done", DAYS[1]: "done", DAYS[2]: "done"}
    shop.assert_right(*DAYS[:3])
    assert shop.status("--day", DAYS[1])[DAYS[1]]["export_id"] == export  # the source was read once


def test_killed_it_goes_on_when_the_dead_ones_lease_is_over(shop: SmallRange) -> None:
    with shop.waiting(DAYS[1]), shop.waiting(DAYS[2]):
        running = shop.begin("backfill", "--from", DAYS[0], "--to", DAYS[3], "--days-at-once", "2", *SHORT_LEASE)
        wait_until(lambda: {DAYS[1], DAYS[2]} <= shop.attempts().keys())
        running.kill()
        running.communicate()
    ended = shop.backfill(DAYS[0], DAYS[3], "--days-at-once", "2", "--json")
    assert ended.returncode == 0, ended.stderr
    assert f"{DAYS[1]}  held by " in ended.stderr
    assert "in case it has died" in ended.stderr
    found = {day["day"]: day["outcome"] for day in json.loads(ended.stdout)["days"]}
    assert found == {DAYS[0]: "already done", DAYS[1]: "done", DAYS[2]: "done", DAYS[3]: "done"}
    shop.assert_right(*DAYS)
    exports = {(parsed.day, parsed.export_id) for parsed in names(shop) if parsed.kind == "manifest"}
    assert len(exports) == len(DAYS)


def test_a_day_that_a_living_chain_holds_is_left_to_it(shop: SmallRange) -> None:
    with shop.waiting(DAYS[0]):
        # That it lives is seen when it renews its lease: every fifth of so many seconds.
        holder = shop.begin("run", "--day", DAYS[0], "--set", "chain.lease_seconds=30")
        wait_until(lambda: DAYS[0] in shop.attempts())
        found = shop.outcomes(DAYS[0], DAYS[1], "--keep-going", code=30)
        assert found == {DAYS[0]: "held", DAYS[1]: "done"}
    _, stderr = holder.communicate(timeout=60)
    assert holder.returncode == 0, stderr
    shop.assert_right(*DAYS[:2])


def test_an_interrupted_reprocessing_goes_on_with_what_is_left(shop: SmallRange) -> None:
    assert set(shop.outcomes(DAYS[0], DAYS[2]).values()) == {"done"}
    (shop.folder / "attempts").write_text("")
    with shop.waiting(DAYS[1]):
        running = shop.begin("backfill", "--from", DAYS[0], "--to", DAYS[2], "--reprocess")
        wait_until(lambda: DAYS[1] in shop.attempts())
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=30)
    assert running.returncode == 20
    before = shop.attempts()[DAYS[0]]

    again = shop.backfill(DAYS[0], DAYS[2], "--reprocess", "--json")
    assert "going on with what was begun at" in again.stderr
    found = {day["day"]: day["outcome"] for day in json.loads(again.stdout)["days"]}
    assert found == {DAYS[0]: "already done", DAYS[1]: "done", DAYS[2]: "done"}
    assert shop.attempts()[DAYS[0]] == before  # not processed a second time
    shop.assert_right(*DAYS[:3])

    assert shop.outcomes(DAYS[0], DAYS[2], "--reprocess")[DAYS[0]] == "done"  # it had ended, so this one begins anew
    assert shop.attempts()[DAYS[0]] == 2 * before


def test_a_range_is_read_again_with_its_late_rows_and_interrupted_it_reads_no_day_twice(shop: SmallRange) -> None:
    assert set(shop.outcomes(DAYS[0], DAYS[2]).values()) == {"done"}
    for day in DAYS[:3]:
        shop.sell(day)
    assert set(shop.outcomes(DAYS[0], DAYS[2]).values()) == {"already done"}  # the stored export is used again
    (shop.folder / "attempts").write_text("")
    with shop.waiting(DAYS[1]):
        running = shop.begin("backfill", "--from", DAYS[0], "--to", DAYS[2], "--fresh-export")
        wait_until(lambda: DAYS[1] in shop.attempts())
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=30)
    assert running.returncode == 20
    exports = [shop.status("--day", day)[day]["export_id"] for day in DAYS[:2]]

    again = shop.backfill(DAYS[0], DAYS[2], "--fresh-export", "--json")
    assert again.returncode == 0, again.stderr
    found = {day["day"]: day["outcome"] for day in json.loads(again.stdout)["days"]}
    assert found == {DAYS[0]: "already done", DAYS[1]: "done", DAYS[2]: "done"}
    assert [
        shop.status("--day", day)[day]["export_id"] for day in DAYS[:2]
    ] == exports  # neither was read a second time
    shop.assert_right(*DAYS[:3])

    assert shop.outcomes(DAYS[0], DAYS[0], "--fresh-export") == {DAYS[0]: "done"}
    assert shop.status("--day", DAYS[0])[DAYS[0]]["export_id"] != exports[0]
    assert shop.backfill(DAYS[0], DAYS[0], "--fresh-export", "--reprocess").returncode == 2


def test_progress_as_json_lines_tells_of_all_days_and_stdout_is_data_alone(shop: SmallRange) -> None:
    ended = shop.backfill(DAYS[0], DAYS[1], "--days-at-once", "2", "--progress", "json", "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["exit_code"] == 0
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    for day in DAYS[:2]:
        of_day = [line for line in lines if line["day"] == day]
        ends = {line["job"]: (line["tasks_done"], line["tasks"]) for line in of_day if line["state"] == "done"}
        assert ends == {"exporter": (1, 1), "processor": (1, 1), "loader": (1, 1)}
        assert of_day[-1]["note"].startswith(f"{day}  done in")
        exported = next(line for line in of_day if (line["job"], line["state"]) == ("exporter", "done"))
        processed = next(line for line in of_day if (line["job"], line["state"]) == ("processor", "done"))
        assert exported["rows"] == processed["rows"] > 0
    quiet = shop.backfill(DAYS[0], DAYS[1], "--progress", "none")
    assert (quiet.returncode, quiet.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--from", "2026-10-26", "--to", "2026-10-25"), 10, "begins after its end"),
        (("--from", "2026-10-26", "--to", "2031-01-01"), 10, "in the future"),
        (("--from", "1916-10-26", "--to", "2026-10-25"), 10, "3,660"),
        (("--from", "2026-10-26", "--to", "2026-10-26", "--days-at-once", "0"), 2, "days-at-once"),
    ],
)
def test_a_range_that_can_not_be_meant_is_refused_before_anything_begins(
    shop: SmallRange, arguments: tuple[str, ...], code: int, told: str
) -> None:
    ended = shop.penstock("backfill", *arguments)
    assert ended.returncode == code, ended.stderr
    assert told in ended.stderr
    assert ended.stdout == ""
    assert list(shop.staging.iterdir()) == []


def names(shop: SmallRange) -> list[ParsedName]:
    paths = (path.relative_to(shop.staging).as_posix() for path in shop.staging.rglob("*.*"))
    return [parsed for path in paths if (parsed := parse_name(path)) is not None]
