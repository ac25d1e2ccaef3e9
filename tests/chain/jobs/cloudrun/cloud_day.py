"""What tests of whole days on Cloud Run share: a small shop, an emulator as a real process, the chain as another."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from google.cloud import run_v2

import jobs_emulator
from chain.demo.pipeline import write_demo_pipeline
from chain.demo.rows import Shop
from chain.demo.shop import fill_shop
from tests.chain.jobs.cloudrun.harness import EmulatorProcess, emulator_process, wait_until
from tests.warm import warm_python

DAY = "2026-10-25"
WINDOW = (datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC))
"""The day in Berlin, with its 25 hours."""

STEPS = ("exporter", "processor", "loader")
PARENT = "projects/acme/locations/europe-west1"
# Each attempt leaves a line, waits for a file so that a test does something meanwhile, and does what `faults` says.
TRANSFORM = """\
import json, os, time
from pathlib import Path
from processor.revenue import apply, contract
from processor.transform import Transform

def faulty(rows, day):
    task = os.environ["CLOUD_RUN_TASK_INDEX"]
    if not noted:  # a transform is planned more than once
        with open(HERE / "attempts", "a") as attempts: attempts.write(task + "\\n")
        noted.append(task)
    while not (HERE / "go").exists(): time.sleep(0.05)
    fault = json.loads((HERE / "faults").read_text()).get(task)
    if fault == "raise": raise RuntimeError("Row 7 is odd.")
    if fault == "eat": eaten = bytearray(b"x") * (600 << 20)
    if fault: time.sleep(600)
    return apply(rows, day)

HERE, noted = Path(__file__).parent, []
chosen = Transform(contract=contract, apply=faulty)
"""


@dataclass
class CloudDay:
    """A small shop, an emulator that has the jobs' images, and the command that runs the day on it."""

    folder: Path
    emulator: EmulatorProcess
    settings: list[str] = field(default_factory=list)
    python: str = sys.executable
    _process: subprocess.Popen[str] | None = None

    def begin(self, *arguments: str, command: str = "run") -> subprocess.Popen[str]:
        line = [self.python, "-m", "chain", command, "--config", str(self.folder / "shop.toml"), "--day", DAY]
        settings = ["process.transform=own_transform:chosen", "source.url=env:SHOP_URL", *self.settings]
        settings += ["cloud.secrets=SHOP_URL=shop-url", "cloud.project=acme", "cloud.region=europe-west1"]
        line += [word for setting in settings for word in ("--set", setting)]
        environment = dict(os.environ) | {"RUN_EMULATOR_HOST": self.emulator.address}
        with (self.folder / "stdout").open("w") as stdout, (self.folder / "stderr").open("w") as stderr:
            self._process = subprocess.Popen(
                [*line, "--json", *arguments],
                env=environment,
                stdout=stdout,
                stderr=stderr,
                stdin=subprocess.DEVNULL,
                text=True,
            )
        return self._process

    def finish(self, process: subprocess.Popen[str], *, seconds: float = 120) -> tuple[int, str, str]:
        code = process.wait(timeout=seconds)
        return code, (self.folder / "stdout").read_text(), (self.folder / "stderr").read_text()

    def run(self, *arguments: str, command: str = "run") -> tuple[int, str, str]:
        return self.finish(self.begin(*arguments, command=command))

    def done(self, *arguments: str, command: str = "run") -> dict[str, Any]:
        """The report of a command that brings the day to done; Revenue is what an oracle says, then."""
        code, stdout, stderr = self.run(*arguments, command=command)
        assert code == 0, stderr
        return self.check_done(stdout)

    def check_done(self, stdout: str) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(stdout)
        assert report["status"] == "done"
        assert self.revenue() == self.expected_revenue()
        assert report["rows_loaded"] == len(self.revenue()) > 0
        return report

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def go(self) -> None:
        (self.folder / "go").touch()

    def faults(self, **tasks: str) -> None:
        """What goes wrong in which task of the processor, from now on: `task_3="raise"`."""
        chosen = {name.removeprefix("task_"): fault for name, fault in tasks.items()}
        (self.folder / "faults").write_text(json.dumps(chosen))

    def attempts(self) -> list[str]:
        path = self.folder / "attempts"
        return path.read_text().split() if path.exists() else []

    def wait_for_tasks(self, run: subprocess.Popen[str]) -> None:
        """Until both tasks of the processor are under way."""
        wait_until(lambda: len(self.attempts()) == 2 or run.poll() is not None)
        assert run.poll() is None, (self.folder / "stderr").read_text()

    def wait_for_execution(self, step: str, run: subprocess.Popen[str]) -> run_v2.Execution:
        """Until there is one of the step."""
        wait_until(lambda: self.executions()[step] or run.poll() is not None)
        assert run.poll() is None, (self.folder / "stderr").read_text()
        return self.executions()[step][0]

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "shop.db")) as connection, connection:
            return connection.execute(statement, parameters).fetchall()

    def revenue(self) -> list[tuple[Any, ...]]:
        rows = self.sql("SELECT user_id, revenue, purchases FROM revenue WHERE day = ? ORDER BY user_id", DAY)
        return [(user, Decimal(str(amount)), purchases) for user, amount, purchases in rows]

    def expected_revenue(self) -> list[tuple[Any, ...]]:
        """The oracle: plain Python over plain rows."""
        totals: dict[int, list[Decimal]] = {}
        for user, amount, status, at in self.sql("SELECT user_id, amount, status, purchased_at FROM purchases"):
            instant = datetime.fromisoformat(at).replace(tzinfo=UTC)
            if status in {"paid", "refunded"} and WINDOW[0] <= instant < WINDOW[1]:
                totals.setdefault(user, []).append(Decimal(str(amount)).quantize(Decimal("0.01")))
        return [(user, sum(amounts), len(amounts)) for user, amounts in sorted(totals.items())]

    def executions(self) -> dict[str, list[run_v2.Execution]]:
        """By step, newest first."""
        with jobs_emulator.executions_client(self.emulator.address) as client:
            found = list(client.list_executions(parent=f"{PARENT}/jobs/-"))
        return {step: [each for each in found if each.labels["penstock-step"] == step] for step in STEPS}

    def counts(self) -> dict[str, int]:
        """How many executions there are of each step, however they ended."""
        return {step: len(found) for step, found in self.executions().items()}

    def receipts(self) -> set[str]:
        """Object names, where the staging is a folder."""
        return {str(path) for path in (self.folder / "staging" / "daily_revenue").rglob("receipt-*")}


