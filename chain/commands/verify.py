"""What `penstock verify` does."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from chain.cli_options import environment, style_for_stdout
from loader.verify.day import verify_day
from loader.verify.run import Verification
from staging.config.file import load_pipeline
from staging.errors import IntegrityError
from staging.open_store import open_store
from staging.process.cancel import cancel_on_signals
from staging.window import parse_day


def verify_command(config: Path, day_text: str, overrides: Sequence[str], *, as_json: bool) -> None:
    """Print every check; IntegrityError when one failed."""
    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    day = parse_day(day_text)
    with cancel_on_signals() as cancel, open_store(pipeline.staging.url) as store:
        found = verify_day(pipeline, day, store=store, cancel=cancel, say=lambda line: click.echo(line, err=True))
    if as_json:
        click.echo(json.dumps(_as_json(found), ensure_ascii=False))
    else:
        click.echo(
            format_verification(
                found, pipeline.name, style=style_for_stdout(), columns=shutil.get_terminal_size().columns
            )
        )
    if failed := [check for check in found.checks if not check.ok]:
        raise IntegrityError(
            f"{pipeline.name} {day} does not agree: {len(failed)} of {len(found.checks)} checks failed.",
            why=f"{failed[0].name}: {failed[0].why}",
            fix="Don't use the day's rows. `penstock run --fresh-export` brings it to done again.",
        )


def format_verification(found: Verification, pipeline: str, *, style: Callable[..., str], columns: int) -> str:
    """Return what they come to, and a check a line, wrapped to so many columns."""
    width = max((len(check.name) for check in found.checks), default=0)
    mark = {True: style("ok  ", fg="green"), False: style("FAIL", fg="red")}
    indent = " " * (2 + 4 + 2 + width + 2)
    wrapped = [
        textwrap.wrap(check.why, max(30, columns - len(indent)), break_on_hyphens=False) for check in found.checks
    ]
    lines = [
        f"  {mark[check.ok]}  {check.name.ljust(width)}  " + f"\n{indent}".join(why)
        for check, why in zip(found.checks, wrapped, strict=True)
    ]
    head = f"{pipeline} {found.day}: {'everything agrees' if found.ok else 'NOT AS IT SHOULD BE'}"
    return "\n".join([style(head, bold=True), *lines])


def _as_json(found: Verification) -> dict[str, object]:
    return asdict(found) | {"day": found.day.isoformat(), "ok": found.ok}
