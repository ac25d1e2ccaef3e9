"""What tests of whole days share: a small shop, its pipeline file, commands as real processes, an oracle."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from chain.demo.pipeline import write_demo_pipeline
from chain.demo.rows import Shop
from chain.demo.shop import fill_shop
from staging.documents.head import find_head
from staging.documents.lease import lease_end
from staging.names import DayNames, parse_name
from staging.open_store import open_store
from tests.acceptance.oracle import BusinessDay, Row, revenue_of
from tests.warm import warm_python

DAY = "2026-10-25"
TRANSFORM = """\
import os, sys, time
from datetime import date
from pathlib import Path
from processor.revenue import apply, contract
from processor.transform import Transform

def once(rows, day):
    task, attempt = os.environ["CLOUD_RUN_TASK_INDEX"], os.environ["CLOUD_RUN_TASK_ATTEMPT"]
    with open(HERE / "attempts", "a") as attempts: attempts.write(f"{task} {attempt} {os.getpid()}\\n")
    if MODE == "die once" and task == "1" and attempt == "0": os.kill(os.getpid(), 9)
    if MODE == "fail" or (MODE == "fail one" and task == "1"): raise RuntimeError("the moon is wrong")
    if MODE == "hang": time.sleep(1000)
    while MODE == "wait" and not (HERE / "go").exists(): time.sleep(0.05)
    return apply(rows, day)

HERE = Path(__file__).parent
MODE = (HERE / "mode").read_text()
chosen = Transform(contract=contract, apply=once)
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """Which documents that count are there. `documents` has the time of each file."""

    has_export: bool
    receipts: int
    documents: dict[str, int]


