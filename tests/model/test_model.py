"""The protocol of a day, checked by spin in every order of steps: all promises hold, and each guard is needed."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.integration,
    pytest.mark.skipif(not (shutil.which("spin") and shutil.which("gcc")), reason="spin and gcc are not everywhere"),
    pytest.mark.may_skip(reason="spin and gcc are not everywhere; `make nightly` installs them"),
]

MODEL = Path(__file__).with_name("day.pml")
FOUND = re.compile(r"errors: (\d+)")
CUT_SHORT = re.compile(r"max search depth too small|out of memory|reached -DMEMLIM")

WORLDS = {
    "two chains": (),
    "an exporter that was taken for dead": ("TWO_EXPORTERS",),
    "a loader that was taken for dead": ("TWO_LOADERS",),
    "heads that are restored or lost": ("WORLD",),
    "garbage is collected": ("GARBAGE",),
    "a target of Parquet files": ("POINTER",),
}

# Each guard, in which world it is needed, and where it stands.
GUARDS = {
    "a head is replaced by generation": ("NO_HEAD_GENERATION",),  # staging/documents/head.py
    "export.json is created once": ("NO_CREATE_ONLY", "TWO_EXPORTERS"),  # exporter/reuse.py: settle_run_export
    "every shard has a receipt": ("NO_RECEIPTS",),  # loader/run_inputs.py, loader/conservation.py
    "the ledger's row is locked first": ("NO_LOCK",),  # loader/replace_day.py
    "a run is loaded once": ("NO_SAME_RUN", "TWO_LOADERS"),  # loader/refusals.py: _compare_fences
    "another head has to be adopted": ("NO_HEAD_ID", "WORLD"),  # loader/refusals.py: _check_adopted
    "a lower fence is refused": ("NO_FENCE",),  # loader/refusals.py: _compare_fences
    "the fence of another run is refused": ("NO_EQUAL_FENCE", "WORLD"),  # loader/refusals.py: _compare_fences
    "an older export is refused": ("NO_AS_OF",),  # loader/refusals.py: _check_age
    "one transaction replaces the day": ("NO_TRANSACTION",),  # loader/replace_day.py
    "an unknown commit is read back": ("NO_READ_BACK",),  # loader/load_once.py
    "gc keeps what the ledger may name": ("NO_GC_LEDGER", "GARBAGE"),  # chain/gc/plan.py
    "a Parquet target's manifest is replaced by generation": ("POINTER", "NO_POINTER_GENERATION"),  # loader/parquet
}


@dataclass(frozen=True)
class Search:
    """What spin found: how many broken promises, and whether it looked at every order of steps."""

    errors: int
    complete: bool


def search(folder: Path, *macros: str) -> Search:
    """Go through all states of the model until a promise is broken."""
    defines = [f"-D{macro}" for macro in macros]

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("spin", *defines, "-a", str(MODEL))
    run("gcc", "-O2", "-w", "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=2048", "-DMEMLIM=6000", "-o", "pan", "pan.c")
    said = run("./pan", "-E", "-m100000", "-w26")
    found = FOUND.search(said)
    assert found, said
    return Search(int(found[1]), not CUT_SHORT.search(said))


@pytest.mark.parametrize("world", WORLDS)
def test_every_promise_holds_in_every_order_of_steps(world: str, tmp_path: Path) -> None:
    assert search(tmp_path, *WORLDS[world]) == Search(errors=0, complete=True)


@pytest.mark.parametrize("guard", GUARDS)
def test_without_this_guard_some_order_of_steps_breaks_a_promise(guard: str, tmp_path: Path) -> None:
    assert search(tmp_path, *GUARDS[guard]).errors == 1


def test_no_guard_of_the_model_is_left_out_here() -> None:
    known = {macro for macros in GUARDS.values() for macro in macros if macro.startswith("NO_")}
    assert set(re.findall(r"\bNO_[A-Z_]+\b", MODEL.read_text())) - {"NO_"} == known
