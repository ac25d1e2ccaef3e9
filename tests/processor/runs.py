"""Runs processor tasks on a hand-made export, in this process or as the command, and reads back what they wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow.parquet as pq

from processor.assignment import read_assignment
from processor.process_task import process_task
from processor.task import Task
from staging.config.file import load_pipeline
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from tests.shop.hand_made_export import DAY, PREFIX, RUN_ID, pipeline_text
from tests.warm import warm_python

REVENUE = "processor.revenue:revenue_per_user"
ALL = Task(0, 1, 0)


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it said."""

    code: int
    out: str
    told: str


def end(task: subprocess.Popen[str]) -> Ended:
    """Wait for a command; its pipes are closed."""
    with task:
        out, told = task.communicate(timeout=120)
    return Ended(task.returncode, out, told)


@dataclass
class Runs:
    """One staging URL and one folder with the pipeline file and the user's modules."""

    url: str
    folder: Path
    transform: str = REVENUE
    columns: str = '["amount"]'
    sets: tuple[str, ...] = ()

    def config(self) -> Path:
        """Write the pipeline file and return its path."""
        path = self.folder / "pipeline.toml"
        text = pipeline_text(self.url, self.transform)
        text = text.replace('columns = ["amount"]', f"columns = {self.columns}")
        if not path.exists() or path.read_text() != text:  # a command that runs already may be reading it
            path.write_text(text)
        return path

    def process(self, task: Task = ALL, run_id: str = RUN_ID, *, cancel: Cancel | None = None) -> list[str]:
        """Process a task here; return the lines it said."""
        said: list[str] = []
        pipeline = load_pipeline(self.config(), environ={}, overrides=self.sets)
        scratch = self.folder / f"scratch-{os.getpid()}-{task.index}"
        scratch.mkdir(exist_ok=True)
        modules = set(sys.modules)
        try:
            with open_store(self.url) as store:
                names = DayNames(pipeline.name, DAY)
                work = read_assignment(store, pipeline, names, run_id, [self.folder])
                process_task(
                    store,
                    work,
                    task,
                    scratch=scratch,
                    cancel=cancel or Cancel(),
                    progress=Progress(),
                    say=said.append,
                )
        finally:
            sys.path[:] = [path for path in sys.path if path != str(self.folder)]
            for name in set(sys.modules) - modules:
                if str(getattr(sys.modules[name], "__file__", "")).startswith(str(self.folder)):
                    del sys.modules[name]
        return said

    def module(self, text: str, name: str = "mine") -> None:
        """Write the user's module, with what most need imported, and let the pipeline name `mine:transform`."""
        head = "import polars as pl\nfrom processor.transform import Contract, Day, Split, Transform\n"
        (self.folder / f"{name}.py").write_text(head + text)
        self.transform = f"{name}:transform"

    def command(
        self,
        index: object = 0,
        count: object = 1,
        attempt: object = 0,
        *,
        run_id: str = RUN_ID,
        environ: Mapping[str, str] | None = None,
        arguments: tuple[str, ...] = (),
        warm: bool = False,
    ) -> subprocess.Popen[str]:
        """Start the command as Cloud Run would."""
        task = {"INDEX": index, "COUNT": count, "ATTEMPT": attempt}
        variables = {f"CLOUD_RUN_TASK_{name}": str(value) for name, value in task.items() if value is not None}
        python = warm_python() if warm else sys.executable
        return subprocess.Popen(
            [
                *(python, "-m", "processor", "--config", str(self.config()), "--day", str(DAY)),
                *("--run-id", run_id, *arguments),
            ],
            env={**os.environ, **variables, **(environ or {})},
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run_command(self, *task: object, **options: Any) -> Ended:
        """Run the command to its end; it starts warm."""
        return end(self.command(*task, **options, warm=True))

    def stored(self) -> Path:
        """The folder of a `file:///` staging URL."""
        return Path(unquote(urlsplit(self.url).path))

    def written(self, run_id: str = RUN_ID) -> dict[str, bytes]:
        """What the run's tasks wrote, by the end of its name (folder staging only)."""
        folder = self.stored() / f"{PREFIX}run={run_id}"
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "export.json"}

    def revenue(self, run_id: str = RUN_ID) -> dict[Any, tuple[Any, int]]:
        """What the parts hold, read by pyarrow; each key once."""
        folder = self.stored() / f"{PREFIX}run={run_id}"
        rows = [row for path in sorted(folder.glob("part-*")) for row in pq.read_table(path).to_pylist()]
        found = {row["user_id"]: (row["revenue"], row["purchases"]) for row in rows}
        assert len(found) == len(rows)
        return found

    def receipt(self, shard: int, run_id: str = RUN_ID) -> dict[str, Any]:
        """One receipt, as plain JSON."""
        path = self.stored() / f"{PREFIX}run={run_id}/receipt-{shard:05d}.json"
        found: dict[str, Any] = json.loads(path.read_text())
        return found
