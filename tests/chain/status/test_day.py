"""How far a day is: the stage by what is known, the lines that tell it, and what watching shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from chain.jobs.look import Lookout
from chain.status.day import DayStatus, Holder, LastError, Stage, StoredRun, Tasks, plan_stage
from chain.status.show import StatusRequest, choose_days
from chain.status.view import format_change, format_days
from chain.status.watch import ChangedDays, watch_days
from staging.errors import UnavailableError, UsageError
from staging.process.cancel import Cancel
from staging.window import Calendar, load_zone

DAY = date(2026, 11, 14)
AT = datetime(2026, 11, 15, 2, 15, tzinfo=UTC)
ERROR = LastError("processor, task 3 of 8: It was killed by signal 9.", log="/logs/task3-attempt0.log", failed_at=AT)


def a_run(shards: int | None, *receipts: int, tasks: int = 4) -> StoredRun:
    return StoredRun(shards, tasks, frozenset(receipts))


@pytest.mark.parametrize(
    ("run", "active", "error", "stage"),
    [
        (a_run(None), True, None, "exporting"),
        (a_run(4), True, None, "processing"),
        (a_run(4, 0, 1, 2), True, ERROR, "processing"),
        (a_run(4, 0, 1, 2, 3), True, None, "loading"),
        (a_run(None), False, None, "stopped"),
        (a_run(4), False, None, "exported"),
        (a_run(4), False, ERROR, "failed"),
        (a_run(4, 0), False, None, "stopped"),
        (a_run(4, 0, 1, 2, 3), False, None, "stopped"),
        (a_run(4, 0), False, replace(ERROR, stopped=True), "stopped"),
    ],
)
def test_the_stage_follows_from_what_lies_there_and_whether_somebody_works_on_it(
    run: StoredRun, active: bool, error: LastError | None, stage: Stage
) -> None:
    assert plan_stage(run, active=active, error=error) == stage


def test_a_task_is_done_when_all_shards_of_its_index_have_receipts() -> None:
    assert a_run(None).tasks() is None
    assert a_run(4).tasks() == Tasks("processor", 4, 0)
    assert a_run(8, 0, 4, 1, tasks=4).tasks() == Tasks("processor", 4, 1)
    assert a_run(8, *range(8), tasks=4).tasks() == Tasks("processor", 4, 4)
    assert a_run(2, 0, 1, tasks=4).tasks() == Tasks("processor", 4, 4)  # surplus tasks have nothing to do


DAYS = [
    DayStatus(DAY, "never run"),
    DayStatus(
        DAY,
        "loaded",
        runs=1,
        run_id="r01",
        export_id="e01",
        rows=52_909,
        loaded_at=AT,
    ),
    DayStatus(
        DAY,
        "processing",
        at_rest=False,
        runs=2,
        run_id="r02",
        tasks=Tasks("processor", 8, 3, 0, 2, 1),
        holder=Holder("ada@build-7, process 4711", AT, AT + timedelta(seconds=90)),
        error=ERROR,
    ),
    DayStatus(DAY, "failed", runs=2, run_id="r02", tasks=Tasks("processor", 8, 7), error=ERROR),
]


def test_a_day_has_a_line_and_what_else_is_known_below_it() -> None:
    lines = format_days(DAYS, style=lambda text, **_: text, columns=80).splitlines()
    assert lines == [
        "2026-11-14  never run",
        "2026-11-14  loaded      52,909 rows, 2026-11-15 02:15:00 UTC",
        "2026-11-14  processing  3 of 8 tasks done, 2 running, 1 retried",
        "                        held by ada@build-7, process 4711, since 2026-11-15",
        "                        02:15:00 UTC",
        "2026-11-14  failed      process: 7 of 8 tasks done",
        "                        processor, task 3 of 8: It was killed by signal 9.",
        "                        log: /logs/task3-attempt0.log",
    ]


def test_one_day_is_told_with_all_that_is_known() -> None:
    error = replace(ERROR, why="It was\n  out of memory.", fix="Give it more.")
    text = format_days([replace(DAYS[3], error=error)], style=lambda text, **_: text, columns=80, whole=True)
    for told in ("why: It was out of memory.", "fix: Give it more.", "run r02, 2 runs in all", "no export yet"):
        assert told in text


def test_a_change_is_one_line_and_a_renewed_lease_is_none() -> None:
    written: list[str] = []
    show = ChangedDays(lambda day: written.append(format_change(day)))
    holder = DAYS[2].holder
    assert holder is not None
    renewed = replace(DAYS[2], holder=replace(holder, until=AT + timedelta(seconds=110)))
    more = replace(renewed, tasks=Tasks("processor", 8, 4, 0, 2, 1))
    for status in (DAYS[2], renewed, more, more):
        show([status])
    assert len(written) == 2
    assert written[0] == (
        "2026-11-14  processing  3 of 8 tasks done, 2 running, 1 retried; "
        "held by ada@build-7, process 4711, since 2026-11-15 02:15:00 UTC"
    )
    assert "4 of 8" in written[1]


def test_watching_ends_when_all_days_are_at_rest_or_somebody_has_seen_enough() -> None:
    rests, works = [DAYS[0], DAYS[1]], [DAYS[0], DAYS[2]]
    looks = [works, works, rests, works, rests, rests]
    shown: list[object] = []
    watch_days(lambda: looks[len(shown)], shown.append, Cancel(), seconds=0.001)
    assert shown == looks

    cancel = Cancel()
    cancel.set()
    shown.clear()
    watch_days(lambda: looks[0], shown.append, cancel, seconds=100)
    assert len(shown) == 1


def test_days_are_one_or_a_range_or_the_last_seven() -> None:
    # 00:05 of the 14th in Berlin, within the grace of the 13th.
    calendar = Calendar(load_zone("Europe/Berlin"), datetime(2026, 11, 13, 23, 5, tzinfo=UTC), grace_seconds=900)

    def chosen(day: str | None = None, first: str | None = None, last: str | None = None) -> list[date]:
        return choose_days(StatusRequest(Path("x"), (), day, first, last, as_json=False, watch=False), calendar)

    assert chosen() == [date(2026, 11, number) for number in range(8, 15)]
    assert chosen(day="2026-11-01") == [date(2026, 11, 1)]
    assert chosen(day="yesterday") == [date(2026, 11, 12)]
    assert chosen(first="today-2", last="today") == [date(2026, 11, number) for number in (11, 12, 13)]
    assert chosen(first="2026-11-13") == [date(2026, 11, 13), DAY]
    assert chosen(first="2026-11-13", last="2026-11-13") == [date(2026, 11, 13)]
    for wrong in ({"day": "2026-11-01", "first": "2026-11-01"}, {"last": "2026-11-01"}):
        with pytest.raises(UsageError):
            chosen(**wrong)


def test_an_api_that_fails_is_told_once_and_asked_no_more() -> None:
    class Away:
        asked = 0

        def find_execution(self, job: str, run_id: str) -> str | None:
            Away.asked += 1
            raise UnavailableError("Could not list.", why="Nobody answers.")

    said: list[str] = []
    lookout = Lookout(Away(), said.append)  # type: ignore[arg-type] # asked for nothing else
    assert [lookout.find("loader", "r01") for _ in range(3)] == [None] * 3
    assert Away.asked == 1
    assert said == ["warning: only the bucket is asked: Could not list. Nobody answers."]
