"""Copies an example pipeline, with the module of its transform or source."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

from chain.bundled import list_bundled, read_bundled
from staging.errors import InputError, UsageError


def describe_examples() -> str:
    """Return a line for each example, with what it shows."""
    names = list_bundled("pipelines", ".toml")
    width = max(map(len, names), default=0)
    return "\n".join(f"{name.ljust(width)}  {_what(name)}" for name in names)


def copy_example(name: str, out: Path | None) -> list[Path]:
    """Write the example's files and return their paths.

    `out` names the pipeline file, NAME.toml of this folder without it; a module is put beside it. UsageError where
    there is no such example, InputError where a file is there already.
    """
    text = read_bundled("pipelines", f"{name}.toml")
    if text is None:
        names = list_bundled("pipelines", ".toml")
        near = get_close_matches(name, names, 1)
        raise UsageError(
            f"There is no example {name!r}{f': did you mean {near[0]}?' if near else '.'}",
            fix=f"Choose one of {', '.join(names)}." if names else "This installation has none: take Penstock's wheel.",
        )
    files = {out or Path(f"{name}.toml"): text}
    module = read_bundled("pipelines", f"{name}.py")
    if module is not None:
        files[next(iter(files)).with_name(f"{name}.py")] = module
    for path in files:
        if path.exists():
            raise InputError(
                f"{path} is there already.", why="Nothing is written over.", fix="Name another file: --out."
            )
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return list(files)


def _what(name: str) -> str:
    """Return the first sentence of the file's own words."""
    text = read_bundled("pipelines", f"{name}.toml") or ""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return re.split(r"[.:] ", " ".join(lines))[0].rstrip(".")
