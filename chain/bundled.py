"""Finds the pages and example pipelines that Penstock ships.

A wheel has them in `chain/bundle` (`pyproject.toml` says which), a checkout in their own folders. An image has none.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal

Kind = Literal["docs", "pipelines"]


def read_bundled(kind: Kind, name: str) -> str | None:
    """Return the text of a file, None where it is not here."""
    for folder in _folders(kind):
        if (file := folder / name).is_file():
            return file.read_text(encoding="utf-8")
    return None


def list_bundled(kind: Kind, suffix: str) -> list[str]:
    """Return the names of files that end so, without the end."""
    found = {path.name.removesuffix(suffix) for folder in _folders(kind) for path in folder.glob(f"*{suffix}")}
    return sorted(found - {"README"})


def _folders(kind: Kind) -> list[Path]:
    return [Path(str(files("chain"))) / "bundle" / kind, Path(__file__).parents[1] / kind]
