"""The wheel, installed where there is no checkout: its commands work, and what it says can be found."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chain.bundled import list_bundled
from tests.guards import ENVIRONMENT_AT_START
from tests.servers.programs import CHECKOUT, find_uv

PACKAGES = ("penstock", "staging", "databases", "exporter", "processor", "loader", "chain", "jobs_emulator")
INCLUDED: list[str] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
    "wheel"
]["only-include"]
PAGES = {Path(each).stem for each in INCLUDED if each.startswith("docs/")}
_FILE_OF_A_CHECKOUT = re.compile(
    r"(?<![\w:/.])(?:docs|pipelines|tests|docker|bench)/[\w.]+|\b(?:README|CONTRIBUTING|CHANGELOG)\b"
)
_PARTS_OF_NAMES = re.compile(r"docs|pipelines|tests|docker|bench|README|CONTRIBUTING|CHANGELOG|help")
"""One of them stands in each module whose texts name a file or a page, however a text is broken into lines."""
OURS = {"chain/deploy/write.py", "chain/deploy/readme.py", "chain/commands/deploy.py", "chain/bundled.py"}
"""They write and name a README of their own, or are the one that finds what is brought along."""


@pytest.fixture(scope="module")
def texts() -> list[tuple[str, str]]:
    """Each text that is no docstring, with its module, of those modules that may name a file or a page."""
    return list(_texts())


def _texts() -> Iterator[tuple[str, str]]:
    for path in sorted(each for package in PACKAGES for each in (CHECKOUT / package).rglob("*.py")):
        if not _PARTS_OF_NAMES.search(source := path.read_text("utf-8")):
            continue
        tree = ast.parse(source)
        docs = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
            and not _is_help(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                yield path.relative_to(CHECKOUT).as_posix(), node.value


def _is_help(node: ast.AST) -> bool:
    """Whether a docstring is what `--help` shows."""
    return isinstance(node, ast.FunctionDef) and any("command" in ast.unparse(each) for each in node.decorator_list)


def test_no_message_points_to_a_file_that_only_a_checkout_has(texts: list[tuple[str, str]]) -> None:
    found = [(where, text) for where, text in texts if where not in OURS and _FILE_OF_A_CHECKOUT.search(text)]
    assert found == []


def test_every_page_that_a_message_or_an_example_names_is_in_the_wheel(texts: list[tuple[str, str]]) -> None:
    examples = [path.read_text("utf-8") for path in (CHECKOUT / "pipelines").glob("*.*") if path.suffix != ".md"]
    told = [text for _, text in texts] + examples
    named = {name for text in told for name in re.findall(r"`penstock help (\w+)`", text)} - {"KEY"}
    assert {"connect", "gentle", "guarantees"} <= named
    assert named <= PAGES


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel, and with the libraries of this one: what is ours comes from the wheel."""
    folder = tmp_path_factory.mktemp("installed")
    for command in (
        ["build", "--wheel", "--out-dir", folder / "dist", CHECKOUT],
        ["venv", "--python", sys.executable, folder / "venv"],
    ):
        _run([find_uv(), *map(str, command)], folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    _run([find_uv(), "pip", "install", "--offline", "--no-deps", "--python", str(folder / "venv"), str(wheel)], folder)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    libraries = Path(pytest.__file__).parents[1]
    (packages / "libraries.pth").write_text(f"{libraries}\n")  # a folder that is named so has its own .pth ignored
    return folder


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=ENVIRONMENT_AT_START)
    assert done.returncode == 0, done.stderr


def penstock(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(installed / "venv" / "bin" / "penstock"), *arguments]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environ)


@pytest.mark.integration
def test_the_wheel_holds_our_packages_the_examples_and_the_pages_and_nothing_else(installed: Path) -> None:
    (wheel,) = (installed / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} - {f"{wheel.stem.rsplit('-', 3)[0]}.dist-info"} == set(PACKAGES)
    brought = {name.removeprefix("chain/bundle/") for name in names if name.startswith("chain/bundle/")}
    pipelines = {f"pipelines/{path.name}" for path in (CHECKOUT / "pipelines").iterdir() if path.is_file()}
    assert brought == {f"docs/{page}.md" for page in PAGES} | pipelines


@pytest.mark.integration
def test_a_user_without_a_checkout_gets_examples_explanations_and_a_day(installed: Path, tmp_path: Path) -> None:
    code = "import chain, penstock; print(chain.__file__)"
    python = str(installed / "venv" / "bin" / "python")
    where = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert str(installed) in where
    listed = penstock(installed, tmp_path, "new", "--example", "list")
    assert {line.split()[0] for line in listed.stdout.splitlines()} == set(list_bundled("pipelines", ".toml"))
    assert penstock(installed, tmp_path, "new", "--example", "net_revenue").returncode == 0
    assert {path.name for path in tmp_path.glob("net_revenue.*")} == {"net_revenue.py", "net_revenue.toml"}
    explained = penstock(installed, tmp_path, "help", "export.shards")
    assert "  means     " in explained.stdout
    assert "sslmode" in penstock(installed, tmp_path, "help", "connect").stdout
    (tmp_path / "net_revenue.toml").unlink()
    url = ("--url", "sqlite:///shop.db")
    for command in (("demo-shop", *url, "--users", "20", "--purchases", "400"), ("new", *url, "--table", "purchases")):
        assert penstock(installed, tmp_path, *command).returncode == 0
    assert penstock(installed, tmp_path, "init").returncode == 0
    done = penstock(installed, tmp_path, "run", "--day", "2026-10-25")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every sum agrees to the last digit" in done.stdout
