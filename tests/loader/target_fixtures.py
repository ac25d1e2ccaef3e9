"""The three databases as a loader's target: written and read by their own drivers, never by the loader's code."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pymysql
import pytest
from sqlalchemy.engine import make_url

from loader.init import init_target
from loader.load_day import load_day
from loader.outcome import Outcome
from loader.still_loaded import check_still_loaded
from loader.verify.day import verify_day
from loader.verify.run import Verification
from staging.config.pipeline import Pipeline
from staging.dtypes import parse_dtype
from staging.key import key_columns
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from tests.loader.runs import LoaderRun, Row, dtype_of
from tests.servers.mysql_family import NO_TLS
from tests.warm import warm_python

NOW = datetime(2026, 11, 15, 3, 0, tzinfo=UTC)
KINDS = ("sqlite", "postgres", "mariadb", "mysql")


def load_run(
    pipeline: Pipeline,
    run: LoaderRun,
    *,
    cancel: Cancel | None = None,
    say: Callable[[str], None] = lambda _: None,
    now: datetime = NOW,
    **options: Any,
) -> Outcome:
    """Load a run in this process."""
    with open_store(run.staging_url) as store:
        return load_day(
            pipeline,
            run.day,
            run.run_id,
            store=store,
            now=lambda: now,
            cancel=cancel or Cancel(),
            say=say,
            **options,
        )


@dataclass
class LoaderTarget:
    """A fresh, empty database. `said` is what the last load told people."""

    kind: str
    url: str
    table: str = "revenue"
    schema: str | None = None
    ledger: str = "penstock_ledger"
    settings: dict[str, int] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def connect(self) -> Any:
        """A connection of the database's own driver, in autocommit."""
        url = make_url(self.url)
        if self.kind == "sqlite":
            return sqlite3.connect(str(url.database), isolation_level=None, timeout=10)
        arguments = url.get_dialect()().create_connect_args(url)[1]
        if self.kind == "postgres":
            return psycopg.connect(**arguments, autocommit=True)
        return pymysql.connect(**{**NO_TLS, **arguments}, autocommit=True, charset="utf8mb4")

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        connection = self.connect()
        try:
            cursor = connection.cursor()
            yield cursor
            cursor.close()
        finally:
            connection.close()

    def execute(self, *statements: str) -> None:
        with self.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with self.cursor() as cursor:
            cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()]

    def quote(self, name: str) -> str:
        """An identifier, written independently of the loader."""
        return f"`{name.replace('`', '``')}`" if self.is_mysql_family else '"' + name.replace('"', '""') + '"'

    @property
    def full_name(self) -> str:
        """The target table, ready for SQL."""
        return (f"{self.quote(self.schema)}." if self.schema else "") + self.quote(self.table)

    def pick(self, **by_kind: str) -> str:
        """The SQL of this kind; MySQL's is MariaDB's where it has none of its own."""
        return by_kind.get(self.kind, by_kind.get("mariadb", "") if self.kind == "mysql" else "")

    @property
    def protocol(self) -> str:
        """The kind whose protocol it speaks."""
        return "mariadb" if self.kind == "mysql" else self.kind

    @property
    def is_mysql_family(self) -> bool:
        """Whether it is MariaDB or MySQL."""
        return self.kind in ("mariadb", "mysql")

    # --- the loader, in this process ---

    def pipeline(self, run: LoaderRun, url: str | None = None) -> Pipeline:
        return Pipeline.model_validate(self.settings_of(run, self.settings, url))

    def settings_of(self, run: LoaderRun, load: dict[str, int], url: str | None = None) -> dict[str, Any]:
        """The pipeline as a pipeline file would say it."""
        return {
            "name": run.pipeline,
            "source": {
                "url": "env:NO_SOURCE",
                "table": "purchases",
                "key": "id",
                "time": "purchased_at",
                "columns": ["amount"],
                "timezone": "Europe/Berlin",
            },
            "staging": {"url": run.staging_url},
            "load": {"lock_timeout_seconds": 10, "idle_timeout_seconds": 10, **load},
            "target": {
                "url": url or self.url,
                "table": self.table,
                "schema": self.schema or "",
                "ledger": self.ledger,
            },
        }

    def init(self, run: LoaderRun, *, apply: bool = True) -> list[str]:
        schema = pl.Schema({each.name: parse_dtype(dtype_of(each.type)) for each in run.schema})
        return init_target(self.pipeline(run), schema, key_columns(run.key), apply=apply)

    def load(
        self,
        run: LoaderRun,
        *,
        url: str | None = None,
        cancel: Cancel | None = None,
        listen: Callable[[str], None] = lambda _: None,
        **options: Any,
    ) -> Outcome:
        """Load in this process; `listen` hears each line for people while the loader waits."""
        self.said = []

        def say(line: str) -> None:
            self.said.append(line)
            listen(line)

        return load_run(self.pipeline(run, url), run, cancel=cancel, say=say, **options)

    def prove(self, *runs: LoaderRun) -> None:
        """Raise unless the target has what these runs have loaded."""
        with open_store(runs[0].staging_url) as store:
            check_still_loaded(
                self.pipeline(runs[0]),
                [(run.day, run.run_id) for run in runs],
                store=store,
                now=lambda: NOW,
                cancel=Cancel(),
                say=lambda _: None,
                progress=Progress(),
            )

    def verify(self, run: LoaderRun) -> Verification:
        with open_store(run.staging_url) as store:
            return verify_day(self.pipeline(run), run.day, store=store, cancel=Cancel(), say=lambda _: None)

    # --- what is there, by the driver ---

    def rows(
        self, columns: Sequence[str] = ("user_id", "revenue", "purchases"), where: str = ""
    ) -> list[tuple[Any, ...]]:
        """Rows of the target, sorted by text; decimals as Decimal, days as text."""
        names = ", ".join(self.quote(column) for column in ("day", *columns))
        found = self.query(f"SELECT {names} FROM {self.full_name} {where}")
        return sorted(((str(row[0]), *map(self._plain, row[1:])) for row in found), key=repr)

    def _plain(self, value: Any) -> Any:
        if self.kind == "sqlite" and isinstance(value, str):
            try:
                return Decimal(value)
            except ArithmeticError:
                return value
        return value

    def state(self) -> list[Any]:
        """Everything in target and ledger, row versions where the database has them."""
        version = self.pick(sqlite="rowid, ", postgres="xmin, ctid, ", mariadb="")
        return [
            sorted(self.query(f"SELECT {version}{star} FROM {table}"), key=repr)
            for table, star in ((self.full_name, "t.*"), (self.quote(self.ledger), "t.*"))
            for table in (f"{table} t",)
        ]

    def settled_rows(self) -> list[tuple[Any, ...]]:
        """Rows after every transaction of a killed loader has ended: a lock of the ledger waits for it."""
        with self.cursor() as cursor:
            cursor.execute(self.pick(sqlite="BEGIN IMMEDIATE", postgres="BEGIN", mariadb="BEGIN"))
            if self.kind != "sqlite":
                cursor.execute(f"SELECT * FROM {self.quote(self.ledger)} FOR UPDATE")
            cursor.execute("ROLLBACK")
        return self.rows()

    def wait_for_a_lock_wait(self) -> None:
        """Until somebody waits for a row that another one holds.

        InnoDB shows transactions as they were until nobody has looked for 0.1 s: who looks more often sees no change.
        """
        waiting = self.pick(
            postgres="SELECT COUNT(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()",
            mariadb="SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
        )
        deadline = time.monotonic() + 60  # a process that begins on a busy machine
        while self.query(waiting) == [(0,)]:
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.2)

    def ledger_row(self) -> dict[str, Any]:
        """The ledger's only row, by column."""
        with self.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {self.quote(self.ledger)}")
            (row,) = cursor.fetchall()
            return dict(zip([column[0] for column in cursor.description], row, strict=True))


