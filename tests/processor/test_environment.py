"""The task environment and the command line: every fault is told at once, before any connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from processor.start import read_start
from processor.task import ATTEMPT, COUNT, INDEX, Task, read_task
from staging.errors import InputError
from tests.shop.hand_made_export import pipeline_text

NO_NUMBERS = [
    "",
    " ",
    " 1",
    "1 ",
    "+1",
    "-1",
    "01",
    "1.0",
    "1e3",
    "0x1",
    "1_0",
    "٣",
    "²",
    "one",
    "None",
    "1\n",
    "9" * 30,
]


def environ(index: str | None = "0", count: str | None = "1", attempt: str | None = "0") -> dict[str, str]:
    given = {INDEX: index, COUNT: count, ATTEMPT: attempt}
    return {name: value for name, value in given.items() if value is not None}


@pytest.mark.parametrize(
    ("index", "count", "attempt"), [("0", "1", "0"), ("7", "8", "3"), ("9999", "10000", "10"), ("1", "2", "10")]
)
def test_what_cloud_run_sets_is_taken(index: str, count: str, attempt: str) -> None:
    assert read_task(environ(index, count, attempt)) == Task(int(index), int(count), int(attempt))


@pytest.mark.parametrize("text", NO_NUMBERS)
@pytest.mark.parametrize("name", [INDEX, COUNT, ATTEMPT])
def test_what_is_no_whole_number_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(InputError, match=name):
        read_task({**environ("0", "100000", "0"), COUNT: "4", name: text})


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        (environ(index=None), [INDEX]),
        (environ(count=None), [COUNT]),
        (environ(attempt=None), [ATTEMPT]),
        (environ(index="4", count="4"), [INDEX, "4"]),
        (environ(index="5", count="4"), [INDEX, "5", "4"]),
        (environ(count="0"), [COUNT]),
        (environ(count="10001"), [COUNT, "10000"]),
        (environ(attempt="99"), [ATTEMPT, "10"]),
        (environ(index="x", count="y", attempt="z"), [INDEX, COUNT, ATTEMPT]),
        ({}, [INDEX, COUNT, ATTEMPT]),
    ],
)
def test_what_can_not_be_is_refused_and_every_fault_is_named(variables: dict[str, str], named: list[str]) -> None:
    with pytest.raises(InputError) as error:
        read_task(variables)
    assert all(part in str(error.value) for part in named)
    assert error.value.exit_code == 10
    assert "penstock run" in error.value.fix


def test_faults_of_environment_day_run_and_file_are_told_together(tmp_path: Path) -> None:
    config = tmp_path / "pipeline.toml"
    config.write_text(pipeline_text("file:///staging").replace("[process]", "[proces]"))
    with pytest.raises(InputError) as error:
        read_start(config, "2026-02-30", "../up", environ=environ(index="1"), overrides=())
    told = str(error.value)
    assert all(part in told for part in (INDEX, "2026-02-30", "../up", "did you mean [process]?"))


def test_a_right_start_needs_no_database_url(tmp_path: Path) -> None:
    config = tmp_path / "pipeline.toml"
    config.write_text(pipeline_text("file:///staging"))
    start = read_start(config, "2026-11-14", "run-1", environ=environ(), overrides=("export.shards=3",))
    assert start.names.part(start.run_id, 0) == "daily_revenue/day=2026-11-14/run=run-1/part-00000.parquet"
    assert start.pipeline.export.shards == 3
    assert start.folders == (tmp_path, Path.cwd())
