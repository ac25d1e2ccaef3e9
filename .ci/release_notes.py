"""Prints what is new in a version, as the CHANGELOG has it: `python3 .ci/release_notes.py 0.1.0`.

Ends with 1 where pyproject.toml says another version, or the CHANGELOG has no section of it.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def find_notes(changelog: str, version: str) -> str | None:
    """Return the section's text without its heading, None where there is no section."""
    section = re.compile(rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    found = section.search(changelog)
    return found[1].strip() + "\n" if found else None


def main(version: str) -> None:
    """Print the notes."""
    says = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if says != version:
        sys.exit(f"error: pyproject.toml says version {says}, not {version}.")
    notes = find_notes((CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    if not notes:
        sys.exit(f"error: CHANGELOG.md has no section `## {version} (YYYY-MM-DD)`.")
    sys.stdout.write(notes)


if __name__ == "__main__":
    main(*sys.argv[1:])
