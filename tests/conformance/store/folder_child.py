"""Dies at every step of a write into a folder: `folder_child.py URL create|stream|replace`, one JSON line per death.

For each call of the operating system that changes something, a forked child kills itself before it, another one after
it; then the parent looks at what is left, as the next process would.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from staging.open_store import open_store
from staging.store import Store

OLD, NEW = b"old" * 1000, b"new" * 2000
_CALLS = ("open", "write", "fsync", "utime", "link", "replace", "unlink", "mkdir")


def write(store: Store, deed: str, generation: int) -> None:
    """Do the deed under test."""
    match deed:
        case "create":
            store.create("a/b/object", NEW)
        case "stream":
            writer = store.create_stream("a/b/object")
            writer.write(NEW[:1000])
            writer.write(NEW[1000:])
            writer.commit()
        case _:
            store.replace("a/b/object", NEW, generation=generation)


def die_at(step: int, *, after: bool) -> None:
    """Let the process kill itself at its so-manieth call, counted from 0."""
    left, lock = [step], threading.Lock()

    def wrap(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            with lock:  # some calls come from threads
                left[0] -= 1
                is_last = left[0] == -1
            if is_last and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return call(*args, **kwargs)
            finally:
                if is_last:
                    os.kill(os.getpid(), signal.SIGKILL)

        return counted

    for name in _CALLS:
        setattr(os, name, wrap(getattr(os, name)))


def survive(url: str, deed: str, step: int, *, after: bool) -> dict[str, Any]:
    """Let a child die at this step, then tell what the next process finds."""
    inner = f"{url}/{deed}-{step}-{after}"
    generation = 0
    if deed == "replace":
        with open_store(inner) as store:
            generation = store.create("a/b/object", OLD).generation
    child = os.fork()
    if child == 0:
        die_at(step, after=after)
        with open_store(inner) as store:
            write(store, deed, generation)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    with open_store(inner) as store:
        found = {info.name: store.read(info.name)[0] for info in store.list("")}
        before = store.find("a/b/object")
        write(store, deed, generation)  # as the next attempt does
        data, after_info = store.read("a/b/object")
        is_kept = before is None or (found["a/b/object"] == NEW) == (before == after_info)
        left = list(Path(f"{inner.removeprefix('file://')}/.penstock/temporary").iterdir())
    return {
        "died": os.WIFSIGNALED(status),
        "found": sorted(found),
        "bytes": [{OLD: "old", NEW: "new"}.get(each, "torn") for each in found.values()],
        "is_repeatable": data == NEW and is_kept and after_info.generation > generation,
        "temporary_files": len(left),
    }


if __name__ == "__main__":
    _, base_url, what = sys.argv
    at = 0
    died = True
    while died:
        for late in (False, True):
            outcome = survive(base_url, what, at, after=late)
            print(json.dumps(outcome))
            died = outcome["died"]
        at += 1
