"""Recognizes an OSError of a machine short of something.

And says why, and what to do about it.
"""

from __future__ import annotations

import errno

_DISK_IS_FULL = "The disk that it lies on is full"
_SHORT_OF = {
    errno.ENOSPC: (_DISK_IS_FULL, "Free space on the disk and try again."),
    errno.EDQUOT: ("Your quota on the disk is used up", "Free space within your quota and try again."),
    errno.EMFILE: ("This process may open no more files", "Raise `ulimit -n`, or use fewer shards."),
    errno.ENFILE: ("This machine may open no more files", "Close other programs, or use fewer shards."),
}


def is_short(error: OSError) -> bool:
    """Whether the machine could do it if it had more of something."""
    return error.errno in _SHORT_OF


def why_short(error: OSError) -> str:
    """Return why it went wrong.

    In the operating system's words where there are no better ones.
    """
    said = error.strerror or str(error)
    return f"{_SHORT_OF[error.errno or 0][0]} ({said})." if is_short(error) else said


def fix_short(error: OSError, otherwise: str) -> str:
    """Return what to do about it.

    `otherwise` where nothing is short.
    """
    return _SHORT_OF[error.errno or 0][1] if is_short(error) else otherwise
