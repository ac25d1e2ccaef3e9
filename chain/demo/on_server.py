"""The demo on a server of the user's own.

Its tables have the demo's names and a mark, so that no other table is used or dropped.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import polars as pl

from chain.cli_options import environment, style_for_stdout
from chain.create_tables import create_tables
from chain.day.open_run import open_day_run
from chain.day.run import run_day
from chain.demo.pipeline import own_command, server_pipeline, shown_path, write_server_pipeline
from chain.demo.rows import Shop, make_purchases, make_users
from chain.demo.shop import index_sql, table_sql
from chain.demo.show import show_users
from chain.views.figures import format_count
from chain.views.summary import format_summary
from loader.open_database import open_database
from loader.target.database import Database
from staging.config.file import load_pipeline
from staging.config.secret_url import is_elsewhere
from staging.errors import InputError

PREFIX = "penstock_demo_"
USERS, PURCHASES, REVENUE, LEDGER = TABLES = tuple(
    PREFIX + name for name in ("users", "purchases", "revenue", "ledger")
)
MARK = "Made by penstock demo. penstock demo --remove drops it."
"""The comment on the users table. That is made first and dropped last: while it is there, the other names are ours."""
_SHOP = Shop(seed=1, users=10_000, purchases=100_000)
_SHARDS = 4
_BATCH_ROWS = 5_000
_FOUND = {
    "PostgreSQL": "SELECT c.relname, coalesce(obj_description(c.oid, 'pg_class'), '') FROM pg_catalog.pg_class c "
    "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema()",
    "MySQL": "SELECT table_name, table_comment FROM information_schema.tables WHERE table_schema = DATABASE()",
}
_WHERE = {"PostgreSQL": "SELECT current_database(), current_schema()", "MySQL": "SELECT DATABASE(), DATABASE()"}


def show_demo_on_server(url: str, folder: Path, day: str) -> None:
    """Make the shop, run a day, show top users and proof.

    `url` may be `env:NAME` or `file:/path`. InputError where a table of one of these names is somebody else's.
    """
    config = _prepare(url, folder.absolute())
    style = style_for_stdout()
    pipeline = load_pipeline(config, environ=environment())
    with open_day_run(pipeline, config, day, config.parent / "logs") as run:
        report = run_day(run, fresh_export=False)
    click.echo(format_summary(report, style=style, is_compact=True))
    click.echo(style(f"Ten top users of {report.day}, where to look, and how to remove it all", bold=True))
    top = (
        f"SELECT u.name, u.country, r.revenue, r.purchases FROM {REVENUE} r JOIN {USERS} u ON u.user_id = r.user_id "  # noqa: S608 - ours
        f"WHERE r.day = '{report.day}' ORDER BY r.revenue DESC, u.user_id LIMIT 10"
    )
    with open_database(pipeline) as database:
        click.echo(show_users(database.query(top)))
    command, file = own_command(), shlex.quote(shown_path(config))
    click.echo(f"  SELECT * FROM {REVENUE} WHERE day = '{report.day}' ORDER BY revenue DESC")  # noqa: S608 - shown
    click.echo(f"  {command} verify --config {file} --day {report.day}")
    click.echo(f"  {command} demo --url {shlex.quote(_reference(url, config.parent))} --remove")


def remove_demo_from_server(url: str, folder: Path) -> None:
    """Drop the demo's tables, and what it wrote into the folder.

    InputError where the tables are not the demo's.
    """
    with open_database(server_pipeline(url)) as database:
        there = _tables(database)
        for table in reversed([table for table in TABLES if table in there]):
            database.execute(f"DROP TABLE {table}")
        home = _home(database, folder.absolute())
    if home.is_dir():
        for name in ("staging", "logs"):
            shutil.rmtree(home / name, ignore_errors=True)
        for name in ("shop.toml", "url"):
            (home / name).unlink(missing_ok=True)
        with suppress(OSError):  # somebody keeps files there
            home.rmdir()
    dropped = ", ".join(table for table in TABLES if table in there)
    click.echo(f"Dropped {dropped}." if dropped else "There is no demo in this database.")


def _prepare(url: str, folder: Path) -> Path:
    """Make tables, rows and the pipeline file where they are missing; return the file."""
    pipeline = server_pipeline(url)
    with open_database(pipeline) as database:
        there = _tables(database)
        home = _home(database, folder)
        if _is_whole(database, there):
            click.echo(f"The shop is there: {USERS}, {PURCHASES}.", err=True)
        else:
            click.echo(f"Making a shop of {format_count(_SHOP.purchases)} purchases.", err=True)
            _make(database, there)
    config = home / "shop.toml"
    try:
        (home / "staging").mkdir(parents=True, exist_ok=True)
        if not is_elsewhere(url):
            secret = home / "url"
            secret.touch(mode=0o600)
            secret.write_text(url + "\n", encoding="utf-8")
        write_server_pipeline(config, url=_reference(url, home), staging=(home / "staging").as_uri(), shards=_SHARDS)
    except OSError as exc:
        raise InputError(
            f"The demo can't be made in {home}.", why=exc.strerror or str(exc), fix="Choose another --folder."
        ) from exc
    create_tables(load_pipeline(config, environ=environment()), apply=True)
    return config


def _reference(url: str, home: Path) -> str:
    """Return what stands for the URL in files and on the screen: never a password."""
    return url if is_elsewhere(url) else f"file:{home / 'url'}"


def _home(database: Database, folder: Path) -> Path:
    """Return the folder of this database's demo."""
    ((name, _),) = database.query(_WHERE[_family(database)])
    return folder / f"{database.name.lower()}-{re.sub(r'[^A-Za-z0-9_.-]+', '-', str(name))}"


