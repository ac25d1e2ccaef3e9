"""Looks up a database URL where the pipeline file says it lies."""

from __future__ import annotations

import os
from pathlib import Path

from staging.errors import InputError


def look_up_url(reference: str) -> str:
    """Return the URL: `env:NAME` from the environment, `file:/path` from a file, anything else is the URL itself."""
    if reference.startswith("env:"):
        name = reference.removeprefix("env:")
        if not (url := os.environ.get(name, "").strip()):
            raise InputError(
                f"The environment variable {name} is not set.",
                why="The pipeline takes a database URL from it.",
                fix=f"Set {name}.",
            )
        return url
    if reference.startswith("file:") and not reference.startswith("file://"):
        path = Path(reference.removeprefix("file:"))
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise InputError(
                f"The file {path} can't be read.", why=str(exc), fix="It should hold a database URL and nothing else."
            ) from exc
    return reference