def expected(run: LoaderRun, columns: Sequence[str] = ("user_id", "revenue", "purchases")) -> list[tuple[Any, ...]]:
    """What the target must hold for the run's day, by the rows that the test wrote down."""
    return sorted(((run.day.isoformat(), *(row[column] for column in columns)) for row in run.rows), key=repr)


def expected_rows(day: str, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """The same, for rows of any day."""
    return sorted(((day, row["user_id"], row["revenue"], row["purchases"]) for row in rows), key=repr)


def mysql_family_target(url: str) -> LoaderTarget:
    """The target at this URL of MariaDB or MySQL."""
    return LoaderTarget(make_url(url).get_backend_name(), url)


@pytest.fixture(params=KINDS)
def target(request: pytest.FixtureRequest) -> LoaderTarget:
    """A fresh target of each database."""
    return LoaderTarget(request.param, request.getfixturevalue(f"{request.param}_database"))


@pytest.fixture(params=[kind for kind in KINDS if kind != "sqlite"])
def server_target(request: pytest.FixtureRequest) -> LoaderTarget:
    """A fresh target of each database that is a server."""
    return LoaderTarget(request.param, request.getfixturevalue(f"{request.param}_database"))


PIPELINE_FILE = """
name = "{name}"
[source]
url = "env:NO_SOURCE"
table = "purchases"
key = "id"
time = "purchased_at"
columns = ["amount"]
timezone = "Europe/Berlin"
[staging]
url = "{staging}"
[load]
lock_timeout_seconds = {lock}
idle_timeout_seconds = {idle}
[target]
url = "env:LOADER_TARGET"
table = "revenue"
"""


def start_loader(
    target: LoaderTarget,
    run: LoaderRun,
    *arguments: str,
    url: str | None = None,
    lock: int = 10,
    idle: int = 10,
    warm: bool = True,
    loads: bool = True,
) -> subprocess.Popen[str]:
    """The real job as a process; its target URL comes from the environment. Else than `warm`: a whole start."""
    config = run.folder.parent / f"{run.run_id}.toml"
    written = config.with_suffix(".new")
    written.write_text(
        PIPELINE_FILE.format(name=run.pipeline, staging=run.staging_url, lock=lock, idle=idle), encoding="utf-8"
    )
    written.replace(config)  # a loader that was started a moment ago may just read it
    return subprocess.Popen(
        [
            *(warm_python() if warm else sys.executable, "-m", "loader", "--config", str(config)),
            *(("--day", run.day.isoformat(), "--run-id", run.run_id) if loads else ()),
            *arguments,
        ],
        env={**os.environ, "LOADER_TARGET": url or target.url, "POLARS_MAX_THREADS": "1"},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err
