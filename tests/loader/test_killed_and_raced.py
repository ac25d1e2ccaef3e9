"""Loaders that are killed, frozen or raced: a reader sees the old day or the new one, nothing between."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import psycopg
import pymysql
import pytest

from staging.errors import UnavailableError
from tests.guards import ENVIRONMENT_AT_START
from tests.loader.forks import ForkedLoader, LoaderForks, loader_forks
from tests.loader.runs import LoaderRun, Make, loader_runs, revenue
from tests.loader.target_fixtures import LoaderTarget, expected

pytestmark = pytest.mark.integration

KILLS = int(ENVIRONMENT_AT_START.get("PENSTOCK_TEST_KILLS", "20"))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return loader_runs(tmp_path)


@pytest.fixture
def forks() -> Iterator[LoaderForks]:
    with loader_forks() as started:
        yield started


def start(forks: LoaderForks, target: LoaderTarget, run: LoaderRun, **load: int) -> ForkedLoader:
    limits = {"lock_timeout_seconds": 10, "idle_timeout_seconds": 10, **load}
    return forks.start(target.settings_of(run, limits), run.day, run.run_id)


Seen = tuple[int, str, int]


def look(target: LoaderTarget) -> str:
    total = "SUM(CAST(revenue AS REAL) * 100)" if target.kind == "sqlite" else "SUM(revenue)"
    return f"SELECT COUNT(*), {total}, SUM(purchases) FROM revenue"


class Reader:
    """Polls the day's rows and sums, as a report would, and remembers every state it has seen."""

    def __init__(self, target: LoaderTarget) -> None:
        self.seen: set[tuple[Any, ...]] = set()
        self._statement = look(target)
        self._target = target
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._poll)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _poll(self) -> None:
        with self._target.cursor() as cursor:
            while not self._over.wait(0.003):
                cursor.execute(self._statement)
                self.seen.add(tuple(cursor.fetchone()))


@pytest.mark.fault("killed", step="load")
def test_killed_at_any_moment_the_day_is_the_old_one_or_the_new_one(
    target: LoaderTarget, make: Make, forks: LoaderForks
) -> None:
    draw = random.Random(7)
    contents = [
        revenue(range(4000)),
        revenue(range(1000, 6000), cents=lambda user: user % 7 + 1),
    ]
    target.init(run := make(contents[0]))
    began = time.monotonic()
    target.load(run)
    window_seconds = time.monotonic() - began
    states = [expected(make(rows, number=99)) for rows in contents]
    legal: set[tuple[Any, ...]] = {tuple(target.query(look(target))[0])}
    current, moved, killed = 0, 0, 0
    with Reader(target) as reader:
        for number in range(2, KILLS + 2):
            run = make(contents[1 - current], number=number)
            loader = start(forks, target, run)
            assert loader.staging.wait(20)
            time.sleep(draw.random() * window_seconds)
            loader.signal(signal.SIGKILL)
            loader.wait_gone()
            killed += loader.code is None
            window_seconds *= 1.15 if loader.code is None else 0.85  # the moments gather around the commit
            rows = target.settled_rows()
            assert rows in states
            ledger = target.ledger_row()
            if rows == states[1 - current]:
                current, moved = 1 - current, moved + 1
                assert ledger["run_id"] == run.run_id  # rows and ledger moved together
            else:
                assert ledger["run_id"] != run.run_id
            assert ledger["loaded_rows"] == len(rows)
            legal.add(tuple(target.query(look(target))[0]))
    assert killed >= KILLS // 4
    assert 0 < moved < KILLS
    assert reader.seen <= legal
    final = make(contents[1 - current], number=KILLS + 2)
    target.load(final)
    assert target.rows() == expected(final)


