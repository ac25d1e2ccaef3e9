"""A day of the demo's shop, ready to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chain.chain_days import DemoDay, make_day, make_shop


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop, in a folder that no test writes to."""
    folder = tmp_path_factory.mktemp("made")
    make_shop(folder)
    return folder


@pytest.fixture
def day(made: Path, tmp_path: Path) -> DemoDay:
    """A day of one test's own, in two shards."""
    return make_day(made, tmp_path)
