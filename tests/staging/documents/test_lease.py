"""The lease in the head: one holder at a time, by the store's clock; no writer of the head loses another's change."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from chain.day.hold_lease import UnrenewedError, hold_lease, new_lease
from chain.day.leased_jobs import LeasedJobs
from chain.jobs.port import Overrides
from staging.documents.head import read_head
from staging.documents.lease import DayLease, LeaseLostError
from staging.documents.run import Head
from staging.documents.run_start import begin_run, set_current_export
from staging.errors import ExitCode, HeldError, UnavailableError
from staging.folder.store import FolderStore, open_folder_store
from staging.names import DayNames
from staging.process.cancel import Cancel

NOW = datetime(2026, 11, 14, 2, 15, tzinfo=UTC)
NAMES = DayNames("shop", date(2026, 11, 13))


class Staging:
    """A folder store whose clock can be put forward, and whose reads can be made to fail."""

    def __init__(self, store: FolderStore) -> None:
        self._store = store
        self.ahead_seconds = 0.0
        self.is_away = False

    def now(self) -> datetime:
        return self._store.now() + timedelta(seconds=self.ahead_seconds)

    def find(self, name: str) -> Any:
        if self.is_away:
            raise UnavailableError("The bucket is away.")
        return self._store.find(name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def lease(self, *, seconds: int = 3600, names: DayNames = NAMES) -> DayLease:
        lease = new_lease(NOW, seconds, {"CLOUD_RUN_EXECUTION": "nightly-x7k2p"})
        return DayLease(cast("Any", self), names, lease, lambda: NOW)

    def head(self) -> Head:
        found = read_head(self._store, NAMES)
        assert found is not None
        return found[0]


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    """An empty store."""
    return Staging(open_folder_store((tmp_path / "staging").as_uri()))


def test_a_second_holder_is_refused_and_told_who_since_when_and_until_when(staging: Staging) -> None:
    first = staging.lease()
    first.take()
    with pytest.raises(HeldError) as caught:
        staging.lease().take()
    assert caught.value.exit_code == ExitCode.HELD
    assert first.lease.holder in caught.value.what
    assert "of nightly-x7k2p" in caught.value.what
    assert "Since 2026-11-14 02:15:00 UTC." in caught.value.why
    assert re.search(r"if it died, it ends in 3[56]\d\d s, at 20", caught.value.why)
    assert staging.head().lease == first.lease


def test_a_day_that_was_given_back_is_free_and_its_head_is_still_there(staging: Staging) -> None:
    first = staging.lease()
    first.take()
    first.release()
    assert staging.head().lease is None
    second = staging.lease()
    second.take()
    assert staging.head().lease == second.lease


def test_a_lease_is_over_by_the_stores_clock_and_whoever_had_it_is_told(staging: Staging) -> None:
    first, second = staging.lease(seconds=60), staging.lease(seconds=60)
    first.take()
    staging.ahead_seconds = 50
    with pytest.raises(HeldError):
        second.take()
    staging.ahead_seconds = 65
    second.take()
    for attempt in (first.renew, first.release):
        with pytest.raises(LeaseLostError) as caught:
            attempt()
        assert second.lease.holder in caught.value.why
    assert staging.head().lease == second.lease


def test_a_renewed_lease_goes_on_and_one_that_ended_untaken_is_still_its_holders(staging: Staging) -> None:
    first = staging.lease(seconds=60)
    first.take()
    staging.ahead_seconds = 100
    first.renew()
    staging.ahead_seconds = 50
    with pytest.raises(HeldError):
        staging.lease().take()


def test_a_head_that_was_deleted_is_a_lost_lease(staging: Staging) -> None:
    first = staging.lease()
    first.take()
    Path(staging.url.removeprefix("file://"), NAMES.head()).unlink()
    with pytest.raises(LeaseLostError):
        first.renew()


def test_of_many_that_ask_at_once_one_gets_the_day(staging: Staging) -> None:
    got: list[bool] = []
    start = threading.Barrier(12)

    def ask(lease: DayLease) -> None:
        start.wait()
        try:
            lease.take()
        except HeldError:
            got.append(False)
        else:
            got.append(True)

    in_threads([lambda: ask(staging.lease())] * 12)
    assert sorted(got) == [False] * 11 + [True]


def test_renewals_fences_and_exports_that_race_for_the_head_lose_none_of_each_others_changes(staging: Staging) -> None:
    lease = staging.lease()
    lease.take()
    runs = [f"run-{number:02d}" for number in range(8)]

    def begin_and_export(run_id: str) -> None:
        record = begin_run(cast("Any", staging), NAMES, run_id, kind="run", fresh_export=False, now=NOW)
        set_current_export(cast("Any", staging), NAMES, record, f"export-of-{record.fence}", now=NOW)

    in_threads([lambda run_id=run_id: begin_and_export(run_id) for run_id in runs] + [lease.renew] * 8)
    head = staging.head()
    assert head.lease == lease.lease
    assert head.fence == 8
    assert head.export_id == "export-of-8"


def test_a_lease_is_renewed_while_it_is_held_and_given_back_after_an_error(staging: Staging) -> None:
    cancel, lease = Cancel(), staging.lease(seconds=2)

    def hold_and_fail() -> None:
        with hold_lease(lease, cancel, pytest.fail):
            for _ in range(3):
                until_changes(lambda: staging.head().nonce)
            raise UnavailableError("something else")

    with pytest.raises(UnavailableError, match="something else"):
        hold_and_fail()
    assert staging.head().lease is None
    assert not cancel.is_set()


def test_a_lease_that_somebody_took_over_ends_the_work_and_is_left_to_them(staging: Staging) -> None:
    cancel, lease, other = Cancel(), staging.lease(seconds=2), staging.lease()
    jobs = Recorded()
    with hold_lease(lease, cancel, pytest.fail) as held:
        staging.ahead_seconds = 1000
        other.take()
        cancel.wait_until_set()
        for ended in (cancel.check, held.ensure):
            with pytest.raises(LeaseLostError) as caught:
                ended()
            assert caught.value.exit_code == ExitCode.HELD
        leased = LeasedJobs(cast("Any", jobs), held)
        with pytest.raises(LeaseLostError):
            leased.start_execution("loader", "r01", Overrides(()))
        leased.cancel_execution("loader-x")
        assert jobs.asked == []
    assert staging.head().lease == other.lease


def test_a_holder_that_cannot_renew_stops_by_itself_and_cancels_nothing(staging: Staging) -> None:
    cancel, jobs = Cancel(), Recorded()
    with hold_lease(staging.lease(seconds=2), cancel, pytest.fail) as held:
        staging.is_away = True
        cancel.wait_until_set()
        with pytest.raises(UnrenewedError, match="could not be renewed") as caught:
            cancel.check()
        assert caught.value.exit_code == ExitCode.UNAVAILABLE
        LeasedJobs(cast("Any", jobs), held).cancel_execution("loader-x")
        assert jobs.asked == []


def test_a_day_that_cannot_be_given_back_is_told_and_hides_no_error(staging: Staging) -> None:
    said: list[str] = []
    with hold_lease(staging.lease(), Cancel(), said.append):
        staging.is_away = True
    assert len(said) == 1
    assert said[0].startswith("warning: the day stays held for 3600 s")


def test_work_that_is_stuck_in_a_request_ends_with_what_the_lease_was_lost_by() -> None:
    stuck = """
import threading
from chain.day.end_in_time import end_in_time
from staging.process.cancel import Cancel
from staging.documents.lease import LeaseLostError
cancel = Cancel()
with end_in_time(cancel, seconds=0.05):
    cancel.set(LeaseLostError("It was taken over.", why="It slept."))
    threading.Event().wait(600)
"""
    ended = subprocess.run([sys.executable, "-c", stuck], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (ExitCode.HELD, "error: It was taken over.\n  why: It slept.\n")


class Recorded:
    """Jobs that write down what they are asked to do."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: self.asked.append(name)


def in_threads(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def until_changes(look: Callable[[], str]) -> None:
    first, waited = look(), threading.Event()
    while look() == first:
        waited.wait(0.02)
