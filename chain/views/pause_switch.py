"""Turns a pipeline's pause switch, and says what that means."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from chain.cli_options import environment
from staging.config.file import load_pipeline
from staging.documents.pause_switch import PauseSwitch, Turned, turn_pause_switch
from staging.open_store import open_store


def turn(config: Path, overrides: Sequence[str], *, paused: bool, reason: str = "", as_json: bool) -> None:
    """Turn the switch on the staging store; print the result."""
    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    with open_store(pipeline.staging.url) as store:
        turned = turn_pause_switch(
            store, pipeline.name, paused=paused, by=_who(), reason=reason.strip(), now=datetime.now(UTC)
        )
    click.echo(_as_json(turned) if as_json else format_turned(pipeline.name, turned, paused=paused))


def format_turned(pipeline: str, turned: Turned | None, *, paused: bool) -> str:
    """Return what happened, in one sentence.

    And what it means for a read that is under way.
    """
    if turned is None:
        return f"{pipeline} is not paused."
    if not turned.changed:
        already = "is paused already:" if paused else "is not paused:"
        return f"{pipeline} {already} {turned.switch.describe()}"
    if paused:
        return (
            f"{pipeline} is paused: a read in slices stops within seconds and keeps its place; none begins.\n"
            "A snapshot that has begun is read to its end. `penstock unpause` lets all go on."
        )
    return f"{pipeline} goes on: what waits looks every few seconds."


def _as_json(turned: Turned | None) -> str:
    switch: PauseSwitch | None = turned.switch if turned else None
    return json.dumps(
        {
            "paused": switch is not None and switch.paused,
            "changed": turned is not None and turned.changed,
            "by": switch.by if switch else None,
            "since": switch.since.isoformat() if switch else None,
            "reason": switch.reason if switch else None,
        },
        ensure_ascii=False,
    )


def _who() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"
