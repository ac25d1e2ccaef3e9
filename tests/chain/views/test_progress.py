"""Progress lines of jobs, how they are followed, and what people see of them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from chain.jobs.local.logs import EmulatedLogs
from chain.jobs.log import add_up, read_error
from chain.jobs.port import ExecutionState
from chain.views.open import open_view
from chain.views.progress_json import JsonView
from chain.views.run_terminal import TerminalView
from chain.views.run_view import PlainView
from staging.process.progress import Progress, ProgressLine, parse_progress


def ticks(step: float) -> Iterator[float]:
    return (number * step for number in count())


def test_a_job_says_its_totals_in_lines_that_are_read_back() -> None:
    stream = io.StringIO()
    clock = ticks(1.0)
    progress = Progress(stream, clock=lambda: next(clock))
    progress.emit(rows=5, size_bytes=50, expected_rows=10)
    progress.emit(rows=10, size_bytes=100, note='waiting: "calm"')
    assert [parse_progress(line) for line in stream.getvalue().splitlines()] == [
        ProgressLine(5, 50, 10),
        ProgressLine(10, 100, None, 'waiting: "calm"'),
    ]


def test_lines_that_come_too_fast_are_left_out_but_not_the_last() -> None:
    stream = io.StringIO()
    progress = Progress(stream, clock=lambda: 100.0)
    for rows in range(1000):
        progress.emit(rows=rows)
    progress.emit(rows=1000, last=True)
    lines = [parse_progress(line) for line in stream.getvalue().splitlines()]
    assert [line.rows for line in lines if line] == [0, 1000]


def test_nothing_is_written_where_nobody_asked(capsys: pytest.CaptureFixture[str]) -> None:
    Progress.from_environment({}).emit(rows=1, last=True)
    assert capsys.readouterr().err == ""
    Progress.from_environment({"PENSTOCK_PROGRESS": "1"}).emit(rows=1, last=True)
    assert parse_progress(capsys.readouterr().err) == ProgressLine(rows=1)


@pytest.mark.parametrize(
    "line", ["", "rows: 3", *(f'{{"penstock_progress": {x}' for x in ("", '{"a"', '{"x": 1}}', "3}"))]
)
def test_what_is_no_progress_line_is_none(line: str) -> None:
    assert parse_progress(line) is None


def test_progress_comes_with_the_emulators_lines_and_each_tasks_newest_counts(tmp_path: Path) -> None:
    def entry(execution: str, task: int, payload: object) -> dict[str, Any]:
        labels = {
            f"run.googleapis.com/{name}": value
            for name, value in {"execution_name": execution, "task_index": str(task), "task_attempt": "0"}.items()
        }
        return {"labels": labels, "jsonPayload": payload}

    logs = EmulatedLogs(tmp_path, "p", "r")
    logs.take({"labels": {}, "textPayload": "starting"})
    for execution, task, rows in (("e-1", 0, 5), ("e-1", 1, 1), ("e-1", 0, 7), ("e-2", 0, 100)):
        logs.take(entry(execution, task, {"penstock_progress": {"rows": rows}}))
    logs.take(entry("e-1", 0, {"penstock_progress": {"rowz": 1}}))
    logs.take(entry("e-1", 0, {"other": 1}))
    assert (logs.progress("e-1").rows, logs.progress("e-2").rows, logs.progress("e-3").rows) == (8, 100, 0)


def test_tasks_add_up_and_what_they_expect_is_known_only_if_all_know_it() -> None:
    assert add_up([ProgressLine(1, 10, 5), ProgressLine(2, 20, 6), ProgressLine()]) == ProgressLine(3, 30, 11)
    assert add_up([ProgressLine(1, 10, 5), ProgressLine(2, 20, None)]).expected_rows is None
    assert add_up([]) == ProgressLine()


def test_the_error_of_a_log_is_its_last_one_with_its_reasons(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("error: first\n  why: x\nmore\nerror: second\n  why: a\n    b\n  fix: c\ntrailing\n")
    assert read_error(log) == "second\n  why: a\n    b\n  fix: c"
    log.write_text('Killed\n{"penstock_progress": {"rows": 3}}\n\n')
    assert read_error(log) == "Killed"
    log.write_text("")
    assert read_error(log) == ""


def test_plain_lines_tell_start_middle_and_end_and_not_each_look() -> None:
    stream = io.StringIO()
    clock = ticks(1.0)
    view = PlainView(stream, clock=lambda: next(clock))
    view.say("run x")
    for rows in range(0, 12_000, 1000):
        view.watch(
            "processor",
            ExecutionState("e", 8, running=2, succeeded=rows // 2000, progress=ProgressLine(rows, rows * 10)),
        )
    last = ProgressLine(12_000, 120_000)
    view.watch("processor", ExecutionState("e", 8, succeeded=8, finished=True, retried=1, progress=last))
    assert stream.getvalue().splitlines() == [
        "run x",
        "process: started, 8 tasks",
        "process: 2 of 8 tasks, 5,000 rows, 1,000 rows/s, 50.0 kB, 5.0 s",
        "process: 5 of 8 tasks, 10,000 rows, 1,000 rows/s, 100.0 kB, 10.0 s",
        "process: done, 8 of 8 tasks, 12,000 rows, 1,000 rows/s, 120.0 kB, 1 retried, 12.0 s",
    ]


def test_a_stream_that_is_no_terminal_gets_plain_lines() -> None:
    with open_view(io.StringIO(), "auto", date(2026, 11, 14)) as view:
        assert isinstance(view, PlainView)


def test_bars_fit_eighty_columns_even_with_large_figures() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, markup=False, emoji=False, highlight=False)
    with TerminalView(console) as view:
        large = ProgressLine(1_234_567_890, 98_765_432_100)
        view.watch("exporter", ExecutionState("a", 1, running=1, progress=large))
        view.watch("exporter", ExecutionState("a", 1, succeeded=1, finished=True, progress=large))
        many = ProgressLine(50_000_000, 5_000_000_000)
        view.watch(
            "processor",
            ExecutionState("b", 10_000, succeeded=9_999, failed=1, retried=3, finished=True, progress=many),
        )
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue()).replace("\r", "\n").splitlines()
    assert any("1,234,567,890 rows" in line for line in lines)
    assert any("9999/10000" in line and "failed" in line for line in lines)
    assert max(len(line.rstrip()) for line in lines) <= 80


def test_json_lines_tell_each_change_once_and_rows_alone_once_a_second() -> None:
    stream = io.StringIO()
    clock = ticks(0.3)
    view = JsonView(stream, date(2026, 11, 14), clock=lambda: next(clock))
    view.say("run r1: reading")
    going = ExecutionState("p-1", task_count=2, running=2)
    view.watch("processor", going)
    view.watch("processor", going)
    for rows in range(1, 8):
        view.watch("processor", replace(going, progress=ProgressLine(rows=rows, expected_rows=9)))
    view.watch("processor", replace(going, progress=ProgressLine(rows=7, expected_rows=9, note="waiting: calm")))
    view.watch("processor", replace(going, running=1, failed=1))
    view.watch("processor", replace(going, running=0, failed=2, finished=True))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {frozenset(line) for line in lines} == {frozenset(lines[0])}
    assert {line["day"] for line in lines} == {"2026-11-14"}
    told = [(line["state"], line["tasks_failed"], line["rows"], line["note"]) for line in lines]
    assert told == [
        (None, None, None, "run r1: reading"),
        ("running", 0, 0, ""),
        ("running", 0, 3, ""),
        ("running", 0, 7, ""),
        ("running", 0, 7, "waiting: calm"),
        ("running", 1, 0, ""),
        ("failed", 2, 0, ""),
    ]


def test_progress_that_nobody_wants_is_not_shown() -> None:
    stream = io.StringIO()
    with open_view(stream, "none", date(2026, 11, 14)) as view:
        view.say("anything")
        view.watch("loader", ExecutionState("l-1", task_count=1, running=1))
    assert stream.getvalue() == ""
