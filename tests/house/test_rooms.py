"""A folder is a room: small enough to know, and no prefix in it stands for a folder that was not made."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
ROOTS = ("staging", "databases", "exporter", "processor", "loader", "chain", "jobs_emulator", "tests", "bench")
MOST_MODULES = 20
TOO_MANY_OF_A_PREFIX = 4
ONE_FILE_A_COMMAND = CHECKOUT / "chain" / "commands"
"""A list of equals, as long as `penstock --help`; only its prefixes are looked at."""


def rooms() -> list[Path]:
    folders = (folder for root in ROOTS for folder in (CHECKOUT / root, *(CHECKOUT / root).rglob("*/")))
    return sorted(folder for folder in folders if any(folder.glob("*.py")) and not _is_hidden(folder))


def _is_hidden(folder: Path) -> bool:
    """As `bench/.venv` is, which `make bench` makes."""
    return any(part.startswith(".") for part in folder.relative_to(CHECKOUT).parts)


def faults(names: list[str]) -> list[str]:
    """Return what is wrong with a folder of these modules."""
    modules = [name for name in names if not name.startswith("__")]
    prefixes = Counter(name.removeprefix("test_").split("_")[0] for name in modules)
    crowded = [f"{len(modules)} modules"] if len(modules) > MOST_MODULES else []
    return crowded + [f"{prefix}_ x {n}" for prefix, n in prefixes.items() if n >= TOO_MANY_OF_A_PREFIX]


@pytest.mark.parametrize("room", rooms(), ids=lambda room: str(room.relative_to(CHECKOUT)))
def test_a_folder_has_at_most_twenty_modules_and_no_prefix_that_four_share(room: Path) -> None:
    found = faults([path.stem for path in room.glob("*.py")])
    assert not [fault for fault in found if room != ONE_FILE_A_COMMAND or "modules" not in fault]


def test_the_rule_sees_what_it_refuses() -> None:
    assert faults([f"{letter}x" for letter in "abcdefghijklmnopqrstu"]) == ["21 modules"]
    assert faults(["gcs_store", "test_gcs_read", "gcs_write", "gcs"]) == ["gcs_ x 4"]
    assert not faults(["gcs_store", "gcs_read", "gcs_write", "__init__", "__main__"])
