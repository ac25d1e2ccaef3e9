"""Runs the tests of each integrity check against its mutants: `python -m tests.mutation [--seconds N] [FILE …]`.

Own code of two pages, because the tools that there are start a Python and import all of polars, pyarrow and Google's
clients for each mutant: seconds, where a fork of a process that has imported them costs a tenth. The mutated function's
code replaces the one of the function that is there, so that whoever imported it before runs the mutant.

Only tests without servers are asked: SQLite and folders. It prints each mutant that no test has noticed, and the ratio.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NoReturn

from tests.mutation.mutants import Mutant, mutants_of

CHECKOUT = Path(__file__).parents[2]
_MOST_SECONDS = 120.0
_NO_SERVER = "not postgres and not mariadb and not mysql and not gcs"
SAID = Path(tempfile.gettempdir()) / f"penstock-mutation-{os.getpid()}.log"
"""What the tests of the last room said."""


@dataclass(frozen=True)
class Room:
    """Files with checks, and the tests that bear on them, those first that are quick; `only` is pytest's -k."""

    files: tuple[str, ...]
    tests: tuple[str, ...]
    only: str = ""


_TARGET = ("tests/conformance/target/test_refusals.py", "tests/conformance/target/test_days.py")
_LOADER = (*_TARGET, "tests/loader/test_refused.py", "tests/loader/test_set_right.py", "tests/loader/test_loads.py")
ROOMS = (
    Room(
        ("staging/documents/manifest_check.py",),
        ("tests/staging/documents/test_manifest_check.py", "tests/staging/documents/test_manifest_places.py"),
    ),
    Room(
        ("staging/documents/document.py", "staging/documents/exports.py"),
        (
            "tests/staging/documents/test_exports.py",
            "tests/staging/documents/test_documents.py",
            "tests/processor/test_damaged_shards.py",
        ),
        f"{_NO_SERVER} and not 500 and not cut_anywhere",
    ),
    Room(
        ("staging/documents/head.py", "staging/documents/run_start.py"),
        ("tests/staging/documents/test_run_start.py", "tests/exporter/test_runs.py"),
    ),
    Room(
        ("staging/folder/reading.py", "staging/folder/generations.py"),
        ("tests/conformance/store/test_folder.py", "tests/conformance/store/test_objects.py"),
        "not gcs",
    ),
    Room(("staging/parquet_object.py",), ("tests/staging/test_parquet_object.py",)),
    Room(
        ("processor/receipts.py", "processor/shard_files.py", "processor/shard_checks.py", "processor/contract.py"),
        (
            "tests/processor/test_attempts.py",
            "tests/processor/test_damaged_shards.py",
            "tests/processor/test_contract.py",
            "tests/processor/test_outside_day.py",
            "tests/processor/test_partial.py",
            "tests/processor/test_foreign_files.py",
            "tests/processor/test_composite_keys.py",
            "tests/processor/beside/test_net_revenue.py",
        ),
        f"{_NO_SERVER} and not 500 and not cut_anywhere",
    ),
    Room(("loader/refusals.py",), ("tests/loader/test_refusals.py",)),
    Room(("loader/doubt.py",), ("tests/loader/test_doubt.py",)),
    Room(
        ("loader/conservation.py", "loader/run_inputs.py", "loader/parts.py", "loader/target/content.py"),
        ("tests/loader/test_run_inputs.py", *_TARGET, "tests/loader/test_refused.py"),
        f"({_NO_SERVER}) and not parquet",
    ),
    Room(("loader/replace_day.py", "loader/load_once.py"), (*_LOADER, "tests/loader/test_doubt.py"), _NO_SERVER),
    Room(
        ("loader/target/ledger.py", "loader/target/difference.py", "loader/stage_parts.py"),
        (
            "tests/loader/target/test_ledger.py",
            "tests/loader/test_merge.py",
            *_LOADER,
            "tests/loader/verify/test_verify.py",
        ),
        _NO_SERVER,
    ),
    Room(
        ("loader/verify/day.py", "loader/verify/run.py", "loader/verify/shards.py"),
        ("tests/loader/verify/test_verify.py", "tests/loader/parquet/test_target.py"),
        f"{_NO_SERVER} and verify",
    ),
    Room(("exporter/reuse.py",), ("tests/exporter/test_runs.py",)),
    Room(
        (
            "exporter/shards/commit.py",
            "exporter/shards/sink.py",
            "exporter/shards/tally.py",
            "exporter/shards/decode.py",
        ),
        (
            "tests/exporter/shards/test_decode.py",
            "tests/exporter/shards/test_sink.py",
            "tests/exporter/test_leaves_nothing.py",
        ),
        f"{_NO_SERVER} and not signal",
    ),
)


