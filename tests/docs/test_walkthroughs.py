"""Tutorial and how-tos: every command is run, in order, and prints what the page shows."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.warm import warm_python

pytestmark = pytest.mark.integration

DOCS = Path(__file__).parents[2] / "docs"
HOW_TOS = sorted(path.name for path in (DOCS / "howto").glob("*.md"))
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
AT_THE_END = ", at the end"


class Shell:
    """A folder in which a reader follows pages; what one command exports, the next ones see."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        commands = folder / ".bin"
        commands.mkdir()
        (commands / "penstock").write_text(f'#!/bin/sh\nexec {warm_python()} -m chain "$@"\n')
        (commands / "penstock").chmod(0o755)
        self.environ = dict(os.environ) | {"PATH": f"{commands}:{os.environ['PATH']}", "HOME": str(folder)}

    def follow(self, page: Path) -> int:
        """Do what the page says; return how many commands were run."""
        ran = 0
        for language, title, text in _BLOCK.findall(page.read_text("utf-8")):
            if title:
                name = title.removesuffix(AT_THE_END)
                before = (self.folder / name).read_text() if title.endswith(AT_THE_END) else ""
                (self.folder / name).write_text(before + text)
            elif language == "console":
                for command, expected in commands_of(text):
                    printed = self.run(command)
                    assert missing(expected, printed) == [], f"{command}\n{printed}"
                    ran += 1
        return ran

    def run(self, command: str) -> str:
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            self.environ[name] = value
            return ""
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout


def commands_of(block: str) -> list[tuple[str, list[str]]]:
    """Return each command of a block with the lines that the page shows of its output."""
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        elif line.strip(" …"):
            found[-1][1].append(line)
    return found


def missing(expected: list[str], printed: str) -> list[str]:
    """Return the lines that were not printed; `…` stands for anything."""
    lines = [line.rstrip() for line in printed.splitlines()]
    patterns = [(line, re.compile(".*".join(map(re.escape, line.rstrip().split("…"))))) for line in expected]
    return [line for line, pattern in patterns if not any(pattern.fullmatch(each) for each in lines)]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A reader who has followed the tutorial, in whose folder the how-tos go on."""
    shell = Shell(tmp_path_factory.mktemp("reader"))
    assert shell.follow(DOCS / "tutorial.md") > 10
    return shell


@pytest.mark.parametrize("page", HOW_TOS)
def test_every_command_of_the_tutorial_and_of_a_how_to_does_what_the_page_shows(page: str, shell: Shell) -> None:
    assert shell.follow(DOCS / "howto" / page) > 0


def test_a_line_that_was_not_printed_is_seen() -> None:
    assert missing(["a … c", "b"], "a and c\nbb\n") == ["b"]
    assert commands_of("$ x\nline\n…\n$ y\n") == [("x", ["line"]), ("y", [])]
