"""What a child process does to a store in these tests: `child.py URL DEED ARGUMENTS…`, JSON on stdout.

Deeds that race wait for a line on stdin after they said `ready`, so that all begin at once.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from staging.errors import GenerationChangedError, ObjectExistsError
from staging.open_store import open_store
from staging.store import Store

Deed = Callable[[Store, int], Any]


def race(url: str, threads: int, first_number: int, deed: Deed) -> None:
    """Let so many threads, each with a store of its own, do the deed at once; print what each got."""
    results: list[Any] = [None] * threads
    start = threading.Barrier(threads + 1)
    with ExitStack() as stack:
        stores = [stack.enter_context(open_store(url)) for _ in range(threads)]

        def work(index: int) -> None:
            start.wait()
            results[index] = deed(stores[index], first_number + index)

        workers = [threading.Thread(target=work, args=(index,)) for index in range(threads)]
        for worker in workers:
            worker.start()
        say("ready")
        sys.stdin.readline()
        start.wait()
        for worker in workers:
            worker.join()
    say(json.dumps(results))


def create(store: Store, number: int) -> str:
    """Create one name with bytes of one's own."""
    try:
        store.create("contested", f"writer {number}".encode())
    except ObjectExistsError:
        return "exists"
    return f"writer {number}"


def create_streamed(store: Store, number: int) -> str:
    """Create one name in a stream, with bytes of one's own of equal length."""
    writer = store.create_stream("contested")
    try:
        for _ in range(50):
            writer.write(f"writer {number:04d};".encode() * 1000)
        writer.commit()
    except ObjectExistsError:
        return "exists"
    finally:
        writer.abort()
    return f"writer {number:04d};"


def create_same(store: Store, number: int) -> int:
    """Create one name with bytes that all share; half of them in a stream."""
    if number % 2:
        return store.create("contested", b"all alike").generation
    writer = store.create_stream("contested")
    writer.write(b"all alike")
    return writer.commit().generation


def increment(store: Store, number: int) -> list[int]:
    """Add one to the counter three times, whoever else does; return the generations that were ours."""
    ours: list[int] = []
    while len(ours) < 3:
        data, info = store.read("counter")
        changed = json.dumps({"count": json.loads(data)["count"] + 1, "nonce": f"{number}-{len(ours)}"}).encode()
        try:
            ours.append(store.replace("counter", changed, generation=info.generation).generation)
        except GenerationChangedError:
            continue
    return ours


def leave_open(url: str, size_bytes: int) -> None:
    """Stream so much, say so and wait to be killed."""
    with open_store(url) as store:
        writer = store.create_stream("unfinished")
        for _ in range(size_bytes >> 20):
            writer.write(b"x" * (1 << 20))
        say("ready")
        sys.stdin.readline()
        os._exit(0)


def stream_and_download(url: str, folder: str) -> None:
    """Print the peak of memory after 20 MiB went up and down, and after 80 MiB did."""
    peaks = []
    with open_store(url) as store:
        for size_mib in (20, 80):
            writer = store.create_stream(f"{size_mib}")
            for number in range(size_mib):
                writer.write(number.to_bytes(4, "big") * (1 << 18))
            info = writer.commit()
            assert info.size_bytes == size_mib << 20
            assert store.download(f"{size_mib}", Path(folder) / f"{size_mib}") == info
            peaks.append(peak_mib())
    say(json.dumps(peaks))


def peak_mib() -> int:
    """Return the peak of this program's own memory. `ru_maxrss` would hold what pytest had when it forked."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    url, deed, *arguments = sys.argv[1:]
    match deed:
        case "leave_open":
            leave_open(url, int(arguments[0]))
        case "stream_and_download":
            stream_and_download(url, arguments[0])
        case _:
            race(url, int(arguments[0]), int(arguments[1]), globals()[deed])
