"""`penstock-jobs-emulator`: serve, logs."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from jobs_emulator.images import ImageTableError, read_image_table
from jobs_emulator.logs.command import LogChoice, LogsError, read_logs
from jobs_emulator.logs.writer import EntryWriter
from jobs_emulator.rights.policy import PolicyError, read_policy
from jobs_emulator.tokens import FILE_VARIABLE, TokenError, new_token, remove_token, token_file, write_token
from jobs_emulator.unknowns import SIGTERM_GRACE_SECONDS

DEFAULT_PORT = 8123
OPEN_FILES = 16_384
EXIT_CONFIGURATION = 10
EXIT_UNAVAILABLE = 20


class _Commands(click.Group):
    """Names the extra of a library that is not installed; `--help` needs none of them."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as exc:
            if str(exc.name).startswith("jobs_emulator"):
                raise
            _fail(f"{exc.name} is not installed here: the extra `emulator` brings it", EXIT_CONFIGURATION)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="penstock-pipelines")
def main() -> None:
    """Run Cloud Run jobs as processes of this machine.

    It serves the Cloud Run Admin API v2 for jobs, over gRPC and REST on one port.
    """


@main.command()
@click.option("--images", "images_path", required=True, type=click.Path(path_type=Path), help="Image table (TOML).")
@click.option("--port", default=DEFAULT_PORT, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder that keeps state and logs over restarts.")
@click.option("--slots", type=click.IntRange(1), help="Tasks that run at once.  [default: number of CPUs]")
@click.option("--grace", "grace_seconds", default=SIGTERM_GRACE_SECONDS, show_default=True, type=click.FloatRange(0),
              help="Seconds from SIGTERM to SIGKILL of a task that is cancelled or times out.")  # fmt: skip
@click.option("--token-file", type=click.Path(path_type=Path), help="Where the token goes.  [default: a file of yours]")
@click.option(
    "--no-auth", is_flag=True, help="Serve every user of this machine, without a token: they can run programs as you."
)
@click.option("--policy", "policy_path", type=click.Path(path_type=Path),
              help="Who may do what: IAM bindings and callers' tokens (JSON).  [default: all may do all]")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No log entries of tasks on stdout.")
@click.option("--chaos", "chaos_json", default="{}", metavar="JSON", help="Chaos switches, as at /_emulator/chaos.")
@click.option("--chaos-seed", "seed", type=int, help="Makes chaos repeatable.")
@click.option("--chaos-start-delay", "start_delay_seconds", type=float, help="Seconds from RunJob to the first task.")
@click.option("--chaos-never-start", "never_start", is_flag=True, default=None, help="No execution ever starts.")
@click.option("--chaos-report-late", "report_late_seconds", type=float, help="Seconds from a task's end to its report.")
@click.option("--chaos-lost-run-replies", "lost_run_replies", type=int, help="So many RunJob replies get lost.")
@click.option("--chaos-unavailable-rate", "unavailable_rate", type=float, help="Share of calls answered UNAVAILABLE.")
@click.option("--chaos-unavailable-first", "unavailable_first", type=int,
              help="So many first calls of each method are answered UNAVAILABLE.")  # fmt: skip
@click.option("--chaos-kill", "kills", multiple=True, metavar="TASK@SECONDS", help="Kills a task's first attempt then.")
@click.option("--chaos-start-twice", "start_twice_tasks", multiple=True, type=int, metavar="TASK",
              help="Starts each attempt of the task twice.")  # fmt: skip
def serve(  # noqa: PLR0917 — click passes by name
    images_path: Path,
    port: int,
    data: Path | None,
    slots: int | None,
    grace_seconds: float,
    token_file: Path | None,
    no_auth: bool,
    policy_path: Path | None,
    quiet: bool,
    chaos_json: str,
    kills: tuple[str, ...],
    **switches: object,
) -> None:
    """Serve until SIGINT or SIGTERM, which also stop running tasks."""
    from jobs_emulator.chaos import ChaosError, parse_chaos  # noqa: PLC0415 — a second of imports
    from jobs_emulator.http.door import Door  # noqa: PLC0415
    from jobs_emulator.server import EmulatorServer, Settings, run_until  # noqa: PLC0415
    from jobs_emulator.store import StoreError  # noqa: PLC0415

    _raise_open_files_limit()
    entries = None if quiet else EntryWriter(sys.stdout)
    token = _Token("" if no_auth else new_token(), token_file)
    try:
        settings = Settings(
            images=read_image_table(images_path),
            slots=slots or os.cpu_count() or 1,
            port=port,
            data=data,
            grace_seconds=grace_seconds,
            chaos=parse_chaos(_chaos_switches(chaos_json, kills, switches)),
            inherited=dict(os.environ),
            entries=entries,
            door=Door(token=token.text, is_open=no_auth),
            policy=read_policy(policy_path) if policy_path else None,
        )
        asyncio.run(_serve(lambda stop: run_until(EmulatorServer(settings), stop, token.announce)))
    except (ImageTableError, ChaosError, StoreError, TokenError, PolicyError) as exc:
        _fail(str(exc), EXIT_CONFIGURATION)
    except OSError as exc:
        _fail(f"Cannot serve on 127.0.0.1:{port} with {images_path}: {exc}", EXIT_UNAVAILABLE)
    finally:
        token.remove()
        if entries is not None:
            entries.close()


@main.command()
@click.argument("execution")
@click.option("--address", envvar="RUN_EMULATOR_HOST", default=f"127.0.0.1:{DEFAULT_PORT}", show_default=True,
              help="Of the emulator; RUN_EMULATOR_HOST says it too.")  # fmt: skip
@click.option("--task", type=click.IntRange(0), help="Only this task.")
@click.option("--attempt", type=click.IntRange(0), help="Only this attempt, counted from 0.")
@click.option("--follow", is_flag=True, help="Go on until the execution has ended.")
def logs(execution: str, address: str, task: int | None, attempt: int | None, follow: bool) -> None:
    """Print what the tasks of EXECUTION wrote (short id or full name)."""
    out = sys.stdout.buffer
    last_label = ""

    def write(label: str, piece: bytes) -> None:
        nonlocal last_label
        if label != last_label:
            click.echo(f"── {label}", err=True)
            last_label = label
        out.write(piece)
        out.flush()

    try:
        read_logs(address, LogChoice(execution, task, attempt), follow=follow, write=write)
    except LogsError as exc:
        _fail(str(exc), EXIT_CONFIGURATION)


async def _serve(live: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await live(stop)


def _raise_open_files_limit() -> None:
    """Up to the system's limit: a gRPC connection takes three, and shells set a limit of 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _Token:
    """The token of this start, and the file that has it while the emulator serves."""

    def __init__(self, text: str, path: Path | None) -> None:
        self.text = text
        self._path = path
        self._is_named = path is not None
        self._is_written = False

    def announce(self, address: str) -> None:
        """Write the file and print everything that a client needs."""
        if self.text:  # first: a reader of the next line may connect at once
            self._path = self._path or token_file(int(address.rpartition(":")[2]))
            write_token(self._path, self.text)
            self._is_written = True
        click.echo(f"Cloud Run jobs emulator on {address} (gRPC, REST, status page http://{address}/)", err=True)
        if self._is_written:
            click.echo(f"Its token is in {self._path}: send it as `Authorization: Bearer`, or as a password", err=True)
            if self._is_named:
                click.echo(f"export {FILE_VARIABLE}={self._path}", err=True)
        click.echo(f"export RUN_EMULATOR_HOST={address}", err=True)

    def remove(self) -> None:
        """Remove what was written; the file of another emulator stays."""
        if self._is_written and self._path is not None:
            remove_token(self._path)


def _chaos_switches(chaos_json: str, kills: tuple[str, ...], switches: dict[str, object]) -> dict[str, Any]:
    from jobs_emulator.chaos import ChaosError  # noqa: PLC0415 — see serve

    try:
        merged = json.loads(chaos_json)
    except ValueError as exc:
        raise ChaosError(f"--chaos is not JSON: {exc}") from exc
    if not isinstance(merged, dict):
        raise ChaosError("--chaos must be an object of switches")
    merged.update({name: value for name, value in switches.items() if value not in (None, ())})
    for kill in kills:
        task, at, seconds = kill.partition("@")
        if not task.isdecimal() or not at:
            raise ChaosError(f"--chaos-kill {kill}: write TASK@SECONDS, as in 3@1.5")
        merged.setdefault("kill_tasks", []).append({"task": int(task), "after_seconds": seconds})
    return merged


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"penstock-jobs-emulator: {message}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