def image(module: str, folder: Path, python: str = sys.executable) -> str:
    """An image of the emulator's table: a module of this checkout."""
    entrypoint = json.dumps([python, "-m", module])
    return f'[images.penstock-{module}]\nentrypoint = {entrypoint}\ncwd = "{folder}"\n'


def make_shop(folder: Path, shop: Shop) -> Path:
    """The file of a filled SQLite shop."""
    fill_shop(f"sqlite:///{folder}/shop.db", shop, replace=False, say=lambda _: None)
    return folder / "shop.db"


@contextmanager
def cloud_day(
    shop: Path,
    folder: Path,
    *,
    shards: int = 2,
    staging: str | None = None,
    python: str | None = None,
    python_of_processor: str | None = None,
) -> Iterator[CloudDay]:
    """A day of its own, ready to run: a copy of the shop, an empty staging, an emulator that keeps its state.

    Command, emulator and jobs start warm, or by the Python that is named: the emulator watches the memory of what it
    starts itself, which what starts warm is not.
    """
    own = {"processor": python_of_processor or python}
    chosen, python = python, python or warm_python()
    (folder / "shop.db").write_bytes(shop.read_bytes())
    (folder / "staging").mkdir()
    (folder / "own_transform.py").write_text(TRANSFORM)
    (folder / "faults").write_text("{}")
    url = f"sqlite:///{folder}/shop.db"
    write_demo_pipeline(folder / "shop.toml", url=url, staging=staging or (folder / "staging").as_uri(), shards=shards)
    init = [python, "-m", "chain", "init", "--config", str(folder / "shop.toml")]
    subprocess.run(init, check=True, capture_output=True)
    table = "".join(image(module, folder, own.get(module) or python) for module in STEPS)
    table += f'[secrets]\nshop-url = "value:{url}"\n'
    with emulator_process(folder, table, "--slots", "2", "--grace", "2", python=chosen) as emulator:
        made = CloudDay(folder, emulator, python=python)
        try:
            yield made
        finally:
            made.end()
