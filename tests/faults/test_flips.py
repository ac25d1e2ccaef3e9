"""A single bit that is lost anywhere in what is stored is found, or the day is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.flips import FlippedDay
from tests.seeds import seeds_of

pytestmark = pytest.mark.integration


@pytest.mark.fault("flipped", step=("export", "process", "load"), database="sqlite")
def test_what_is_damaged_at_rest_is_found(tmp_path: Path) -> None:
    flip(tmp_path, range(60), vouched=False)


@pytest.mark.fault("flipped", step=("export", "process", "load"), database="sqlite")
def test_what_is_damaged_and_vouched_for_by_the_store_makes_no_wrong_day(tmp_path: Path) -> None:
    flip(tmp_path, range(60), vouched=True)


@pytest.mark.nightly
@pytest.mark.fault("flipped", step=("export", "process", "load"), database="sqlite")
def test_what_is_damaged_at_rest_is_found_many_thousands_of_times(tmp_path: Path) -> None:
    flip(tmp_path, seeds_of(range(1_000, 13_000)), vouched=False)


@pytest.mark.nightly
@pytest.mark.fault("flipped", step=("export", "process", "load"), database="sqlite")
def test_what_is_damaged_and_vouched_for_makes_no_wrong_day_many_thousands_of_times(tmp_path: Path) -> None:
    flip(tmp_path, seeds_of(range(13_000, 21_500)), vouched=True)


def flip(folder: Path, seeds: range, *, vouched: bool) -> None:
    day = FlippedDay(folder, vouched=vouched)
    for seed in seeds:
        day.flip(seed)
        if (seed + 1) % 500 == 0 or seed == seeds[-1]:
            print(f"\n{seeds.start} to {seed}: {day.flips}", flush=True)
    day.prove_undamaged()
