"""Runs a command in the chain's job; shows its output.

The job is the deployed one.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import cast

import click

from chain.in_cloud.answer import Answer, AnsweredError, answer_name, find_answer
from chain.jobs.errors import raise_failure
from chain.jobs.open import find_place
from chain.jobs.port import JobName, Overrides
from chain.jobs.settings import CONFIG_ARGUMENT
from chain.jobs.wait import wait_execution
from staging.config.pipeline import Pipeline
from staging.errors import InputError, UnavailableError, UsageError
from staging.open_store import open_store
from staging.process.cancel import cancel_on_signals
from staging.store import Store

CHAIN = cast("JobName", "chain")
"""The deployed chain is no job of a run, but it is started and watched like one."""

_SECONDS = 1800


def run_in_cloud(
    pipeline: Pipeline, command: str, more: Sequence[str], overrides: Sequence[str], environ: Mapping[str, str]
) -> None:
    """Run `penstock COMMAND` where the jobs run.

    Print what it printed, and raise what it raised.
    """
    place = find_place(pipeline, environ)
    if place is None:
        raise InputError(
            "There is no cloud to run it in.", why="cloud.project is not set.", fix="Leave --in-cloud out."
        )
    if overrides:
        raise UsageError(
            "--in-cloud and --set don't go together.",
            why="It runs with the pipeline that `penstock deploy` has written into the chain's job.",
        )
    from chain.jobs.cloudrun.jobs import JobSettings, open_cloud_run_jobs  # noqa: PLC0415 - slow to import
    from chain.jobs.local.emulator_logs import EmulatorLogs  # noqa: PLC0415 - goes with it

    settings = JobSettings(logs=EmulatorLogs(place.emulator, place.token)) if place.emulator else JobSettings()
    deployed = pipeline.model_copy(update={"cloud": pipeline.cloud.model_copy(update={"manage_jobs": False})})
    token = secrets.token_hex(8)
    arguments = (command, "--config", CONFIG_ARGUMENT, *more, "--answer", token)
    with (
        cancel_on_signals() as cancel,
        open_store(pipeline.staging.url) as store,
        open_cloud_run_jobs(deployed, place, cancel, settings) as jobs,
    ):
        plan = Overrides(arguments=arguments, timeout_seconds=_SECONDS)
        started = jobs.start_execution(CHAIN, f"in-cloud-{token}", plan)
        click.echo(f"{started.execution} runs `penstock {command}` ({place})", err=True)
        state = wait_execution(jobs, started.execution, cancel, lambda _: None)
        answer = _take(store, token)
    if answer is None:
        raise_failure(CHAIN, state)
        raise UnavailableError(
            f"{started.execution} ended and left no answer in {pipeline.staging.url}.", fix=f"Look at {state.logs}."
        )
    click.echo(answer.stdout, nl=False)
    click.echo(answer.stderr, nl=False, err=True)
    if answer.exit_code:
        raise AnsweredError(answer)


def _take(store: Store, token: str) -> Answer | None:
    answer = find_answer(store, token)
    if answer is not None and (info := store.find(answer_name(token))) is not None:
        with suppress(InputError):  # who may look may lack the right to delete; no job ever reads it
            store.delete(answer_name(token), generation=info.generation)
    return answer
