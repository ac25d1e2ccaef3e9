"""mypy reads all of our Python, and whoever silences it says why."""

from __future__ import annotations

import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CHECKED = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["mypy"]["files"]
SILENCED = re.compile(r"#\s*type:\s*ignore\b")
SAYS_WHY = re.compile(r"# type: ignore\[[a-z, -]+\] # \S.*")


def modules() -> Iterator[Path]:
    """Yield what is ours: folders whose names begin with a dot are tools' own, but for that of the builds."""
    for folder in CHECKOUT.iterdir():
        if folder.is_dir() and (folder.name == ".ci" or not folder.name.startswith(".")):
            for path in folder.rglob("*.py"):
                if not any(part.startswith(".") for part in path.relative_to(folder).parts):
                    yield path


def unexplained(source: str) -> list[str]:
    """Return the comments that silence mypy without a reason."""
    if not SILENCED.search(source):
        return []
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return [each for each in comments if SILENCED.search(each) and not SAYS_WHY.match(each)]


def test_every_module_is_checked() -> None:
    folders = [CHECKOUT / name for name in CHECKED]
    assert not [path for path in modules() if not any(path.is_relative_to(folder) for folder in folders)]


def test_every_silenced_error_says_why() -> None:
    assert not {str(path): found for path in modules() if (found := unexplained(path.read_text("utf-8")))}


@pytest.mark.parametrize(
    ("comment", "is_found"),
    [
        ("# type: ignore", True),
        ("#type:ignore", True),
        ("# type: ignore[misc]", True),
        ("# type: ignore[arg-type, misc]  # noqa: S608", True),
        ("# type: ignore[misc] # grpc ships no types", False),
        ("# type: ignore[arg-type, misc] # wrong on purpose  # noqa: S608", False),
    ],
)
def test_a_silenced_error_without_a_reason_is_found(comment: str, is_found: bool) -> None:
    assert bool(unexplained(f"x = 1  {comment}\n")) is is_found
    assert not unexplained(f"x = {comment!r}\n")
