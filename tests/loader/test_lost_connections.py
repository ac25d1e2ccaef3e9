"""A connection that breaks at any statement, and around COMMIT: the day ends exact, loaded once, truthfully told."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from staging.errors import UnavailableError
from tests.loader.runs import Make, loader_runs, revenue
from tests.loader.target_fixtures import NOW, LoaderTarget, expected
from tests.servers.tcp_cut import Cut, cut_line

pytestmark = pytest.mark.integration

COMMIT = {"postgres": b"COMMIT\0", "mariadb": b"\3COMMIT"}  # as they stand in the protocols: no READ COMMITTED


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return loader_runs(tmp_path)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow each other at once."""
    monkeypatch.setattr("loader.attempts._FIRST_WAIT_SECONDS", 0.001)


def port_of(target: LoaderTarget) -> int:
    return int(re.findall(r":(\d+)/", target.url)[-1])


def through(target: LoaderTarget, port: int) -> str:
    """The URL of another port; without TLS, which MySQL and MariaDB 11.4 have by themselves, and which hides words."""
    url = target.url.replace(f":{port_of(target)}/", f":{port}/")
    return f"{url}?ssl_disabled=true" if target.kind in ("mysql", "mariadb") else url


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("first_day", [True, False])
@pytest.mark.fault("lost reply", step="load")
def test_a_cut_around_commit_ends_in_one_exact_load(
    server_target: LoaderTarget, make: Make, cut: Cut, first_day: bool
) -> None:
    server_target.init(first := make(revenue(range(50))))
    if not first_day:
        server_target.load(first)
    run = make(revenue(range(10, 70)), number=2)
    with cut_line(port_of(server_target), COMMIT[server_target.protocol], cut) as line:
        outcome = server_target.load(run, url=through(server_target, line.port))
    assert (line.cuts, line.connections) == (1, 2)
    assert server_target.rows() == expected(run)
    changes = (60, 0, 0) if first_day else (20, 0, 10)
    # Whichever attempt it was that committed, what it changed is told.
    assert (outcome.loaded.inserted, outcome.loaded.updated, outcome.loaded.deleted) == changes
    assert not outcome.already
    assert any("while the day was being committed" in line_ for line_ in server_target.said)


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.fault("lost reply", step="load")
def test_a_day_that_is_set_right_by_its_own_run_is_not_taken_for_committed_by_its_earlier_load(
    server_target: LoaderTarget, make: Make, cut: Cut
) -> None:
    """The ledger has said the same of the day since then; only when it was written is another."""
    server_target.init(run := make(revenue(range(50))))
    server_target.load(run)
    server_target.execute("UPDATE revenue SET revenue = revenue + 1 WHERE user_id < 10")
    with cut_line(port_of(server_target), COMMIT[server_target.protocol], cut) as line:
        later = NOW + timedelta(hours=1)
        outcome = server_target.load(run, url=through(server_target, line.port), now=later)
    assert line.cuts == 1
    assert server_target.rows() == expected(run)
    assert (outcome.loaded.inserted, outcome.loaded.updated, outcome.loaded.deleted) == (0, 10, 0)


@pytest.mark.parametrize(
    "trigger",
    [
        {"postgres": b"TEMPORARY", "mariadb": b"CREATE TEMPORARY"},
        {"postgres": b"COPY", "mariadb": b"LOAD DATA"},
        {"postgres": b"BEGIN", "mariadb": b"START TRANSACTION"},
        {"postgres": b"FOR UPDATE", "mariadb": b"FOR UPDATE"},
        {"postgres": b"DELETE FROM", "mariadb": b"DELETE t FROM"},
        {"postgres": b"UPDATE ", "mariadb": b"UPDATE "},
    ],
    ids=lambda trigger: trigger["mariadb"].decode(),
)
@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.fault("cut", step="load")
def test_a_cut_at_any_other_statement_starts_again_from_staging(
    server_target: LoaderTarget, make: Make, cut: Cut, trigger: dict[str, bytes]
) -> None:
    server_target.init(first := make(revenue(range(50))))
    server_target.load(first)
    run = make(revenue(range(10, 70), cents=lambda user: user), number=2)
    with cut_line(port_of(server_target), trigger[server_target.protocol], cut) as line:
        loaded = server_target.load(run, url=through(server_target, line.port)).loaded
    assert line.cuts == 1
    assert server_target.rows() == expected(run)
    assert (loaded.inserted, loaded.deleted) == (20, 10)


def test_a_line_that_never_holds_ends_as_unavailable_and_changes_nothing(
    server_target: LoaderTarget, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_target.init(first := make(revenue(range(50))))
    server_target.load(first)
    before = server_target.state()
    monkeypatch.setattr("loader.attempts.MOST_ATTEMPTS", 1)
    with (
        cut_line(port_of(server_target), COMMIT[server_target.protocol], "before") as line,
        pytest.raises(UnavailableError) as caught,
    ):
        server_target.load(make(revenue(range(9)), number=2), url=through(server_target, line.port))
    assert "asks the ledger" in str(caught.value)
    assert server_target.state() == before


@pytest.mark.fault("cut", step="load")
def test_a_killed_connection_is_opened_again(server_target: LoaderTarget, make: Make) -> None:
    """An administrator ends the loader's connection in the middle of its transaction."""
    server_target.init(first := make(revenue(range(50))))
    server_target.load(first)
    run = make(revenue(range(60)), number=2)
    killed: list[int] = []

    def kill_once(line: str) -> None:
        if line.startswith("Staging") and not killed:
            killed.append(_kill_loaders(server_target))

    server_target.load(run, listen=kill_once)
    assert killed == [1]
    assert any("is lost" in line for line in server_target.said)
    assert server_target.rows() == expected(run)


def _kill_loaders(target: LoaderTarget) -> int:
    database = target.url.rsplit("/", 1)[1]
    if target.kind == "postgres":
        return len(
            target.query(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
                " AND application_name = 'penstock-loader'"
            )
        )
    others = target.query(
        f"SELECT id FROM information_schema.processlist WHERE db = '{database}' AND id <> CONNECTION_ID()"
    )
    target.execute(*(f"KILL {number}" for (number,) in others))
    return len(others)
