"""What the code says of itself is what is installed."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path

from staging.version import DISTRIBUTION, VERSION


def test_name_and_version_are_those_of_the_distribution() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert (project["name"], project["version"]) == (DISTRIBUTION, VERSION)
    assert version(DISTRIBUTION) == VERSION
