"""The `penstock` command line. Heavy libraries are imported by the command that runs, never for `--help`."""
# ruff: noqa: PLC0415 - see above

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chain.cli_options import common, day_option, json_option, logs_option, progress_option, wait_option


class _InOrder(click.Group):
    """Lists its commands in the order in which one needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names."""
        return list(self.commands)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.version_option(package_name="penstock", prog_name="penstock")
def cli() -> None:
    """A day of rows out of a busy database: read once and gently, staged as Parquet, processed by tasks, written back
    exactly once, proven to the cent.

    Every key of the pipeline file also comes from the environment (PENSTOCK_SOURCE__URL) and from --set source.url=…;
    the flag wins over the variable, the variable over the file.

    \b
    Exit codes:   0  done, or already done
                  1  a bug
                  2  usage
                 10  configuration or input
                 20  unavailable: try again
                 30  held or overtaken by another run
                 40  integrity: a person must look
    """  # noqa: D205, D301 - click's help text: paragraphs, and \b keeps the last one as it is


@cli.command(short_help="Create the target and ledger tables where missing.")
@common
@click.option("--dry-run", is_flag=True, help="Only print the SQL.")
def init(config: Path, overrides: Sequence[str], *, dry_run: bool) -> None:
    """Create the target and ledger tables where they are missing, and print the SQL. Never alters a table."""
    from chain.command_init import init_command

    init_command(config, overrides, dry_run=dry_run)


@cli.command(short_help="Look at all that a run needs, with a fix for each fault.")
@common
@json_option
def doctor(config: Path, overrides: Sequence[str], *, as_json: bool) -> None:
    """Look at all that a run needs: connections, rights, columns, index, clocks, time zones, transform, target tables,
    bucket, jobs. One line each, with its fix; it does not stop at the first fault. Exit code 10 or 20 if there is one.
    """  # noqa: D205 - click's help text
    from chain.command_doctor import doctor_command

    doctor_command(config, overrides, as_json=as_json)


@cli.command(short_help="Say what `run` would do with a day; nothing is read.")
@common
@day_option
@json_option
def plan(config: Path, day: str, overrides: Sequence[str], *, as_json: bool) -> None:
    """Say what `run` would do with a day: its window, which columns go how, how it is read and why, the statement and
    how the database would run it, how much it is, and what would be refused. Nothing is written and no row is read.
    """  # noqa: D205 - click's help text
    from chain.command_plan import plan_command

    plan_command(config, day, overrides, as_json=as_json)


