"""Finds pipeline files in a folder.

TOML that has what every pipeline has.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

_SECTIONS = ("source", "staging", "target")


def find_pipeline_files(folder: Path) -> list[Path]:
    """Return the folder's files that look like pipelines.

    In the order of their names, whole or not.
    """
    return [path for path in sorted(folder.glob("*.toml")) if _is_pipeline(path)]


def _is_pipeline(path: Path) -> bool:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):  # nobody said that it is one
        return False
    return all(isinstance(values.get(section), dict) for section in _SECTIONS)
