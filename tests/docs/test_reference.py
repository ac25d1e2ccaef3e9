"""The reference is complete: every key, command, option, variable, exit code and field stands in it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import click

from chain.cli import cli
from chain.day.report import Report
from staging.config.faults import known_keys, section_model
from staging.config.file import load_pipeline
from staging.config.pipeline import Pipeline
from staging.errors import ExitCode

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")


def test_every_key_is_documented_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `([a-z0-9_.NAME]+)` \| (.*?) \|", REFERENCE, re.MULTILINE))
    for key, field in known_keys(Pipeline).items():
        if section_model(field) is not None:
            continue
        documented = rows.get(".".join(key))
        assert documented is not None, f"{'.'.join(key)} is missing"
        default = field.get_default()
        if isinstance(default, bool):
            assert documented == f"`{str(default).lower()}`"
        elif isinstance(default, int | float):
            assert documented == f"`{default}`"
        elif isinstance(default, str):
            assert documented == f'`"{default}"`'
        else:
            assert documented in ("\N{EN DASH}", "none")


def test_nothing_is_documented_that_is_no_key() -> None:
    table = REFERENCE.split("## The pipeline file")[1].split("## Environment")[0]
    keys = {".".join(key) for key in known_keys(Pipeline)}
    assert set(re.findall(r"^\| `([a-z0-9_.NAME]+)` \|", table, re.MULTILINE)) <= keys


def test_every_command_and_option_is_documented() -> None:
    for name, command in cli.commands.items():
        assert f"| `penstock {name}` |" in REFERENCE
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert re.search(rf"`{parameter.opts[0]}[` ]", REFERENCE), parameter.opts[0]


def test_every_exit_code_is_documented_here_and_in_the_help() -> None:
    for code in ExitCode:
        assert re.search(rf"^\| {int(code)} \| ", REFERENCE, re.MULTILINE)
        assert re.search(rf"\s{int(code)}  \w", cli.help or "")


def test_every_field_of_the_json_is_documented() -> None:
    table = REFERENCE.split("## The JSON of a run")[1]
    for field in dataclasses.fields(Report):
        assert f"`{field.name}`" in table


def test_variables_that_the_code_reads_are_documented() -> None:
    read = set()
    for folder in ("staging", "databases", "exporter", "processor", "loader", "chain"):
        for path in (ROOT / folder).glob("*.py"):
            read |= set(
                re.findall(r'"(PENSTOCK_[A-Z]+|CLOUD_RUN_TASK_[A-Z]+|[A-Z_]+_EMULATOR_HOST)"', path.read_text())
            )
    for variable in read:
        assert f"`{variable}`" in REFERENCE, variable


def test_the_example_pipelines_are_valid() -> None:
    found = list((ROOT / "pipelines").glob("*.toml"))
    assert found
    for path in found:
        load_pipeline(path, environ={})