@cli.command(short_help="Bring a day to done: export, process, load.")
@common
@day_option
@click.option("--fresh-export", is_flag=True, help="Read the source again, even if an export of the day is stored.")
@wait_option
@json_option
@logs_option
@progress_option
def run(
    config: Path,
    day: str,
    overrides: Sequence[str],
    logs: Path | None,
    *,
    fresh_export: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Bring a day to done: export, process, load.

    A run that was cut short is gone on with. A stored export of the day is used again unless --fresh-export is given.
    A day that is already done says so and writes nothing.
    """
    from chain.command_run import run_command

    run_command(config, day, overrides, logs, fresh_export=fresh_export, wait=wait, as_json=as_json)


@cli.command(short_help="Go on with a day that was left half done.")
@common
@day_option
@wait_option
@json_option
@logs_option
@progress_option
def resume(config: Path, day: str, overrides: Sequence[str], logs: Path | None, *, wait: bool, as_json: bool) -> None:
    """Go on with the last run of a day, on any machine: what has a receipt stays, what runs is waited for.

    What the run was asked to do stands in the bucket. A day that is done says so; one without a run ends with 10.
    """
    from chain.command_resume import resume_command

    resume_command(config, day, overrides, logs, wait=wait, as_json=as_json)


@cli.command(short_help="Process a stored export again; the source rests.")
@common
@day_option
@wait_option
@json_option
@logs_option
@progress_option
def reprocess(
    config: Path, day: str, overrides: Sequence[str], logs: Path | None, *, wait: bool, as_json: bool
) -> None:
    """Run today's transform over the stored export of a day and load the result.

    Nothing connects to the source database.
    """
    from chain.command_run import reprocess_command

    reprocess_command(config, day, overrides, logs, wait=wait, as_json=as_json)


@cli.command(short_help="Bring many days to done, some at once.")
@common
@click.option("--from", "first", required=True, metavar="YYYY-MM-DD", help="The first day, inclusive.")
@click.option("--to", "last", required=True, metavar="YYYY-MM-DD", help="The last day, inclusive.")
@click.option(
    "--days-at-once",
    default=1,
    show_default=True,
    type=click.IntRange(1, 32),
    metavar="K",
    help="How many days are worked on at the same time; each may read the source.",
)
@click.option("--reprocess", is_flag=True, help="As `penstock reprocess` for each day: the source rests.")
@click.option("--anew", is_flag=True, help="With --reprocess: don't go on with an interrupted one, do all days again.")
@click.option("--keep-going", is_flag=True, help="Begin further days though one has failed.")
@json_option
@progress_option
@logs_option
def backfill(
    config: Path,
    overrides: Sequence[str],
    *,
    first: str,
    last: str,
    logs: Path | None,
    days_at_once: int,
    reprocess: bool,
    anew: bool,
    keep_going: bool,
    as_json: bool,
) -> None:
    """Bring each day of a range to done, and print a line for each.

    Days don't depend on each other. After a failure no further day begins, unless --keep-going is given. The same
    command goes on where it was: days that are done write nothing. The exit code is that of the worst day, of
    40, 1, 2, 10, 20, 30 the first.
    """
    from chain.backfill import DaysAtOnce
    from chain.command_backfill import BackfillRequest, backfill_command

    at_once = DaysAtOnce(days_at_once, keep_going)
    backfill_command(BackfillRequest(config, first, last, overrides, logs, at_once, reprocess, anew), as_json=as_json)


@cli.command(short_help="Read a loaded day back and prove that all agrees.")
@common
@day_option
@json_option
def verify(config: Path, day: str, overrides: Sequence[str], *, as_json: bool) -> None:
    """Read back manifest, shards, parts, ledger and target of a day and prove that they agree; exit 40 if not."""
    from chain.command_verify import verify_command

    verify_command(config, day, overrides, as_json=as_json)


@cli.command(short_help="Say which keys differ between two exports of a day.")
@common
@day_option
@click.option(
    "--exports",
    nargs=2,
    metavar="BEFORE AFTER",
    help="The two exports to compare. [default: the current one and the one before it]",
)
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(0, 1_000_000),
    help="How many keys are listed, those that differ most first; all are counted.",
)
@json_option
def diff(
    config: Path, day: str, overrides: Sequence[str], *, exports: tuple[str, str] | None, limit: int, as_json: bool
) -> None:
    """Say which keys differ between two exports of a day, and by how many rows and how much of each sum.

    Late rows show so after `penstock run --fresh-export`. Works on the bucket alone. Ends with 0 either way.
    """
    from chain.command_diff import diff_command

    diff_command(config, day, overrides, exports=exports or (), limit=limit, as_json=as_json)


@cli.command(short_help="Say how far days are, and who works on them.")
@common
@click.option("--day", metavar="YYYY-MM-DD", help="Only this day, with all that is known of it.")
@click.option("--from", "first", metavar="YYYY-MM-DD", help="The first day of a range, inclusive.")
@click.option("--to", "last", metavar="YYYY-MM-DD", help="The last day, inclusive. [default: today]")
@click.option("--watch", is_flag=True, help="Look again until all days are at rest, or Ctrl-C.")
@json_option
def status(
    config: Path,
    overrides: Sequence[str],
    *,
    day: str | None,
    first: str | None,
    last: str | None,
    watch: bool,
    as_json: bool,
) -> None:
    """Say of each day how far it is, who works on it, and why it failed. By default of the last seven days.

    The bucket tells it, and the jobs' API where that can be asked. No database is touched, nothing is written.
    """
    from chain.command_status import StatusRequest, status_command

    status_command(StatusRequest(config, overrides, day, first, last, as_json, watch))


@cli.command(short_help="List or delete old exports and runs no day needs.")
@common
@click.option(
    "--older-than",
    "older_than_days",
    default=30,
    show_default=True,
    type=click.IntRange(1, 36_500),
    metavar="DAYS",
    help="Only what was last written longer ago.",
)
@click.option("--delete", is_flag=True, help="Delete; without it they are only listed.")
@json_option
def gc(config: Path, overrides: Sequence[str], older_than_days: int, *, delete: bool, as_json: bool) -> None:
    """List exports and runs that no day needs any more, and with --delete delete them.

    Never touched are a day's current export, the last run, what the target may have been loaded from, days that
    somebody works on, and objects that Penstock did not write.
    """
    from chain.command_gc import gc_command

    gc_command(config, overrides, older_than_days=older_than_days, delete=delete, as_json=as_json)


@cli.command(short_help="Make reading wait until `unpause`.")
@common
@click.option("--reason", default="", metavar="TEXT", help="Why: shown to whoever wonders what an export waits for.")
@json_option
def pause(config: Path, overrides: Sequence[str], reason: str, *, as_json: bool) -> None:
    """Make every export of the pipeline wait: one that reads in slices stops within seconds, none begins.

    Who paused, since when and why is shown by whatever waits. A pipeline that is paused already says so.
    """
    from chain.command_pause import pause_command

    pause_command(config, overrides, paused=True, reason=reason, as_json=as_json)


@cli.command(short_help="Let a paused pipeline read again.")
@common
@json_option
def unpause(config: Path, overrides: Sequence[str], *, as_json: bool) -> None:
    """Let exports of the pipeline read again; what waits goes on within seconds."""
    from chain.command_pause import pause_command

    pause_command(config, overrides, paused=False, as_json=as_json)


@cli.command("demo-shop", short_help="Fill a database with a shop of 1,000,000 purchases.")
@click.option("--url", required=True, help="SQLAlchemy URL of an SQLite, PostgreSQL, MySQL or MariaDB database.")
@click.option(
    "--seed",
    default=1,
    show_default=True,
    type=click.IntRange(0, 2**31),
    help="Another seed, another shop; the same seed, the same rows.",
)
@click.option(
    "--users", default=100_000, show_default=True, type=click.IntRange(1, 4_000_000), help="Users, with ids from 0."
)
@click.option(
    "--purchases", default=1_000_000, show_default=True, type=click.IntRange(1, 10**9), help="Purchases, over ten days."
)
@click.option("--replace", is_flag=True, help="Drop the tables Users, Purchases and Revenue first if they are there.")
def demo_shop(url: str, seed: int, users: int, purchases: int, *, replace: bool) -> None:
    """Fill a database with a shop: tables Users, Purchases and Revenue.

    Ten days around the end of daylight-saving time in Berlin, 2026-10-20 to 2026-10-29: the 25th has 25 hours.
    Few users buy much, most buy little; some purchases are refunded, cancelled or still pending.
    """
    from chain.command_demo import demo_shop_command

    demo_shop_command(url, seed=seed, users=users, purchases=purchases, replace=replace)


@cli.command(short_help="Make a shop in a folder, run a day, show the proof.")
@click.option(
    "--folder",
    default=".demo",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where shop, staging folder and logs go.",
)
@click.option("--day", default="2026-10-25", show_default=True, metavar="YYYY-MM-DD", help="The day to run.")
def demo(folder: Path, day: str) -> None:
    """Make a shop of 1,000,000 purchases in a folder, run one of its days, show the ten top users and the proof.

    Needs no server: the shop is an SQLite file, staging is a folder. A second time the shop is used again.
    """
    from chain.command_demo import demo_command

    demo_command(folder, day)