@pytest.mark.fault("raced", step="load")
def test_of_two_loaders_at_once_the_higher_fence_wins(target: LoaderTarget, make: Make, forks: LoaderForks) -> None:
    target.init(run := make(revenue(range(2000))))
    for number in range(2, 10, 2):
        if number > 4:
            target.load(run)  # else even the ledger's first row is raced for
        low = make(revenue(range(number, 2500)), number=number)
        high = make(revenue(range(number, 3000), cents=lambda user: user), number=number + 1)
        loaders = [start(forks, target, each) for each in ((low, high) if number % 4 else (high, low))]
        codes = dict(
            zip(("low", "high") if number % 4 else ("high", "low"), (one.wait() for one in loaders), strict=True)
        )
        assert codes["high"] == 0
        assert codes["low"] in (0, 30)
        assert target.rows() == expected(high)
        assert target.ledger_row()["fence"] == number + 1
        run = make(revenue(range(2000)), number=number + 1, run_id=f"run-back-{number}", fence=number + 1)
        target.execute("DELETE FROM penstock_ledger")
        target.load(run)


@pytest.mark.fault("raced", step="load")
def test_two_attempts_of_one_run_at_once_load_once(target: LoaderTarget, make: Make, forks: LoaderForks) -> None:
    run = make(revenue(range(2000)))
    target.init(run)
    loaders = [start(forks, target, run) for _ in range(3)]
    assert [loader.wait() for loader in loaders] == [0, 0, 0]
    assert target.rows() == expected(run)


@pytest.mark.fault("frozen", step="load")
def test_a_frozen_loader_loses_its_lock_and_is_fenced(
    server_target: LoaderTarget, make: Make, forks: LoaderForks
) -> None:
    target = server_target
    target.init(first := make(revenue(range(100))))
    target.load(first)
    low = make(revenue(range(100), cents=lambda user: user), number=2)
    high = make(revenue(range(100), cents=lambda user: user + 1), number=3)
    with target.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE revenue SET purchases = purchases + 0 WHERE user_id = 3 AND day = '2026-11-14'")
        if target.is_mysql_family:
            cursor.execute("SELECT * FROM revenue WHERE user_id = 3 AND day = '2026-11-14' FOR UPDATE")
        frozen = start(forks, target, low, idle_timeout_seconds=1)
        target.wait_for_a_lock_wait()  # it is inside its transaction, and holds the ledger's row
        frozen.signal(signal.SIGSTOP)
        cursor.execute("ROLLBACK")
    winner = start(forks, target, high)
    assert winner.wait() == 0
    assert target.rows() == expected(high)
    frozen.signal(signal.SIGCONT)
    assert frozen.wait() == 30
    assert target.rows() == expected(high)


@pytest.mark.fault("locked", step="load")
def test_a_lock_that_is_held_too_long_ends_as_unavailable(
    target: LoaderTarget, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.init(first := make(revenue(range(100))))
    target.load(first)
    before = target.state()
    target.settings = {"lock_timeout_seconds": 1}
    monkeypatch.setattr("loader.attempts.MOST_ATTEMPTS", 2)
    monkeypatch.setattr("loader.attempts._FIRST_WAIT_SECONDS", 0.001)
    with target.cursor() as cursor:
        cursor.execute(target.pick(sqlite="BEGIN IMMEDIATE", postgres="BEGIN", mariadb="BEGIN"))
        cursor.execute("UPDATE penstock_ledger SET loaded_rows = loaded_rows")
        if target.is_mysql_family:
            cursor.execute("SELECT * FROM penstock_ledger FOR UPDATE")
        with pytest.raises(UnavailableError, match="lock"):
            target.load(make(revenue(range(9)), number=2))
        cursor.execute("ROLLBACK")
    assert target.state() == before
    target.load(make(revenue(range(9)), number=2))


@pytest.mark.fault("locked", step="load")
def test_a_deadlock_is_repeated_until_it_is_none(server_target: LoaderTarget, make: Make, forks: LoaderForks) -> None:
    """Another transaction takes a row of the day first and wants the ledger's row then: the servers end one of both."""
    target = server_target
    target.init(first := make(revenue(range(100))))
    target.load(first)
    run = make(revenue(range(100), cents=lambda user: user), number=2)
    with target.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM revenue WHERE user_id = 3 AND day = '2026-11-14' FOR UPDATE")
        loader = start(forks, target, run)
        target.wait_for_a_lock_wait()
        with contextlib.suppress(psycopg.errors.DeadlockDetected, pymysql.err.OperationalError):  # it or the loader
            cursor.execute("SELECT * FROM penstock_ledger FOR UPDATE")
        cursor.execute("ROLLBACK")
    assert loader.wait() == 0
    assert target.rows() == expected(run)