class DemoDay:
    """A small shop, its pipeline file, and the command run on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "daily_revenue.toml"
        self.database = folder / "shop.db"
        self.staging = folder / "staging"

    def command(self, *arguments: str, python: str = sys.executable) -> list[str]:
        day = [] if arguments[0] == "init" else ["--day", DAY, "--logs", str(self.folder / "logs")]
        day = day[:2] if arguments[0] == "verify" else day
        return [python, "-m", "chain", arguments[0], "--config", str(self.config), *day, *arguments[1:]]

    @contextmanager
    def start(self, *arguments: str, warm: bool = False, **environ: str) -> Iterator[subprocess.Popen[str]]:
        """Begin a command in a session of its own; it does not outlive the block, and neither do its jobs.

        One that starts `warm`, with its jobs, has another number, can't be frozen, and is gone when its output ends.
        """
        with subprocess.Popen(
            self.command(*arguments, python=warm_python() if warm else sys.executable),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=dict(os.environ) | environ,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()
                for pid in self.job_pids():
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGCONT)

    def freeze(self, pids: Iterable[int]) -> None:
        """Stop processes, but none that holds the folder's lock just now: that would stop everybody else, too."""
        lock = self.staging / ".penstock" / "lock"
        while True:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            with lock.open("r+b") as file, suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            time.sleep(0.05)

    def penstock(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; it and its jobs start warm."""
        command = self.command(*arguments, python=warm_python())
        return subprocess.run(command, capture_output=True, text=True, env=dict(os.environ) | environ, check=False)

    def report(self, *arguments: str) -> dict[str, Any]:
        ended = self.penstock(*arguments, "--json")
        assert ended.returncode == 0, ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout)
        return found

    def use_transform(self, mode: str) -> None:
        (self.folder / "mode").write_text(mode)
        (self.folder / "own_transform.py").write_text(TRANSFORM)
        (self.folder / "attempts").write_text("")
        if "own_transform" not in self.config.read_text():
            self.config.write_text(self.config.read_text() + '[process]\ntransform = "own_transform:chosen"\n')

    def attempts(self) -> list[tuple[int, int, int]]:
        lines = (self.folder / "attempts").read_text().splitlines()
        return [(int(task), int(attempt), int(pid)) for task, attempt, pid in map(str.split, lines)]

    def job_pids(self) -> list[int]:
        """The living processes of this day's jobs."""
        return [
            pid
            for pid, command, environ in _processes()
            if f"PENSTOCK_PIPELINE_FILE={self.config}\0" in environ
            and "chain.jobs.local.attached" in command
            and "--config" in command
        ]

    def count_objects(self) -> int:
        """How many objects the bucket has."""
        found = 0
        for folder, folders, files in os.walk(self.staging):  # it is asked every few milliseconds
            if Path(folder) == self.staging and ".penstock" in folders:
                folders.remove(".penstock")
            found += sum("." in name for name in files)
        return found

    def run_ids(self) -> list[str]:
        """All runs that were begun, oldest first."""
        return sorted(
            path.parent.name.removeprefix("run=") for path in self.staging.rglob("run.json") if _is_object(path)
        )

    def executions(self, job: str, logs: str = "logs") -> int:
        """How many executions of a job wrote logs on this machine."""
        return len(list((self.folder / logs).rglob(f"{job}-*/")))

    def progress(self) -> Progress:
        """How far the day is, by the documents that count."""
        objects = [path for path in self.staging.rglob("*.json") if _is_object(path) and path.parent.name != "heads"]
        counting = [path for path in objects if path.name == "export.json" or path.name.startswith("receipt-")]
        return Progress(
            has_export=any(path.name == "export.json" for path in counting),
            receipts=sum(path.name.startswith("receipt-") for path in counting),
            documents={str(path): path.stat().st_mtime_ns for path in counting},
        )

    def is_free(self) -> bool:
        """Whether nobody holds the day any more, by the store's own clock."""
        names = DayNames("daily_revenue", date.fromisoformat(DAY))
        with open_store(self.staging.as_uri()) as store:
            found = find_head(store, names)
            return found is None or found[0].lease is None or store.now() > lease_end(found[0].lease, found[1])

    def job(self, module: str, run_id: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run one job by hand, without any chain or lease."""
        command = [warm_python(), "-m", module, "--config", str(self.config), "--day", DAY, "--run-id", run_id]
        environment = {"CLOUD_RUN_TASK_INDEX": "0", "CLOUD_RUN_TASK_COUNT": "1", "CLOUD_RUN_TASK_ATTEMPT": "0"}
        return subprocess.run(
            command, capture_output=True, text=True, env=dict(os.environ) | environment | environ, check=False
        )

    def head(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(next((self.staging / "heads").rglob("*.json")).read_text())
        return found

    def objects(self) -> dict[str, str]:
        """Name and digest of all objects but notes of failures; of the head, what stays when the day was held."""
        found = {
            str(path.relative_to(self.staging)): path.read_bytes()
            for path in sorted(self.staging.rglob("*.*"))
            if path.is_file()
            and not {".penstock", "history"} & set(path.parts)  # the index of past runs can be lost
            and not path.name.startswith("failure-")
        }
        for name in [name for name in found if name.startswith("heads/")]:
            head = json.loads(found[name]) | {"nonce": "", "updated_at": ""}
            found[name] = json.dumps(head).encode()
        return {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}

    def kinds(self) -> list[str]:
        return sorted(parsed.kind for name in self.objects() if (parsed := parse_name(name)))

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database)) as connection, connection:
            return connection.execute(statement).fetchall()

    def revenue(self) -> list[tuple[Any, ...]]:
        return self.sql("SELECT rowid, * FROM revenue ORDER BY day, user_id")

    def total(self) -> list[tuple[Any, ...]]:
        """The day's revenue as the target has it."""
        return self.sql(f"SELECT user_id, revenue, purchases FROM revenue WHERE day = '{DAY}' ORDER BY user_id")

    def expected(self) -> list[tuple[Any, ...]]:
        """What it must be by the shop's rows, in plain Python."""
        rows: list[Row[int]] = [
            Row(user, datetime.fromisoformat(at).replace(tzinfo=UTC), Decimal(str(amount)), "counts")
            for user, at, amount in self.sql(
                "SELECT user_id, purchased_at, amount FROM purchases WHERE status IN ('paid', 'refunded')"
            )
        ]
        found = revenue_of(rows, BusinessDay(date.fromisoformat(DAY), "Europe/Berlin"), None)
        return sorted((user, str(money), purchases) for user, (money, purchases) in found.items())

    def is_right(self) -> bool:
        """Whether the target has the day's revenue, to the cent."""
        found = [(user, str(Decimal(str(money)).quantize(Decimal("0.01"))), n) for user, money, n in self.total()]
        return found == [(user, str(Decimal(money).quantize(Decimal("0.01"))), n) for user, money, n in self.expected()]


def make_shop(folder: Path) -> None:
    """Fill a shop of 40 users and 1,500 purchases."""
    fill_shop(f"sqlite:///{folder}/shop.db", Shop(1, 40, 1500), replace=False, say=lambda _: None)


def make_day(shop: Path, folder: Path, *, shards: int = 2) -> DemoDay:
    """Return a day of its own in `folder`, with a copy of the shop, ready to run."""
    found = DemoDay(folder)
    found.database.write_bytes((shop / "shop.db").read_bytes())
    found.staging.mkdir()
    write_demo_pipeline(found.config, url=f"sqlite:///{found.database}", staging=found.staging.as_uri(), shards=shards)
    ended = found.penstock("init")
    assert ended.returncode == 0, ended.stderr
    return found


def _is_object(path: Path) -> bool:
    return ".penstock" not in path.parts


def _processes() -> Iterator[tuple[int, str, str]]:
    """Give number, command and variables of all living processes of ours."""
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and is_alive(int(entry.name)):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                yield int(entry.name), command, (entry / "environ").read_bytes().decode(errors="replace")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(is_so: Callable[[], object], *, every_seconds: float = 0.05) -> None:
    deadline = time.monotonic() + 240  # an exporter gives way: beside much else it takes a minute to start
    while not is_so():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(every_seconds)