def _family(database: Database) -> str:
    if database.name == "SQLite":
        raise InputError(
            "--url is for PostgreSQL, MySQL and MariaDB.", fix="Leave it out: then the shop is an SQLite file."
        )
    return "PostgreSQL" if database.name == "PostgreSQL" else "MySQL"


def _tables(database: Database) -> set[str]:
    """Return which of the tables are there; InputError where they are not the demo's."""
    family = _family(database)
    ((name, schema),) = database.query(_WHERE[family])
    if name is None or schema is None:
        what = "URL names no database" if name is None else "search_path names no schema that is there"
        raise InputError(f"The {what}.", why="The demo makes tables.", fix="Name one where it may.")
    comments = {str(table): str(comment) for table, comment in database.query(_FOUND[family])}
    there = {table for table in TABLES if table in comments}
    if there and comments.get(USERS) != MARK:
        raise InputError(
            f"{', '.join(sorted(there))} in the database {name} were not made by the demo.",
            why="It makes tables of its own, and takes nobody's away.",
            fix="Rename them, or give the demo another database.",
        )
    return there


def _is_whole(database: Database, there: set[str]) -> bool:
    """Return whether users and purchases are all there, for a demo may have been stopped while it made them."""
    if not {USERS, PURCHASES} <= there:
        return False
    counts = [database.query(f"SELECT COUNT(*) FROM {table}")[0][0] for table in (USERS, PURCHASES)]  # noqa: S608 - ours
    return counts == [_SHOP.users, _SHOP.purchases]


def _make(database: Database, there: set[str]) -> None:
    for table in reversed([table for table in TABLES if table in there]):
        database.execute(f"DROP TABLE {table}")
    family = _family(database)
    dialect = "postgresql" if family == "PostgreSQL" else "mysql"
    comment = f" COMMENT = '{MARK}'" if family == "MySQL" else ""
    database.begin()  # on PostgreSQL a table is never there without its mark
    database.execute(table_sql("users", dialect, PREFIX) + comment)
    if family == "PostgreSQL":
        database.execute(f"COMMENT ON TABLE {USERS} IS '{MARK}'")
    database.commit()
    database.execute(table_sql("purchases", dialect, PREFIX))
    _fill(database, USERS, iter([make_users(_SHOP)]))
    _fill(database, PURCHASES, _purchases())
    database.execute(index_sql(PREFIX))
    database.execute(f"ANALYZE TABLE {PURCHASES}" if family == "MySQL" else f"ANALYZE {PURCHASES}")


def _purchases() -> Iterator[pl.DataFrame]:
    for first in range(0, _SHOP.purchases, _BATCH_ROWS):
        yield make_purchases(_SHOP, first, min(_BATCH_ROWS, _SHOP.purchases - first))


def _fill(database: Database, table: str, batches: Iterator[pl.DataFrame]) -> None:
    """Insert the rows: numbers, and the shop's own words, which hold neither quotes nor percent signs."""
    for batch in batches:
        for rows in batch.iter_slices(_BATCH_ROWS):
            texts = rows.with_columns(pl.selectors.datetime().dt.strftime("%Y-%m-%d %H:%M:%S"))
            cells = [
                pl.format("'{}'", name) if texts.schema[name] == pl.String else pl.col(name).cast(pl.String)
                for name in texts.columns
            ]
            values = texts.select(pl.format("({})", pl.concat_str(cells, separator=","))).to_series()
            database.execute(f"INSERT INTO {table} VALUES {','.join(values)}")  # noqa: S608 - ours
