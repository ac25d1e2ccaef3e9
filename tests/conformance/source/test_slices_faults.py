"""What breaks while a day is read in slices, on each server: a right export, or the error that names it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from exporter.port.sliced_source import StartOverError
from staging.errors import InputError, UnavailableError
from tests.conformance.source.sliced_shop import AMOUNT, ROWS, SlicedShop
from tests.exporter.days import committed, run_export
from tests.exporter.killed_slices import kill_and_run_again
from tests.exporter.sliced_reads import Before, sliced_pipeline

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.read.again._FIRST_WAIT_SECONDS", 0.1)


def _check_right(manifest: dict[str, Any]) -> None:
    assert (manifest["rows"], manifest["sums"]) == (ROWS, {"amount": AMOUNT})


@pytest.mark.fault("cut", step="export")
def test_a_connection_that_is_ended_is_made_again_and_the_slice_read_again(
    sliced_shop: SlicedShop, tmp_path: Path
) -> None:
    before = Before(lambda: sliced_shop.end_ours(before.current), 2)
    manifest = run_export(sliced_shop.settings(tmp_path), opener=before).manifest
    _check_right(manifest)
    assert manifest["source"]["evidence"]["slices_repeated"] == "1"
    assert before.reads == 1


@pytest.mark.fault("cut", step="export")
def test_a_connection_that_is_ended_again_and_again_is_given_up(sliced_shop: SlicedShop, tmp_path: Path) -> None:
    before = Before(lambda: sliced_shop.end_ours(before.current), *range(2, 20))
    with pytest.raises(UnavailableError):
        run_export(sliced_shop.settings(tmp_path), opener=before)
    assert committed(tmp_path) == []


@pytest.mark.fault("locked", step="export")
def test_a_slice_does_not_wait_long_behind_an_alter(sliced_shop: SlicedShop, tmp_path: Path) -> None:
    """It gives up its place in the queue after a second, and comes again."""
    longest = 0.0
    done = threading.Event()

    def alter() -> None:
        held = threading.Event()

        def hold() -> None:
            with sliced_shop.session() as do:
                sliced_shop.lock(do)
                held.set()
                time.sleep(2.5)

        def watch() -> None:
            nonlocal longest
            with sliced_shop.session() as do:
                while not done.wait(0.05):
                    longest = max(longest, sliced_shop.longest_wait_seconds(do))

        for work in (hold, watch):
            threading.Thread(target=work, daemon=True).start()
        held.wait(10)

    before = Before(alter, 2)
    manifest = run_export(sliced_shop.settings(tmp_path), opener=before).manifest
    done.set()
    _check_right(manifest)
    assert int(manifest["source"]["evidence"]["slices_repeated"]) >= 1
    assert 0.0 < longest < 2.0
    assert before.reads == 1


@pytest.mark.fault("locked", step="export")
def test_a_lock_that_is_never_given_back_is_an_error_that_says_so(sliced_shop: SlicedShop, tmp_path: Path) -> None:
    with sliced_shop.session() as do:
        before = Before(lambda: sliced_shop.lock(do), 2)
        with pytest.raises(UnavailableError) as caught:
            run_export(sliced_shop.settings(tmp_path), opener=before)
    assert "lock" in caught.value.why.lower()
    assert committed(tmp_path) == []


def test_a_right_that_is_taken_away_is_named(sliced_shop: SlicedShop, tmp_path: Path) -> None:
    with sliced_shop.reader() as url:
        before = Before(lambda: sliced_shop.take_the_right_away(url), 2)
        with pytest.raises(InputError) as caught:
            run_export(sliced_pipeline(url, tmp_path), opener=before)
    assert "GRANT SELECT" in caught.value.fix
    assert committed(tmp_path) == []


@pytest.mark.fault("cut", step="export")
def test_a_kill_by_people_of_every_statement_ends_in_a_right_export_or_the_error(
    sliced_shop: SlicedShop, tmp_path: Path
) -> None:
    done = threading.Event()

    def cancel_all() -> None:
        with sliced_shop.session() as do:
            while not done.wait(0.003):
                sliced_shop.cancel_ours(do)

    killer = threading.Thread(target=cancel_all, daemon=True)
    killer.start()
    try:
        _check_right(run_export(sliced_shop.settings(tmp_path)).manifest)
    except UnavailableError as error:
        # Either outcome is right; one that was ended in vain three times says what it saw instead.
        assert sliced_shop.cancelled in error.why or isinstance(error, StartOverError), error.why  # noqa: PT017
        assert committed(tmp_path) == []
    finally:
        done.set()
        killer.join()


_BY_NIGHT = [2, 3, *range(100, 200)]


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in _BY_NIGHT)])
@pytest.mark.fault("killed", step="export")
def test_a_kill_at_any_moment_leaves_no_query_and_the_same_run_goes_on(
    sliced_shop: SlicedShop, tmp_path: Path, seed: int
) -> None:
    with sliced_shop.session() as do:
        export = kill_and_run_again(sliced_shop.url, tmp_path, seed, lambda: sliced_shop.count_ours(do))
    _check_right(export.manifest)
    # No manifest without its shards, whatever it had come to.
    assert sum(file.stat().st_size > 0 for file in export.files()) == 3
