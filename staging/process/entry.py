"""Ends every command.

One place maps errors to exit codes and keeps secrets out of what is printed.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from staging.errors import ExitCode, InterruptedRunError, PenstockError, UnavailableError
from staging.process.missing_extra import missing_extra
from staging.redaction import redact

_MACHINE_IS_SHORT = {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE}


def end_process(run: Callable[[], None], *, also: Callable[[PenstockError], None] = lambda _: None) -> int:
    """Run a command's body; return the exit code.

    An error is printed to stderr. `also` is called with it, too.
    """
    try:
        with _redacted_threads():
            run()
    except PenstockError as error:
        return _tell(error, also)
    except KeyboardInterrupt:
        return _tell(InterruptedRunError("Stopped on request.", why="Ctrl-C.", fix="Run the same command again."), also)
    except MemoryError:
        return _tell(
            UnavailableError(
                "There is not enough memory.",
                why="The process could get no more.",
                fix="Give the job more memory, or use more shards.",
            ),
            also,
        )
    except BaseException as error:  # noqa: BLE001 - polars' PanicException is no Exception; nothing is swallowed: exit 1
        if ours := _known(error):
            return _tell(ours, also)
        print(redact(traceback.format_exc()), file=sys.stderr)
        print("error: This is a bug in Penstock. Please report it with the lines above.", file=sys.stderr)
        also(PenstockError("This is a bug in Penstock.", fix="Please report it with what stands on stderr."))
        return int(ExitCode.BUG)
    return int(ExitCode.DONE)


def _known(error: BaseException) -> PenstockError | None:
    """Uncaught errors that are no bug: a machine that is short of something, a missing package."""
    if isinstance(error, OSError) and error.errno in _MACHINE_IS_SHORT:
        return UnavailableError("The machine has no more room.", why=_which(error), fix="Free some, and try again.")
    return missing_extra(error) if isinstance(error, ImportError) else None


def _which(error: OSError) -> str:
    return f"{error.strerror}: {error.filename}." if error.filename else f"{error.strerror}."


def exit_now(code: int) -> None:
    """Flush and leave without running destructors.

    So nothing that a library left open commits itself on the way. Work that was done but could not be reported ends
    with 20.
    """
    said = _flush(sys.stdout)
    if said is not None and not isinstance(said, BrokenPipeError):
        print(f"error: Standard output can't be written: {said.strerror or said}.", file=sys.stderr)
    _flush(sys.stderr)
    os._exit(code or (ExitCode.DONE if said is None else ExitCode.UNAVAILABLE))


def _flush(stream: TextIO | None) -> OSError | None:
    """Return why the rest could not be written. A stream that was closed from the beginning is None, and takes none."""
    try:
        if stream is not None:
            stream.flush()
    except OSError as error:
        return error
    return None


def _tell(error: PenstockError, also: Callable[[PenstockError], None]) -> int:
    print(redact(f"error: {error}"), file=sys.stderr)
    also(error)
    return int(error.exit_code)


@contextmanager
def _redacted_threads() -> Iterator[None]:
    """Python itself prints what a thread or a destructor raises: redact that, too."""
    hooks = threading.excepthook, sys.unraisablehook
    threading.excepthook = lambda found: _print_redacted(found.exc_value)
    sys.unraisablehook = lambda found: _print_redacted(found.exc_value)
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = hooks


def _print_redacted(error: BaseException | None) -> None:
    if error is not None:
        print(redact("".join(traceback.format_exception(error))), file=sys.stderr)
