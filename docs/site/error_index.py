"""Lists every error that the code can raise, by exit code, as a page."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("staging", "databases", "exporter", "processor", "loader", "chain")
CODES = {
    10: ("InputError", "configuration or input is wrong; the same again would fail the same way"),
    20: ("UnavailableError", "not now: try again"),
    30: ("HeldError", "held or overtaken by another run"),
    40: ("IntegrityError", "a person must look; nothing was loaded"),
    3: ("LateError", "a day that should be loaded is not"),
    2: ("UsageError", "the command line is wrong"),
}


@dataclass(frozen=True)
class Told:
    """One error: what it says and what to do; `…` where a value is put in."""

    what: str
    fix: str


def write_error_index(root: Path) -> str:
    """Return the page, in Markdown: a table for each exit code."""
    bases = _bases(root)
    found: dict[int, set[Told]] = {code: set() for code in CODES}
    for name, told in _errors(root):
        if (code := _code_of(name, bases)) is not None:
            found[code].add(told)
    lines = [
        "# Index of errors",
        "Every error says what happened, why, and what to do, and ends with an [exit code](../README.md#exit-codes).",
        "This page is taken from the code; `…` is a name or a value. Search it for the words that you see.",
        "",
    ]
    for code, told_of_code in found.items():
        lines += [f"## {code}: {CODES[code][1]}", "", "| it says | what to do |", "|---|---|"]
        lines += [f"| {each.what} | {each.fix} |" for each in sorted(told_of_code, key=lambda one: one.what.lower())]
        lines.append("")
    return "\n".join(lines)


def _code_of(name: str, bases: dict[str, str]) -> int | None:
    codes = {error: code for code, (error, _) in CODES.items()}
    while name and name not in codes:
        name = bases.get(name, "")
    return codes.get(name)


def _bases(root: Path) -> dict[str, str]:
    """Return each class's first base, by name."""
    classes = (node for _, tree in _trees(root) for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    return {node.name: node.bases[0].id for node in classes if node.bases and isinstance(node.bases[0], ast.Name)}


def _errors(root: Path) -> Iterator[tuple[str, Told]]:
    for _, tree in _trees(root):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or not node.args:
                continue
            what = _text(node.args[0])
            if node.func.id.endswith("Error") and what.replace("…", "").strip():
                fix = next((_text(word.value) for word in node.keywords if word.arg == "fix"), "")
                yield node.func.id, Told(what, "" if fix == "…" else fix)


def _text(node: ast.expr) -> str:
    """Return the sentence, as a cell of a table."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _escape(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    return "…"


def _escape(text: str) -> str:
    for sign in "\\`*_{}[]<>#|~":
        text = text.replace(sign, f"\\{sign}" if sign not in "<>|" else f"&#{ord(sign)};")
    return text.replace("\n", " ")


def _trees(root: Path) -> Iterator[tuple[Path, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            yield path, ast.parse(path.read_text("utf-8"))
