"""How every command ends: one place maps errors to exit codes and keeps secrets out of what is printed."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable

from staging.errors import ExitCode, PenstockError

_URL_PASSWORD = re.compile(r"(\w[\w+.-]*://[^\s:/@'\"]*):[^\s'\"]*@")


def redact(text: str) -> str:
    """Return `text` with the password of each URL in it replaced by `…`."""
    return _URL_PASSWORD.sub(r"\1:…@", text)


def end_process(run: Callable[[], None]) -> int:
    """Run a command's body; print what went wrong to stderr; return the exit code."""
    try:
        run()
    except PenstockError as error:
        print(redact(f"error: {error}"), file=sys.stderr)
        return int(error.exit_code)
    except BaseException:  # noqa: BLE001 - polars' PanicException is no Exception; nothing is swallowed: exit 1
        print(redact(traceback.format_exc()), file=sys.stderr)
        print("error: This is a bug in Penstock. Please report it with the lines above.", file=sys.stderr)
        return int(ExitCode.BUG)
    return int(ExitCode.DONE)


def exit_now(code: int) -> None:
    """Flush and leave without running destructors, so that nothing a library left open commits itself on the way."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
