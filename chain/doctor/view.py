"""Shows what `penstock doctor` found.

A line for each thing that was looked at.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from chain.cli_options import environment, line_characters, style_for_stdout
from chain.doctor.look import examine
from chain.views.figures import plural
from chain.views.summary import Style
from staging.config.pipeline import Pipeline
from staging.errors import ExitCode, InputError, UnavailableError
from staging.process.finding import Finding, Level

_NAME = 18
_LEAST_CHARACTERS = 40
_SIGNS: dict[Level, tuple[str, str, str]] = {
    "ok": ("\N{CHECK MARK}", "ok", "green"),
    "warning": ("!", "warn", "yellow"),
    "fault": ("\N{BALLOT X}", "FAIL", "red"),
}


def show_findings(pipeline: Pipeline, folders: Sequence[Path], *, as_json: bool) -> None:
    """Print a line for each thing that was looked at.

    InputError or UnavailableError after them where one is at fault. Lines come as things are found out.
    UnavailableError where trying again may help for all that is at fault.
    """
    found: list[Finding] = []
    style, columns = style_for_stdout(), line_characters()
    has_signs = sys.stdout.isatty() and not environment().get("NO_COLOR")
    for finding in examine(pipeline, folders, environment(), lambda: datetime.now(UTC)):
        found.append(finding)
        if not as_json:
            click.echo(format_finding(finding, style=style, columns=columns, has_signs=has_signs))
    if as_json:
        click.echo(json.dumps(_as_json(pipeline.name, found), ensure_ascii=False))
    if faults := [finding for finding in found if finding.level == "fault"]:
        kind = UnavailableError if all(f.exit_code is ExitCode.UNAVAILABLE for f in faults) else InputError
        raise kind(
            f"{pipeline.name} can't run as it is: {plural(len(faults), 'fault')}.",
            fix="The list above shows each fault and its fix.",
        )


def format_finding(finding: Finding, *, style: Style, columns: int, has_signs: bool) -> str:
    """Return one finding as text.

    In one line, or as many as its text needs.
    """
    sign, word, colour = _SIGNS[finding.level]
    mark = style(sign if has_signs else word.ljust(4), fg=colour)
    indent = " " * ((1 if has_signs else 4) + 2 + _NAME + 1)
    lines = list(_wrapped(finding.text, columns - len(indent)))
    if finding.fix:
        lines += _wrapped(f"fix: {finding.fix}", columns - len(indent))
    return f"{mark}  {finding.name.ljust(_NAME)} " + f"\n{indent}".join(lines)


def _wrapped(text: str, width: int) -> Iterator[str]:
    text = " ".join(text.split())  # an error of a library's may have lines of its own
    yield from textwrap.wrap(text, max(_LEAST_CHARACTERS, width), break_long_words=False, break_on_hyphens=False)


def _as_json(pipeline: str, found: Sequence[Finding]) -> dict[str, object]:
    return {
        "pipeline": pipeline,
        "ok": not any(finding.level == "fault" for finding in found),
        "checks": [
            {
                "name": finding.name,
                "level": finding.level,
                "text": finding.text,
                "fix": finding.fix,
                "exit_code": int(finding.exit_code),
            }
            for finding in found
        ],
    }
