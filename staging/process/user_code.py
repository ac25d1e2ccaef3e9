"""Runs the author's code and turns its failures into errors.

Whatever it does ends as an error that names its line.
"""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from staging.errors import InputError, PenstockError, UnavailableError
from staging.process.author_output import printing_to_stderr
from staging.process.passing import first_member, is_passing

_MAX_LINES = 8
_MAX_CHARACTERS = 1500
_ROOT = Path(__file__).parents[2]
_FOLDERS = ("staging", "databases", "exporter", "processor")
_OURS = (str(Path(pl.__file__).parent), *(str(_ROOT / folder) for folder in _FOLDERS))
_LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_BUILT_IN = str(_ROOT / "processor" / "revenue.py")


@contextmanager
def author_code(subject: str, doing: str, *, fix: str, may_pass: bool = False) -> Iterator[None]:
    """Turn anything but our own errors into an InputError.

    `{subject} {doing}` with reason and the author's lines. What is no `Exception` (polars' PanicException, `sys.exit`,
    GeneratorExit) ends here too. `may_pass`: an outside service's passing failure (`is_passing`) becomes an
    UnavailableError. What the code prints goes to stderr.
    """
    try:
        with printing_to_stderr():
            yield
    except PenstockError:
        raise
    except BaseException as exc:
        error = UnavailableError if may_pass and is_passing(exc) else InputError
        raise error(
            f"{subject} {doing}.",
            why=_reason(exc) + "".join(f"\n    {line}" for line in _authors_lines(first_member(exc))),
            fix="Try again later; the function's own retries are used up." if error is UnavailableError else fix,
        ) from exc


def _reason(exc: BaseException) -> str:
    kind = "polars panicked" if isinstance(exc, pl.exceptions.PanicException) else type(exc).__name__
    text = "\n    ".join(line for line in str(exc).splitlines()[:_MAX_LINES] if line.strip())
    if isinstance(exc, BaseExceptionGroup):
        return f"{kind}: {_reason(first_member(exc))}"
    return f"{kind}: {text[:_MAX_CHARACTERS]}" if text else kind


def _authors_lines(exc: BaseException) -> list[str]:
    """Return the frames that are neither polars' nor ours: file, line, function, source line. Values never show.

    Those of libraries are shown only where there is no other.
    """
    frames = [
        frame
        for frame in traceback.extract_tb(exc.__traceback__)
        if not frame.filename.startswith((*_OURS, "<frozen")) or frame.filename == _BUILT_IN
    ]
    frames = [frame for frame in frames if not frame.filename.startswith(_LIBRARIES)] or frames
    return [f"{f.filename}:{f.lineno} in {f.name}: {f.line or ''}".rstrip(": ") for f in frames[-_MAX_LINES:]]
