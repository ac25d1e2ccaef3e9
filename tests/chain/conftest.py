"""The small shop of ten days that tests of many days begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chain.range.small_range import SmallRange, fill_small_shop


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop as it is before a test."""
    return fill_small_shop(tmp_path_factory.mktemp("made"))


@pytest.fixture
def shop(made: Path, tmp_path: Path) -> Iterator[SmallRange]:
    """A copy of it with a pipeline, for one test."""
    found = SmallRange(tmp_path)
    found.make(made)
    yield found
    found.end()
