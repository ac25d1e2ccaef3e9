"""Sends what the author's code prints to stderr.

stdout is for the data that a command answers with. C code prints below Python, so the descriptor itself is redirected,
not only `sys.stdout`.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from functools import cache

_STDOUT, _STDERR = 1, 2
_lock = threading.Lock()
_turned = ExitStack()
_depth = 0


@contextmanager
def printing_to_stderr() -> Iterator[None]:
    """Send all that this process prints to stderr.

    For as long as the outermost of these blocks lasts.
    """
    global _depth  # noqa: PLW0603 - a process has one stdout
    with _lock:
        _depth += 1
        if _depth == 1:
            _turned.enter_context(_turned_over())
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _turned.close()


@contextmanager
def _turned_over() -> Iterator[None]:
    _flush()
    try:
        kept = os.dup(_STDOUT)
    except OSError:  # there is none: nothing can be printed into it
        with redirect_stdout(sys.stderr):
            yield
        return
    try:
        with suppress(OSError):
            os.dup2(_STDERR, _STDOUT)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _flush()
        os.dup2(kept, _STDOUT)
        os.close(kept)


@cache
def _c_library() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def _flush() -> None:
    """Flush Python's buffer and C's: waiting output goes where it was meant to."""
    with suppress(OSError, ValueError, AttributeError):  # closed, full, or none
        sys.stdout.flush()
    with suppress(OSError, AttributeError):
        _c_library().fflush(None)
