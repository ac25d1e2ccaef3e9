"""No two modules import each other, however late: who reads one must not have to read the other first."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = ("staging", "databases", "exporter", "processor", "loader", "chain", "jobs_emulator")


def imported(text: str, known: frozenset[str]) -> set[str]:
    """Return the known modules that a module imports: at its top, in a function, or for its types alone."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written out"
            within = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= within & known or {str(node.module)}
    return found & known


def circle(modules: dict[str, str]) -> list[str]:
    """Return a circle of imports among modules, given as name and text; nothing where there is none."""
    known = frozenset(modules)
    try:
        TopologicalSorter({name: imported(text, known) - {name} for name, text in modules.items()}).prepare()
    except CycleError as exc:
        return list(exc.args[1])
    return []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_modules_of_a_package_import_each_other(package: str) -> None:
    paths = (CHECKOUT / package).rglob("*.py")
    names = {".".join(path.relative_to(CHECKOUT).with_suffix("").parts): path for path in paths}
    modules = {name.removesuffix(".__init__"): path.read_text(encoding="utf-8") for name, path in names.items()}
    assert len(modules) > 5
    assert circle(modules) == []


@pytest.mark.parametrize(
    "late",
    [
        "from p import a",
        "import p.a",
        "from p.a import Thing",
        "def f():\n    from p.a import Thing",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.a import Thing",
    ],
)
def test_the_rule_sees_what_it_refuses(late: str) -> None:
    assert set(circle({"p.a": "from p.b import c", "p.b": "import p.c", "p.c": late})) == {"p.a", "p.b", "p.c"}
    assert circle({"p": "", "p.a": "from p.b import c", "p.b": "import os\nfrom p import c", "p.c": "import p"}) == []
