"""Who holds a day, as `status` tells it: by the clock of the store that stamped the lease, as whoever takes it does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from chain.day.hold_lease import new_lease
from chain.jobs.look import Lookout
from chain.status.read import StatusReader
from staging.documents.lease import DayLease
from staging.errors import InputError
from staging.folder.store import FolderStore, open_folder_store
from staging.names import DayNames
from tests.exporter.days import DAY, pipeline


class Staging:
    """A folder store whose clock may be ahead, or not be told."""

    def __init__(self, store: FolderStore, *, ahead: timedelta = timedelta(0), tells_time: bool = True) -> None:
        self._store, self._ahead, self._tells_time = store, ahead, tells_time
        self.asked = 0

    def now(self) -> datetime:
        self.asked += 1
        if not self._tells_time:
            raise InputError("A new file can't be made.")
        return self._store.now() + self._ahead

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def _local_clock() -> datetime:
    return datetime.now(UTC)


def _is_held(store: Staging, folder: Path, local: datetime) -> bool:
    reader = StatusReader(pipeline("sqlite:///x", folder), cast("Any", store), Lookout(None, print), lambda: local)
    return reader.read(DAY).holder is not None


def _hold(store: FolderStore) -> None:
    names = DayNames("daily_revenue", DAY)
    DayLease(store, names, new_lease(_local_clock(), 90, {}), _local_clock).take()


@pytest.mark.parametrize("wrong", [timedelta(hours=-5), timedelta(hours=5)])
def test_a_day_is_held_by_the_stores_clock_however_wrong_this_machines_is(tmp_path: Path, wrong: timedelta) -> None:
    store = open_folder_store(tmp_path.as_uri())
    _hold(store)
    assert _is_held(Staging(store), tmp_path, _local_clock() + wrong)
    assert not _is_held(Staging(store, ahead=timedelta(seconds=100)), tmp_path, _local_clock() + wrong)


def test_a_day_that_nobody_holds_asks_for_no_time(tmp_path: Path) -> None:
    store = open_folder_store(tmp_path.as_uri())
    staging = Staging(store)
    assert not _is_held(staging, tmp_path, _local_clock())
    assert staging.asked == 0


def test_where_the_store_does_not_tell_the_time_this_machines_has_to_do(tmp_path: Path) -> None:
    store = open_folder_store(tmp_path.as_uri())
    _hold(store)
    staging = Staging(store, tells_time=False)
    assert _is_held(staging, tmp_path, _local_clock())
    assert not _is_held(staging, tmp_path, _local_clock() + timedelta(seconds=100))
