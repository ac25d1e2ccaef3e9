"""The demo: it works twice, its three commands work as they are pasted, and its screen fits a terminal."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from tests.chain.terminal import on_terminal, plain

pytestmark = pytest.mark.integration

PENSTOCK = Path(sys.executable).with_name("penstock")
DAY = "2026-10-25"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a demo that ran on a terminal of 80 columns, and what stood on the screen."""
    folder = tmp_path_factory.mktemp("demo") / ".demo"
    code, screen = on_terminal([str(PENSTOCK), "demo", "--folder", str(folder)], cwd=folder.parent)
    assert code == 0, screen
    return folder, screen


def test_the_demo_shows_progress_the_proof_ten_users_and_what_to_try(demo: tuple[Path, str]) -> None:
    _, screen = demo
    lines = plain(screen)
    for begin in ("export   ━", "process  ━", "load     ━"):
        assert any(line.startswith(begin) for line in lines), begin
    assert any("8/8" in line and "rows" in line and "/s" in line for line in lines)
    assert f"daily_revenue {DAY}: done in" in screen
    assert "every sum agrees to the last digit" in screen
    users = [line for line in lines if re.match(r"  User \d{6}  [A-Z]{2}", line)]
    assert len(users) == 10
    money = [Decimal(line.split()[3].replace(",", "")) for line in users]
    assert money == sorted(money, reverse=True)


def test_the_result_fits_the_smallest_terminal(demo: tuple[Path, str]) -> None:
    lines = plain(demo[1])
    begin = next(number for number, line in enumerate(lines) if line.startswith(f"daily_revenue {DAY}: done in"))
    shown = [line for line in lines[begin:] if line]
    assert len(shown) <= 23  # and a prompt
    assert shown[-1].endswith(f"verify --config .demo/shop.toml --day {DAY}")


def test_no_line_is_wider_than_eighty_columns(demo: tuple[Path, str]) -> None:
    shown = [line for line in plain(demo[1]) if str(demo[0].parent) not in line and str(PENSTOCK) not in line]
    assert max(map(len, shown)) <= 80


def test_the_target_is_what_plain_decimals_say(demo: tuple[Path, str]) -> None:
    with closing(sqlite3.connect(demo[0] / "shop.db")) as shop:
        bought = shop.execute(
            "SELECT user_id, CAST(amount AS TEXT) FROM purchases WHERE status IN ('paid', 'refunded') "
            "AND purchased_at >= '2026-10-24 22:00:00' AND purchased_at < '2026-10-25 23:00:00'"
        ).fetchall()
        loaded = shop.execute("SELECT user_id, revenue, purchases FROM revenue WHERE day = ?", (DAY,)).fetchall()
    expected: dict[int, tuple[Decimal, int]] = {}
    for user, amount in bought:
        total, count = expected.get(user, (Decimal(0), 0))
        expected[user] = (total + Decimal(amount), count + 1)
    assert {user: (Decimal(revenue), purchases) for user, revenue, purchases in loaded} == expected


def test_the_three_commands_work_as_pasted_and_a_second_demo_says_that_it_is_done(demo: tuple[Path, str]) -> None:
    folder, screen = demo
    commands = [line.strip() for line in plain(screen) if "--config" in line]
    named = [re.findall(r" (run|reprocess|verify) --config ", command) for command in commands]
    assert named == [["run"], ["reprocess"], ["verify"]]
    environment = os.environ | {"PENSTOCK_LOGS": str(folder / "logs")}
    for command in commands:
        ended = subprocess.run(
            command, shell=True, cwd=folder.parent, capture_output=True, text=True, env=environment, check=False
        )
        assert ended.returncode == 0, ended.stderr
    again = subprocess.run(
        [PENSTOCK, "demo", "--folder", ".demo"], cwd=folder.parent, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert f"daily_revenue {DAY}: already done in" in again.stdout
    assert len(re.findall(r"^  User \d{6}", again.stdout, re.MULTILINE)) == 10
    assert "\x1b" not in again.stdout + again.stderr
    assert "Making a shop" not in again.stderr


def test_no_color_means_no_colours_on_a_terminal_either(demo: tuple[Path, str]) -> None:
    colours = re.compile(r"\x1b\[[0-9;]*(3[0-7]|9[0-7]|38;)[0-9;]*m")
    folder, screen = demo
    assert colours.search(screen)
    run = [str(PENSTOCK), "run", "--config", str(folder / "shop.toml"), "--day", DAY, "--logs", str(folder / "logs")]
    code, without = on_terminal(run, cwd=folder.parent, NO_COLOR="1")
    assert code == 0
    assert "done in" in without
    assert not colours.search(without)
