"""Every installed command takes -h, and those with commands of their own say their version."""

from __future__ import annotations

from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from staging.version import VERSION

COMMANDS = {
    "penstock": ("chain.cli", "cli"),
    "penstock-exporter": ("exporter.__main__", "command"),
    "penstock-processor": ("processor.__main__", "main"),
    "penstock-loader": ("loader.__main__", "command"),
    "penstock-jobs-emulator": ("jobs_emulator.__main__", "main"),
}


def commands_of(name: str) -> list[list[str]]:
    module, attribute = COMMANDS[name]
    command = getattr(import_module(module), attribute)
    return [[], *([each] for each in command.commands)] if isinstance(command, click.Group) else [[]]


@pytest.mark.parametrize(("name", "path"), [(name, path) for name in COMMANDS for path in commands_of(name)])
def test_it_and_each_of_its_commands_take_h(name: str, path: list[str]) -> None:
    module, attribute = COMMANDS[name]
    shown = CliRunner().invoke(getattr(import_module(module), attribute), [*path, "-h"], obj={})
    assert shown.exit_code == 0, shown.output
    assert shown.output.startswith("Usage: ")


@pytest.mark.parametrize("name", ["penstock", "penstock-jobs-emulator"])
def test_it_says_its_version(name: str) -> None:
    module, attribute = COMMANDS[name]
    shown = CliRunner().invoke(getattr(import_module(module), attribute), ["--version"], obj={})
    assert shown.exit_code == 0, shown.output
    assert VERSION in shown.output