def main() -> None:
    """Run all mutants, or those of the named files, in an order that a number fixes, until the time is over."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("files", nargs="*")
    asked = parser.parse_args()
    ends = time.monotonic() + asked.seconds
    _import_all()
    rooms = [room for room in ROOMS if not asked.files or set(asked.files) & set(room.files)]
    total = Tally()
    for number, room in enumerate(rooms):
        work = [(file, mutant) for file in room.files for mutant in _mutants(file)]
        work = [each for each in work if not asked.files or each[0] in asked.files]
        random.Random(12).shuffle(work)
        left_seconds = ends - time.monotonic()
        session = Session(room, work, time.monotonic() + left_seconds / (len(rooms) - number))
        total += session.run()
    print(f"{total.noticed} of {total.tried} mutants noticed; {total.known} there are", flush=True)


@dataclass
class Tally:
    """How many mutants were noticed, of how many that were tried, of how many there are."""

    noticed: int = 0
    tried: int = 0
    known: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.noticed + other.noticed, self.tried + other.tried, self.known + other.known)


class Session:
    """One collection of a room's tests, in a fork; each mutant is a fork of that, which runs what was collected."""

    def __init__(self, room: Room, work: list[tuple[str, Mutant]], ends: float) -> None:
        self._room, self._work, self._ends = room, work, ends

    def run(self) -> Tally:
        """Return what was noticed; survivors are printed."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            self._tell = os.fdopen(writing, "w")
            _collect_and_run(self._room, self)
        os.close(writing)
        tally = Tally(known=len(self._work))
        with os.fdopen(reading) as lines:
            for line in lines:
                verb, _, what = line.rstrip("\n").partition(" ")
                tally.noticed += verb == "noticed"
                tally.tried += verb in ("noticed", "survived")
                if verb != "noticed":
                    print(f"{verb}: {what}", flush=True)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code == 0, f"the tests of {self._room.files} end with {code} without any mutant: see {SAID}"
        print(
            f"{', '.join(self._room.files)}: {tally.noticed} of {tally.tried} noticed, {tally.known} there are",
            flush=True,
        )
        return tally

    def pytest_runtestloop(self, session: Any) -> bool:
        """Run the tests as they are, then once for each mutant."""
        began = time.monotonic()
        if not session.items or (code := _in_fork(lambda: _run(session))) != 0:
            os._exit(1)
        self._say(f"green in {time.monotonic() - began:.1f} s: {len(session.items)} tests")
        for file, mutant in self._work:
            if time.monotonic() > self._ends:
                break

            def test(file: str = file, mutant: Mutant = mutant) -> NoReturn:
                _put_in_place(file, mutant)
                _run(session)

            code = _in_fork(test)
            self._say(f"{'noticed' if code else 'survived'} {file}: {mutant}")
        os._exit(0)

    def _say(self, line: str) -> None:
        self._tell.write(line + "\n")
        self._tell.flush()


def _collect_and_run(room: Room, session: Session) -> NoReturn:
    import pytest

    os.dup2(os.open(SAID, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
    os.dup2(1, 2)
    only = ["-k", room.only] if room.only else []
    pytest.main(["-q", "-p", "no:cacheprovider", *only, *room.tests], plugins=[session])
    os._exit(70)


def _run(session: Any) -> NoReturn:
    """Run what was collected until something fails, and end the process."""
    items = session.items
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            os._exit(1)
    os._exit(0)


def _mutants(file: str) -> list[Mutant]:
    return mutants_of((CHECKOUT / file).read_text(encoding="utf-8"))


def _put_in_place(file: str, mutant: Mutant) -> None:
    module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    code = next(each for each in _codes(compile(mutant.tree, file, "exec")) if each.co_qualname == mutant.function)
    _function(module, mutant.function).__code__ = code


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _codes(each)


_INNER = ("__wrapped__", "__func__", "fget")
"""Where a decorated function, a method of a class and a property keep what they go round."""


def _function(module: Any, name: str) -> FunctionType:
    *outer, last = name.split(".")
    holder = module
    for each in outer:
        holder = getattr(holder, each)
    found: object = vars(holder)[last]
    while not isinstance(found, FunctionType) or hasattr(found, "__wrapped__"):
        around = found
        found = next(inner for each in _INNER if (inner := getattr(around, each, None)) is not None)
    return found


def _in_fork(body: Any) -> int:
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        try:
            body()
        except BaseException:  # noqa: BLE001 - the end of a process
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(70)
    ends = time.monotonic() + _MOST_SECONDS
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > ends:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        time.sleep(0.01)


def _import_all() -> None:
    for room in ROOMS:
        for file in room.files:
            importlib.import_module(file.removesuffix(".py").replace("/", "."))
    os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"  # as tests/guards.py has it
    for name in ("pytest", "adbc_driver_sqlite.dbapi", "duckdb", "gcsfs", "psycopg", "pymysql"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    sys.path.insert(0, str(CHECKOUT))
    main()
