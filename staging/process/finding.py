"""One finding about a thing that a pipeline needs.

`penstock doctor` shows them, one a line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from staging.errors import ExitCode, PenstockError
from staging.redaction import redact

Level = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing: `text` describes it, `fix` repairs it.

    `fix` is empty where all is well. A fault would end a run, with `exit_code`; a warning would not.
    """

    level: Level
    name: str
    text: str
    fix: str = ""
    exit_code: ExitCode = ExitCode.DONE


def well(name: str, text: str) -> Finding:
    """Return a finding that is as it should be."""
    return Finding("ok", name, redact(text))


def warn(name: str, text: str, fix: str) -> Finding:
    """Return a finding that ends no run, but should be known."""
    return Finding("warning", name, redact(text), redact(fix))


def fault(name: str, error: PenstockError) -> Finding:
    """Return a finding that would end a run with this error."""
    text = f"{error.what} {error.why}".strip()
    return Finding("fault", name, redact(text), redact(error.fix), error.exit_code)
