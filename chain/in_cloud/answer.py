"""What a command said in the cloud.

It is an object of the bucket that the caller waits for. It lies below `doctor/`, which no job ever looks at, and the
caller deletes it, if it may.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from typing import TextIO

from staging.config.pipeline import Pipeline
from staging.errors import ExitCode, PenstockError
from staging.names import check_id
from staging.open_store import open_store
from staging.redaction import redact
from staging.store import Store


@dataclass(frozen=True, slots=True)
class Answer:
    """What it wrote, and the error that it ended with, if any."""

    stdout: str
    stderr: str
    exit_code: int = 0
    what: str = ""
    why: str = ""
    fix: str = ""


class AnsweredError(PenstockError):
    """The error of a command that ran elsewhere.

    It ends the process with the same exit code.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.what, why=answer.why, fix=answer.fix)
        self.exit_code = ExitCode(answer.exit_code)


def answer_name(token: str) -> str:
    """Return the name of the object, relative to the staging store."""
    return f"doctor/answer-{check_id(token, of='answer')}.json"


@contextmanager
def answered(pipeline: Pipeline, token: str | None) -> Iterator[None]:
    """Note what the block writes and how it ends.

    For the caller who waits for the token; without one nothing is noted.
    """
    if token is None:
        yield
        return
    out, err = _Tee(sys.stdout), _Tee(sys.stderr)
    error: PenstockError | None = None
    try:
        with redirect_stdout(out), redirect_stderr(err):
            yield
    except PenstockError as raised:
        error = raised
        raise
    finally:
        _note(pipeline, token, out.getvalue(), err.getvalue(), error)


def find_answer(store: Store, token: str) -> Answer | None:
    """Return what was said; None where nothing was."""
    if store.find(answer_name(token)) is None:
        return None
    data, _ = store.read(answer_name(token))
    return Answer(**json.loads(data))


def _note(pipeline: Pipeline, token: str, stdout: str, stderr: str, error: PenstockError | None) -> None:
    said = Answer(redact(stdout), redact(stderr))
    if error is not None:
        said = Answer(
            said.stdout, said.stderr, int(error.exit_code), redact(error.what), redact(error.why), redact(error.fix)
        )
    with open_store(pipeline.staging.url) as store:
        store.create(answer_name(token), json.dumps(asdict(said), ensure_ascii=False).encode())


class _Tee(io.StringIO):
    """Keeps what is written, and writes it where it was meant to go, too: the job's own log has it."""

    def __init__(self, through: TextIO) -> None:
        super().__init__()
        self._through = through

    def write(self, text: str) -> int:
        """See `TextIOBase`."""
        self._through.write(text)
        return super().write(text)
