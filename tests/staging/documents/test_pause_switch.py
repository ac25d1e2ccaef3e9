"""The pause switch: turned once however many turn it, told by whoever looks, and never in a job's way to be deleted."""

from __future__ import annotations

import io
import re
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from chain.jobs.port import ExecutionState
from chain.views.pause_switch import format_turned
from chain.views.run_terminal import TerminalView
from chain.views.summary import _waited
from exporter.pacing.signals import SwitchSignal
from staging.documents.pause_switch import Turned, read_pause_switch, turn_pause_switch
from staging.errors import InputError, IntegrityError
from staging.folder.store import FolderStore, open_folder_store
from staging.names import parse_name, pause_switch
from staging.process.progress import ProgressLine

NOW = datetime(2026, 11, 24, 18, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return open_folder_store((tmp_path / "staging").as_uri())


def turn(store: FolderStore, *, paused: bool, by: str = "ada@laptop", reason: str = "") -> Turned | None:
    return turn_pause_switch(store, "shop", paused=paused, by=by, reason=reason, now=NOW)


def test_a_switch_that_was_never_turned_is_off_and_unpausing_writes_nothing(store: FolderStore) -> None:
    assert read_pause_switch(store, "shop") is None
    assert turn(store, paused=False) is None
    assert list(store.list("")) == []
    assert SwitchSignal(store, "shop").look() is None


def test_who_paused_first_stays_who_paused(store: FolderStore) -> None:
    first = turn(store, paused=True, reason="stock taking")
    second = turn(store, paused=True, by="bob@desk", reason="other")
    assert first is not None
    assert second == Turned(first.switch, changed=False)
    told = SwitchSignal(store, "shop").look()
    assert told is not None
    assert (told.kind, told.text) == ("pause_switch", "stock taking, by ada@laptop since 2026-11-24 18:00:00 UTC")


def test_it_can_be_turned_back_and_forth_and_is_replaced_not_deleted(store: FolderStore) -> None:
    for paused in (True, False, True, False):
        turned = turn(store, paused=paused)
        assert turned is not None
        assert turned.changed
        assert (SwitchSignal(store, "shop").look() is not None) is paused
    assert [info.name for info in store.list("")] == ["heads/shop/pause.json"]


def test_of_many_who_pause_at_once_one_does_and_all_agree(store: FolderStore) -> None:
    start = threading.Barrier(6)
    found: list[Turned | None] = []

    def pause(number: int) -> None:
        start.wait()
        found.append(turn(store, paused=True, by=f"user{number}"))

    threads = [threading.Thread(target=pause, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len({each.switch.by for each in found if each is not None}) == 1
    assert sum(each.changed for each in found if each is not None) == 1


def test_another_pipelines_switch_pauses_only_that(store: FolderStore) -> None:
    turn(store, paused=True)
    assert SwitchSignal(store, "shop2").look() is None


def test_a_damaged_switch_is_told_as_damaged(store: FolderStore) -> None:
    store.create(pause_switch("shop"), b'{"format": 1, "paused": fa')
    with pytest.raises(IntegrityError, match=r"heads/shop/pause\.json"):
        SwitchSignal(store, "shop").look()


def test_its_name_lies_among_the_heads_and_belongs_to_no_day() -> None:
    assert pause_switch("shop") == "heads/shop/pause.json"
    assert parse_name(pause_switch("shop")) is None
    with pytest.raises(InputError):
        pause_switch("../shop")


def test_what_a_command_says_tells_who_and_why(store: FolderStore) -> None:
    assert format_turned("shop", None, paused=False) == "shop is not paused."
    paused = turn(store, paused=True, reason="lunch")
    assert "shop is paused" in format_turned("shop", paused, paused=True)
    already = format_turned("shop", turn(store, paused=True), paused=True)
    assert already == "shop is paused already: paused by ada@laptop since 2026-11-24 18:00:00 UTC: lunch"
    assert "goes on" in format_turned("shop", turn(store, paused=False), paused=False)
    assert "is not paused: let go on by" in format_turned("shop", turn(store, paused=False), paused=False)


def test_a_paused_run_shows_why_within_eighty_columns() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, markup=False, emoji=False, highlight=False)
    note = "paused: by somebody-with-a-long-name@a-machine since 2026-11-24 18:00:00 UTC: a very long reason"
    with TerminalView(console) as view:
        view.watch("exporter", ExecutionState("a", 1, running=1, progress=ProgressLine(123_456, 0, 500_000, note)))
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue()).replace("\r", "\n").splitlines()
    assert any("paused: by somebody-with-a-long-name@a-machine" in line for line in lines)
    assert max(len(line.rstrip()) for line in lines) <= 80


def test_the_summary_names_what_was_waited_for_the_longest_first_and_no_trifles() -> None:
    assert _waited({"nice": 21.4, "active_sessions": 125.0, "probe": 0.01}) == [
        "  waited  active sessions 2 min 5 s, nice 21.4 s"
    ]
    assert _waited({}) == []
