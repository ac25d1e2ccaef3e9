"""A MySQL that wants a primary key of every table, or makes a hidden one: target, ledger and staging have theirs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.loader.runs import Make, loader_runs, revenue
from tests.loader.target_fixtures import LoaderTarget, expected, mysql_family_target

pytestmark = pytest.mark.integration

SWITCHES = ["sql_require_primary_key", "sql_generate_invisible_primary_key"]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return loader_runs(tmp_path)


@contextmanager
def _on(target: LoaderTarget, switch: str) -> Iterator[None]:
    target.execute(f"SET GLOBAL {switch} = ON")
    try:
        yield
    finally:
        target.execute(f"SET GLOBAL {switch} = OFF")


@pytest.mark.parametrize("switches", [*([each] for each in SWITCHES), SWITCHES], ids=" ".join)
@pytest.mark.parametrize("local_infile", ["ON", "OFF"])
def test_a_day_is_created_loaded_and_replaced(
    mysql_database: str, make: Make, switches: list[str], local_infile: str
) -> None:
    target = mysql_family_target(mysql_database)
    with ExitStack() as stack:
        for switch in switches:
            stack.enter_context(_on(target, switch))
        target.execute(f"SET GLOBAL local_infile = {local_infile}")
        stack.callback(target.execute, "SET GLOBAL local_infile = ON")
        target.init(first := make(revenue(range(50))))
        target.load(first)
        assert target.rows() == expected(first)
        second = make(revenue(range(10, 80), cents=lambda user: -user), number=2)
        target.load(second)
    assert target.rows() == expected(second)
