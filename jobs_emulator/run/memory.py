"""Reads from /proc how much memory a task uses.

0 where there is none (the memory limit then does not act). Resident memory of the process, and the unshared memory of
each process under it. No RLIMIT_AS: it counts mapped and not used memory, and some libraries map gigabytes.
"""

from __future__ import annotations

import os

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def used_memory_bytes(pid: int) -> int:
    """Resident bytes of a process and its descendants.

    A process that ends meanwhile counts nothing.
    """
    resident_pages, _ = _statm_pages(pid)
    descendants = _children(pid)
    for child in descendants:
        child_resident, child_shared = _statm_pages(child)
        resident_pages += child_resident - child_shared
        descendants += _children(child)
    return resident_pages * _PAGE_BYTES


def _statm_pages(pid: int) -> tuple[int, int]:
    try:
        with open(f"/proc/{pid}/statm", "rb") as statm:  # noqa: PTH123 — the hot path of the watchdog
            fields = statm.read().split()
        return int(fields[1]), int(fields[2])
    except (OSError, IndexError):
        return 0, 0


def _children(pid: int) -> list[int]:
    try:
        children: list[int] = []
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 — a child belongs to the thread that forked it
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as listed:  # noqa: PTH123
                children += [int(child) for child in listed.read().split()]
    except OSError:
        return []
    return children
