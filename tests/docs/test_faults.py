"""The table of faults is what the tests' marks say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.table import page_of

pytestmark = pytest.mark.integration

CHECKOUT = Path(__file__).parents[2]


def test_the_page_is_what_the_tests_say() -> None:
    command = [sys.executable, "-m", "tests.faults.table", "--check"]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"docs/faults.md is stale: python -m tests.faults.table\n{ended.stdout[-2000:]}"


def test_a_cell_is_filled_by_its_tests_and_an_empty_one_is_named() -> None:
    page = page_of({("killed", "load", "sqlite"): {"tests/a.py::test_b", "tests/a.py::test_c"}})
    assert "| killed: SIGKILL at random moments | 2 tests |  |  |  |" in page
    assert "- load: killed (postgres, mariadb, mysql); " in page
    assert "  - `tests/a.py::test_b`: load sqlite" in page
