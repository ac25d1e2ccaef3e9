"""A reader who follows a page: writes its files, types its commands, and looks whether they print what it shows."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.warm import warm_python

DOCS = Path(__file__).parents[2] / "docs"
AT_THE_END = ", at the end"
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_SHELL = ("console", "sh")


class Reader:
    """A folder in which pages are followed; what one command exports, the next ones see.

    `instead` are texts of the pages and what stands for them here, as a reader puts his own names. `ends` are exit
    codes other than 0 that a page speaks of, by how the command begins. `before` are things that happen in the world,
    by how the command begins that comes next. Without `figures` those of a page are another shop's: any will do.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.instead: dict[str, str] = {}
        self.ends: dict[str, int] = {}
        self.before: dict[str, Callable[[], None]] = {}
        self.figures = True
        self.commands = folder / ".bin"
        self.commands.mkdir()
        self.put_command("penstock", f'#!/bin/sh\nexec {warm_python()} -m chain "$@"\n')
        self.environ = dict(os.environ) | {"PATH": f"{self.commands}:{os.environ['PATH']}", "HOME": str(folder)}

    def put_command(self, name: str, script: str) -> None:
        (self.commands / name).write_text(script)
        (self.commands / name).chmod(0o755)

    def follow(self, page: Path) -> int:
        """Do what the page says; return how many commands were run."""
        return self.follow_text(page.read_text("utf-8"))

    def follow_text(self, page: str) -> int:
        ran = 0
        for language, title, block in _BLOCK.findall(page):
            text = self._own(block)
            if title:
                name = title.removesuffix(AT_THE_END)
                before = (self.folder / name).read_text() if title.endswith(AT_THE_END) else ""
                (self.folder / name).write_text(before + text)
            elif language in _SHELL:
                for command, expected in commands_of(text):
                    for happens in _of(self.before, command):
                        happens()
                    printed = self.run(command)
                    shown = expected if self.figures else [without_figures(line) for line in expected]
                    assert missing(shown, printed) == [], f"{command}\n{printed}"
                    ran += 1
        return ran

    def _own(self, text: str) -> str:
        for theirs, ours in self.instead.items():
            text = text.replace(theirs, ours)
        return text

    def run(self, command: str) -> str:
        """Run a command or a block of them; returns what they printed."""
        left = self.folder / ".environment"
        done = subprocess.run(
            ["bash", "-euc", f'trap "env -0 >{left}" EXIT\n{command}'],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == sum(_of(self.ends, command)), f"{command}\n{done.stdout}"
        told = dict(each.split("=", 1) for each in left.read_text().split("\0") if each)
        self.environ |= {name: told[name] for name in told if name in _exported(command)}
        return done.stdout


def _exported(command: str) -> set[str]:
    lines = re.findall(r"^export (.*)$", command, re.MULTILINE)
    return {name for line in lines for name in re.findall(r"(?:^|\s)([A-Z_]\w*)=", line, re.IGNORECASE)}


_T = TypeVar("_T")


def _of(by_beginning: dict[str, _T], command: str) -> list[_T]:
    return [found for beginning, found in by_beginning.items() if command.startswith(beginning)]


def without_figures(line: str) -> str:
    """Return a line with `…` for each number and blank; the day that it begins with stays."""
    first, *words = line.split()
    first = first if re.fullmatch(r"\d{4}-\d\d-\d\d", first) else _without(first)
    return ("…" if line.startswith(" ") else "") + "…".join([first, *map(_without, words)])


def _without(word: str) -> str:
    """Return a word without figures and their units, and without the letters in the number of an export or run."""
    if re.fullmatch(r"[kMG]?B\.?", word):
        return "…"
    return re.sub(r"[\d,.:+-]*\d[\d,.:+-]*", "…", re.sub(r"=\d{8}T\w+-\w+", "=…", word))


def commands_of(block: str) -> list[tuple[str, list[str]]]:
    """Return each command of a block with the lines that the page shows of its output.

    A block without `$` shows none, and is one script.
    """
    if not re.search(r"^\$ ", block, re.MULTILINE):
        return [(block, [])]
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
