"""A database without signals of its own: the switch and the user's probe still hold."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from exporter.pacing.open_pace import open_pace
from staging.config.pacing import PacingConfig
from staging.documents.pause_switch import turn_pause_switch
from staging.errors import InputError, UnavailableError
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from tests.exporter.days import NOW, pipeline


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE jobs (id integer)")
        connection.commit()
    return path


def wait_once(shop: Path, pacing: PacingConfig, *, elsewhere: bool = False) -> dict[str, float]:
    """Wait before a snapshot, and before a slice, maybe in another thread as an export does."""
    settings = pipeline(f"sqlite:///{shop}", shop.parent).model_copy(update={"pacing": pacing})
    with (
        open_store(f"file://{shop.parent}") as store,
        open_pace(settings, "sqlite", store, Cancel(), Progress()) as pace,
    ):
        pace.before_snapshot()
        if elsewhere:
            thread = threading.Thread(target=pace.before_slice)
            thread.start()
            thread.join()
        return dict(pace.waited_seconds)


def test_by_default_nothing_is_waited_for(shop: Path) -> None:
    assert wait_once(shop, PacingConfig()) == {}


def test_a_probe_is_asked_whatever_thread_reads(shop: Path) -> None:
    assert wait_once(shop, PacingConfig(probe="SELECT count(*) FROM jobs"), elsewhere=True) == {}


def test_a_probe_that_says_so_makes_it_wait(shop: Path) -> None:
    with pytest.raises(UnavailableError, match="max_pause_seconds") as caught:
        wait_once(shop, PacingConfig(probe="SELECT 7", max_pause_seconds=1))
    assert caught.value.why == "paused: the probe says 7"


@pytest.mark.parametrize("probe", ["SELECT x FROM jobs", "DELETE FROM jobs", "CREATE TABLE more (id integer)"])
def test_a_probe_that_fails_or_writes_is_refused(shop: Path, probe: str) -> None:
    with pytest.raises(InputError, match=r"pacing\.probe"):
        wait_once(shop, PacingConfig(probe=probe))


def test_a_paused_pipeline_waits(shop: Path) -> None:
    with open_store(f"file://{shop.parent}") as store:
        turn_pause_switch(store, "daily_revenue", paused=True, by="ada@laptop", now=NOW)
    with pytest.raises(UnavailableError, match="max_pause_seconds") as caught:
        wait_once(shop, PacingConfig(max_pause_seconds=1))
    assert caught.value.why.startswith("paused: by ada@laptop since ")
