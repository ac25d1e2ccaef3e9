"""`python -m bench`: measures Penstock beside other tools and writes docs/benchmarks.md with its plot.

`--full` adds 20 and 50 million rows; `--only NAME` measures some scenarios and keeps the samples of the others;
`--report` measures nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.measure import BENCH, CHECKOUT, PEERS, save
from bench.report.write import write_report
from bench.scenarios.changed import changed
from bench.scenarios.days import days
from bench.scenarios.export import export_many, export_mysql_family, export_postgres, export_sizes, export_wide
from bench.scenarios.felt import felt, felt_promise, felt_several, saturated
from bench.scenarios.load import load
from bench.scenarios.long import long
from bench.scenarios.server import longest, one_day_of_ten, sealed
from bench.scenarios.several import month, several
from bench.scenarios.task import task
from bench.scenarios.whole_day import whole_day
from tests.servers.mariadb import MariadbServer
from tests.servers.mysql import MysqlServer
from tests.servers.mysql_family import MysqlFamilyServer
from tests.servers.postgres import PostgresServer

MILLION = 1_000_000


def main() -> None:
    """Measure what is asked for, one scenario after the other, each with a server of its own."""
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    options.add_argument("--full", action="store_true", help="also 20 and 50 million rows")
    options.add_argument("--only", action="append", default=[], metavar="NAME", help="a scenario; repeatable")
    options.add_argument("--rounds", type=int, default=5, help="how often contenders take turns")
    options.add_argument("--small", action="store_true", help="a tenth of the rows, for a machine with little time")
    options.add_argument("--report", action="store_true", help="only write the report of the samples there are")
    asked = options.parse_args()
    _sync_peers()
    scenarios = _scenarios(asked.rounds, MILLION // (10 if asked.small else 1), full=asked.full)
    if unknown := set(asked.only) - set(scenarios):
        options.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(scenarios)}")
    for name, measure in scenarios.items():
        if not asked.report and (not asked.only or name in asked.only):
            print(name, file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
                save(name.replace("_", "_small_", 1) if asked.small else name, measure(Path(folder)))
    print(write_report())


def _scenarios(rounds: int, million: int, *, full: bool) -> dict[str, Callable[[Path], dict[str, Any]]]:
    sizes = [million, 5 * million, *([20 * million, 50 * million] if full else [])]

    def postgres(measure: Callable[[PostgresServer, Path], dict[str, Any]], *, durable: bool = False) -> Any:
        return lambda folder: _with(PostgresServer, measure, folder, durable=durable)

    def mariadb(measure: Callable[[MysqlFamilyServer, Path], dict[str, Any]], *, durable: bool = False) -> Any:
        return lambda folder: _with(MariadbServer, measure, folder, durable=durable)

    def mysql(measure: Callable[[MysqlFamilyServer, Path], dict[str, Any]], *, durable: bool = False) -> Any:
        return lambda folder: _with(MysqlServer, measure, folder, durable=durable)

    def shop(rows: int, *, pinned: bool) -> Any:
        return lambda server, folder: felt(server, folder, rows, 3, pinned=pinned)

    def promise(rows: int) -> Any:
        return lambda server, folder: felt_promise(server, folder, rows, 3)

    return {
        "task": lambda _: task(4 * rounds),
        "days_sqlite": lambda folder: days(
            folder, rounds=rounds, small=30 * million // MILLION or 3, done=365 * million // MILLION
        ),
        "long_sqlite": lambda folder: long(folder, rounds=rounds, days=3_000 * million // MILLION),
        "export_postgres": postgres(lambda server, folder: export_postgres(server, folder, 5 * million, rounds)),
        "export_mariadb": mariadb(lambda server, folder: export_mysql_family(server, folder, 5 * million, rounds)),
        "export_mysql": mysql(lambda server, folder: export_mysql_family(server, folder, 5 * million, rounds)),
        "export_many_postgres": postgres(lambda server, folder: export_many(server, folder, 20 * million, 3)),
        "whole_day_postgres": postgres(
            lambda server, folder: whole_day(server, folder, 1_750_000 * million // MILLION, 1_040_000, rounds)
        ),
        "several_postgres": postgres(lambda server, folder: several(server, folder, 5 * million, rounds)),
        "month_sqlite": lambda folder: month(folder, rows=million // 10, rounds=rounds),
        "export_sizes": postgres(lambda server, folder: export_sizes(server, folder, sizes)),
        "export_wide": postgres(lambda server, folder: export_wide(server, folder, 2 * million)),
        "saturated_postgres": postgres(lambda server, folder: saturated(server, folder, million, 3), durable=True),
        "saturated_mariadb": mariadb(lambda server, folder: saturated(server, folder, million, 3), durable=True),
        "saturated_mysql": mysql(lambda server, folder: saturated(server, folder, million, 3), durable=True),
        "sealed_postgres": postgres(lambda server, folder: sealed(server, folder, 5 * million, 3)),
        "sealed_mariadb": mariadb(lambda server, folder: sealed(server, folder, 5 * million, 3)),
        "sealed_mysql": mysql(lambda server, folder: sealed(server, folder, 5 * million, 3)),
        "longest_postgres": postgres(lambda server, folder: longest(server, folder, million, 3)),
        "changed_postgres": postgres(lambda server, folder: changed(server, folder, 60, million // 10)),
        "changed_mariadb": mariadb(lambda server, folder: changed(server, folder, 60, million // 10)),
        "changed_mysql": mysql(lambda server, folder: changed(server, folder, 60, million // 10)),
        "ten_mariadb": mariadb(lambda server, folder: one_day_of_ten(server, folder, 5 * million, 3)),
        "ten_mysql": mysql(lambda server, folder: one_day_of_ten(server, folder, 5 * million, 3)),
        "load_postgres": postgres(lambda server, folder: load(server, folder, million, rounds)),
        "load_mariadb": mariadb(lambda server, folder: load(server, folder, million, rounds)),
        "load_mysql": mysql(lambda server, folder: load(server, folder, million, rounds)),
        "felt_postgres": postgres(shop(5 * million, pinned=False), durable=True),
        "felt_mariadb": mariadb(shop(2 * million, pinned=False), durable=True),
        "felt_mysql": mysql(shop(2 * million, pinned=False), durable=True),
        "felt_several_postgres": postgres(
            lambda server, folder: felt_several(server, folder, 2 * million, 3), durable=True
        ),
        "felt_promise_postgres": postgres(promise(2 * million), durable=True),
        "felt_promise_mariadb": mariadb(promise(2 * million), durable=True),
        "felt_promise_mysql": mysql(promise(2 * million), durable=True),
        "felt_pinned_postgres": postgres(shop(5 * million, pinned=True), durable=True),
        "felt_pinned_mariadb": mariadb(shop(2 * million, pinned=True), durable=True),
        "felt_pinned_mysql": mysql(shop(2 * million, pinned=True), durable=True),
    }


def _with(kind: Any, measure: Callable[[Any, Path], dict[str, Any]], folder: Path, *, durable: bool) -> dict[str, Any]:
    with _serving(kind, durable=durable) as server:
        return measure(server, folder)


@contextmanager
def _serving(kind: Any, *, durable: bool) -> Iterator[Any]:
    server = kind(durable=durable)
    server.start()
    try:
        yield server
    finally:
        server.close()


def _sync_peers() -> None:
    """Make the peers' environment as `bench/uv.lock` says."""
    private = next(CHECKOUT.glob(".tools/uv-*/bin/uv"), None)
    uv = shutil.which("uv") or (str(private) if private else None)
    if uv is None:
        if PEERS.exists():
            return
        sys.exit("error: There is no uv.\n  fix: Run `make bench`, which installs one into this checkout.")
    environ = {
        name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")
    }
    subprocess.run(
        [uv, "sync", "--quiet", "--project", str(BENCH), "--locked", "--python", sys.executable],
        env=environ | {"UV_COMPILE_BYTECODE": "1", "UV_PYTHON_DOWNLOADS": "never"},
        check=True,
    )


if __name__ == "__main__":
    main()
