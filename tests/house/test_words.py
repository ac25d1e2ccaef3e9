"""Docstrings and help texts are short and plain, as `docs/style.md` asks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = ("staging", "databases", "exporter", "processor", "loader", "chain", "jobs_emulator")
COMMANDS = (
    "chain.cli:cli",
    "exporter.__main__:command",
    "processor.__main__:main",
    "loader.__main__:command",
    "jobs_emulator.__main__:main",
)
MOST_WORDS = 12
HARD_TO_READ = ("stands", "told", "whoever", "is gone on with", "what came of")
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public(node: Documented) -> Iterator[Documented]:
    """Yield the node and what a reader may use of it: no names with one underscore, nothing inside functions."""
    yield node
    if isinstance(node, ast.Module | ast.ClassDef):
        for child in node.body:
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not re.match(
                r"_(?!_)", child.name
            ):
                yield from public(child)


def faults(text: str) -> list[str]:
    """Return what is wrong with the first line of a docstring or with a help text's words."""
    return [phrase for phrase in HARD_TO_READ if re.search(rf"\b{phrase}\b", text, re.IGNORECASE)]


def first_line_faults(source: str) -> list[str]:
    found = []
    for node in public(ast.parse(source)):
        first = (ast.get_docstring(node) or "").partition("\n")[0]
        if len(first.split()) > MOST_WORDS or faults(first):
            found.append(f"{getattr(node, 'lineno', 1)}: {first}")
    return found


def help_texts(command: click.Command) -> Iterator[tuple[str, str]]:
    yield command.name or "", command.help or ""
    yield command.name or "", command.short_help or ""
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield f"{command.name} {parameter.opts[0]}", parameter.help or ""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from help_texts(inner)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_first_line_of_a_docstring_is_short_and_plain(package: str) -> None:
    found = [
        f"{path.relative_to(CHECKOUT)}:{fault}"
        for path in sorted((CHECKOUT / package).rglob("*.py"))
        for fault in first_line_faults(path.read_text(encoding="utf-8"))
    ]
    assert not found, f"more than {MOST_WORDS} words, or one of {HARD_TO_READ}:\n" + "\n".join(found)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_texts_are_plain(command: str) -> None:
    module, _, name = command.partition(":")
    texts = list(help_texts(getattr(import_module(module), name)))
    assert len(texts) > 3
    assert not [(where, text) for where, text in texts if faults(text)]


def guide_faults(text: str) -> list[str]:
    """Return the lines of a guide with a word that is hard to read, outside of code."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", lambda code: re.sub(r"[^\n]", "", code[0]), text, flags=re.DOTALL)
    return [f"{number}: {line}" for number, line in enumerate(prose.splitlines(), 1) if faults(line)]


GUIDES = sorted({CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *(CHECKOUT / "docs").glob("*.md")})


@pytest.mark.parametrize("guide", [each for each in GUIDES if each.name != "style.md"], ids=lambda path: path.name)
def test_a_guide_is_plain(guide: Path) -> None:
    assert not guide_faults(guide.read_text(encoding="utf-8"))


def test_a_hard_word_of_a_guide_is_found_outside_of_code_alone() -> None:
    assert guide_faults("See `told.json`.\n\n```\ntold\n```\nIt stands here.") == ["6: It stands here."]


LONG = "word " * MOST_WORDS + "end."


@pytest.mark.parametrize(
    "source",
    [
        f'"""{LONG}"""',
        'class A:\n    """Told to whoever."""\n',
        f'class A:\n    def b(self):\n        """{LONG}"""\n',
        'async def a():\n    """The day is gone on with."""\n',
        f'def __getattr__(name):\n    """{LONG}"""\n',
    ],
)
def test_a_long_or_hard_first_line_is_found(source: str) -> None:
    assert len(first_line_faults(source)) == 1


def test_twelve_words_private_names_and_further_lines_are_free() -> None:
    assert not first_line_faults(f'"""{"word " * MOST_WORDS}"""')
    assert not first_line_faults(f'def _a():\n    """{LONG}"""\n')
    assert not first_line_faults(f'"""Short.\n\n{LONG} told\n"""\n')
    assert not first_line_faults('"""Understands the untold."""')
