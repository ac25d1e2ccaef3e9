"""Each promise of guarantees.md names a test, and each test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
_NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
NAMED = sorted(set(_NAMED.findall(TEXT)))
NO_PROMISES = "What is not promised"


def promises(text: str) -> dict[str, list[str]]:
    """Return the tests of each promise: of each point of a list, and of each table, by how they begin."""
    found: dict[str, list[str]] = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        if title != NO_PROMISES:
            points = re.split(r"^- ", body, flags=re.MULTILINE)
            promised = points[1:] or [body]
            found |= {point[:60]: [test for _, test in _NAMED.findall(point) if test] for point in promised}
    return found


def test_promises_are_found() -> None:
    assert len(promises(TEXT)) > 25
    assert promises("## A\n- one\n  more `tests/a.py::test_b`\n- two `tests/a.py`\n") == {
        "one\n  more `tests/a.py::test_b`\n": ["test_b"],
        "two `tests/a.py`\n": [],
    }


@pytest.mark.parametrize(("promise", "tests"), promises(TEXT).items())
def test_each_promise_names_a_test(promise: str, tests: list[str]) -> None:
    assert tests


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_test_that_a_promise_names_is_there(file: str, test: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert not test or re.search(rf"^(?:async )?def {test}\(", text, re.MULTILINE)
