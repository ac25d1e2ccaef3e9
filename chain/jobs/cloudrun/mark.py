"""Marks an execution with the run it works for.

Three variables that every start writes, and that a listing shows. RunJob takes no request id, so this is the only way
to find out whether a call whose answer was lost was carried out.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from google.cloud import run_v2

from chain.jobs.port import JobName

RUN_VARIABLE = "PENSTOCK_RUN_ID"
STEP_VARIABLE = "PENSTOCK_STEP"
TOKEN_VARIABLE = "PENSTOCK_START_TOKEN"  # noqa: S105 - it opens nothing


@dataclass(frozen=True, slots=True)
class Mark:
    """The run and the step an execution works for.

    The step says which of the run's jobs. `token` is one starter's own.
    """

    run_id: str
    step: JobName
    token: str

    def to_environment(self) -> dict[str, str]:
        """Return the variables for the start."""
        return {RUN_VARIABLE: self.run_id, STEP_VARIABLE: self.step, TOKEN_VARIABLE: self.token}

    def is_of(self, execution: run_v2.Execution) -> bool:
        """Return whether the execution works for this run and step.

        Whatever started it.
        """
        told = _told(execution)
        return (told.get(RUN_VARIABLE), told.get(STEP_VARIABLE)) == (self.run_id, self.step)

    def is_ours(self, execution: run_v2.Execution) -> bool:
        """Return whether this very starter has started it."""
        return self.is_of(execution) and _told(execution).get(TOKEN_VARIABLE) == self.token


def new_mark(run_id: str, step: JobName) -> Mark:
    """Return a mark with a token of its own."""
    return Mark(run_id, step, secrets.token_hex(8))


def _told(execution: run_v2.Execution) -> dict[str, str]:
    """Return our variables. Many executions are looked at: plain messages are read in a tenth of the wrappers' time."""
    plain: Any = run_v2.Execution.pb(execution)
    return {
        variable.name: variable.value
        for container in plain.template.containers
        for variable in container.env
        if variable.name.startswith("PENSTOCK_")
    }
