"""Jobs that are born from the fork server: processes as any other, with what is theirs and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chain.jobs.local.attached import STARTER_VARIABLE, attached_command
from chain.jobs.local.early_start import begin_early, take_begun
from chain.jobs.local.warm_start import open_warm_start
from chain.jobs.open import open_warm_jobs
from chain.jobs.port import JobName
from jobs_emulator.run.command import Command
from jobs_emulator.run.spawn import Spawn
from tests.chain.jobs.cloudrun.harness import a_pipeline, all_gone, wait_until

pytestmark = pytest.mark.integration

JOB = """\
import json, os, sys, threading, tempfile
with open("/proc/self/environ") as file: shown = file.read()
with open("/proc/self/cmdline") as file: command = file.read()
told = {
    "variables": dict(os.environ), "shown": shown, "command": command, "arguments": sys.argv[1:], "cwd": os.getcwd(),
    "parent": os.getppid(), "session": os.getsid(0), "group": os.getpgrp(), "pid": os.getpid(),
    "warm": "ready_made" in sys.modules, "temporary": tempfile.gettempdir(), "main": __name__,
    "files": sorted(os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if int(n) > 2 and os.path.exists(f"/proc/self/fd/{n}")),
}
print(json.dumps(told))
print("to stderr", file=sys.stderr)
if "wait" in sys.argv:
    sys.stdout.flush()
    threading.Event().wait()
sys.exit(int(sys.argv[1]))
"""  # noqa: E501 - one line of a text
READY_MADE = "import tempfile; tempfile.gettempdir()\n"
WITH_A_THREAD = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()\n"


class Jobs:
    """A job module of the test's own in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "probe_job.py").write_text(JOB)
        (folder / "ready_made.py").write_text(READY_MADE)
        self.shared = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{folder}{os.pathsep}{Path.cwd()}",
            STARTER_VARIABLE: str(os.getpid()),
        }

    @contextmanager
    def open(self) -> Iterator[Spawn]:
        environments: dict[JobName, dict[str, str]] = {
            "exporter": {**self.shared, "SOURCE": "canary-1"},
            "loader": {**self.shared, "X": "canary-2"},
        }
        imports: dict[JobName, list[str]]
        imports = {"probe_job": ["ready_made", "no_such_module"]}  # type: ignore[dict-item] # a module of the test's own
        with open_warm_start(environments, imports) as spawn:
            assert spawn is not None
            yield spawn

    def start(self, spawn: Spawn, *arguments: str, **more: str) -> int:
        command = Command((*attached_command("probe_job"), *arguments), str(self.folder), {})
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            return spawn(command, {**self.shared, **more}, out.fileno(), err.fileno())

    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "out").read_text())
        return found

    def run(self, spawn: Spawn, *arguments: str, **more: str) -> tuple[int, dict[str, Any]]:
        pid = self.start(spawn, *arguments, **more)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), self.told()


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path)


def fork_servers() -> list[int]:
    """The fork servers of this process that live."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"chain.jobs.local.fork_server" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def test_a_job_has_its_own_variables_arguments_folder_and_exit_code(jobs: Jobs) -> None:
    with jobs.open() as spawn:
        code, told = jobs.run(spawn, "7", "--day", "ü x", MINE="p@ss", TMPDIR=str(jobs.folder))
    assert (code, told["warm"], told["main"]) == (7, True, "__main__")
    assert told["variables"] == {**jobs.shared, "MINE": "p@ss", "TMPDIR": str(jobs.folder)}
    assert (told["arguments"], told["cwd"]) == (["7", "--day", "ü x"], str(jobs.folder))
    assert told["temporary"] == str(jobs.folder), "each attempt has a folder of its own"
    assert (jobs.folder / "err").read_text() == "to stderr\n"


def test_a_job_is_our_own_child_and_leads_its_session_with_no_file_of_anybody_else(jobs: Jobs) -> None:
    with jobs.open() as spawn:
        pid = jobs.start(spawn, "0")
        os.waitpid(pid, 0)
        told = jobs.told()
    assert {told["pid"], told["session"], told["group"]} == {pid}
    assert told["parent"] == os.getpid()
    assert told["files"] == []


def test_a_list_of_processes_shows_the_job_and_no_secret(jobs: Jobs) -> None:
    with jobs.open() as spawn:
        _, told = jobs.run(spawn, "0", "--day", "2026-01-01", SECRET="p@ss")
    assert told["command"].rstrip("\0").split("\0") == [*attached_command("probe_job"), "0", "--day", "2026-01-01"]
    assert "p@ss" not in told["shown"]


def test_no_secret_of_one_job_is_in_the_fork_server_or_in_another_job(jobs: Jobs) -> None:
    with jobs.open() as spawn:
        jobs.run(spawn, "0", SECRET="canary-3")
        (server,) = fork_servers()
        environment = Path(f"/proc/{server}/environ").read_bytes().split(b"\0")
        memory = read_memory(server)
        _, told = jobs.run(spawn, "0")
    assert f"{STARTER_VARIABLE}={os.getpid()}".encode() in environment
    assert b"canary-" not in b"".join(environment)
    assert str(jobs.folder).encode() in memory, "it can be read"
    assert [canary for canary in (b"canary-1", b"canary-2", b"canary-3") if canary in memory] == []
    assert told["variables"] == jobs.shared


def test_a_server_that_began_before_the_pipeline_was_known_serves_its_jobs(jobs: Jobs) -> None:
    begin_early(["run", "--day", "today"], {**jobs.shared, "SOURCE_URL": "canary-4", "PENSTOCK_X": "canary-5"})
    (begun,) = fork_servers()
    with jobs.open() as spawn:
        code, told = jobs.run(spawn, "7", SECRET="canary-3")
        assert fork_servers() == [begun]
        environment = Path(f"/proc/{begun}/environ").read_bytes()
        memory = read_memory(begun)
    assert (code, told["warm"], told["variables"]) == (7, True, {**jobs.shared, "SECRET": "canary-3"})
    assert b"canary-" not in environment
    assert str(jobs.folder).encode() in memory, "it can be read"
    assert [number for number in range(1, 6) if b"canary-%d" % number in memory] == []
    assert fork_servers() == []


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        ([], {}),
        (["status"], {}),
        (["--version"], {}),
        (["run", "--help"], {}),
        (["run", "--in-cloud"], {}),
        (["run"], {"RUN_EMULATOR_HOST": "localhost:1"}),
        (["run"], {"CLOUD_RUN_JOB": "chain"}),
    ],
)
def test_nothing_begins_early_where_no_job_will_run_here(
    jobs: Jobs, arguments: list[str], variables: dict[str, str]
) -> None:
    begin_early(arguments, {**jobs.shared, **variables})
    assert take_begun() is None
    assert fork_servers() == []


def test_a_server_that_began_early_ends_where_the_jobs_run_elsewhere(jobs: Jobs, tmp_path: Path) -> None:
    begin_early(["backfill"], jobs.shared)
    assert len(fork_servers()) == 1
    pipeline = a_pipeline(tmp_path, '[cloud]\nproject = "shop-12345"\nregion = "europe-west1"\n')
    with open_warm_jobs(pipeline, tmp_path / "pipeline.toml", {}) as spawn:
        assert spawn is None
        assert fork_servers() == []


def test_a_signal_ends_a_job_and_is_told(jobs: Jobs) -> None:
    with jobs.open() as spawn:
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
            pid = jobs.start(spawn, "0", "wait")
            wait_until(lambda: (jobs.folder / "out").read_text().endswith("\n"))
            os.killpg(pid, number)
            ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert ended == -number


def test_no_orphan_of_another_is_ours_after_a_birth(jobs: Jobs) -> None:
    with jobs.open() as spawn:
        jobs.run(spawn, "0")
        shell = subprocess.run(["sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"], stdout=subprocess.PIPE, check=True)
    orphan = int(shell.stdout)
    try:
        with pytest.raises(ChildProcessError):
            os.waitpid(orphan, os.WNOHANG)
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_where_a_fork_would_lose_a_thread_the_job_starts_as_a_program(jobs: Jobs) -> None:
    (jobs.folder / "ready_made.py").write_text(WITH_A_THREAD)
    with jobs.open() as spawn:
        code, told = jobs.run(spawn, "7", MINE="1")
    assert (code, told["warm"], told["variables"]["MINE"]) == (7, False, "1")


def test_where_the_fork_server_is_gone_the_job_starts_as_a_program(jobs: Jobs) -> None:
    with jobs.open() as spawn:
        jobs.run(spawn, "0")
        (server,) = fork_servers()
        os.kill(server, signal.SIGKILL)
        code, told = jobs.run(spawn, "7")
    assert (code, told["warm"]) == (7, False)


def test_what_is_no_job_of_ours_starts_as_a_program(jobs: Jobs) -> None:
    with jobs.open() as spawn, (jobs.folder / "out").open("wb") as out:
        pid = spawn(Command(("/bin/echo", "here"), "/", {}), {}, out.fileno(), out.fileno())
        os.waitpid(pid, 0)
    assert (jobs.folder / "out").read_text() == "here\n"


def test_a_wrapper_in_the_interpreters_place_is_asked_for_each_job(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    monkeypatch.setattr(sys, "executable", str(wrapper))
    with open_warm_start({"loader": jobs.shared}, {}) as spawn:
        assert spawn is None


def test_the_fork_server_ends_with_its_block_and_a_job_goes_on(jobs: Jobs) -> None:
    with jobs.open() as spawn:
        pid = jobs.start(spawn, "0", "wait")
        wait_until(lambda: (jobs.folder / "out").read_text().endswith("\n"))
        assert len(fork_servers()) == 1
    assert fork_servers() == []
    assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


STARTER = """\
import os, sys, time
from chain.jobs.local.attached import STARTER_VARIABLE
from tests.chain.jobs.local.test_warm_start import Jobs, fork_servers
from pathlib import Path
jobs = Jobs(Path(sys.argv[1]))
with jobs.open() as spawn:
    servers = fork_servers()  # before the job: it has the server's name until it has its own
    print(jobs.start(spawn, "0", "wait"), *servers, flush=True)
    time.sleep(1000)
"""


def test_neither_fork_server_nor_job_outlives_a_starter_that_was_killed(tmp_path: Path) -> None:
    environment = dict(os.environ) | {"PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-c", STARTER, str(tmp_path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pids = [int(pid) for pid in starter.stdout.readline().split()]
        starter.kill()
    assert len(pids) == 2
    wait_until(lambda: all_gone(pids))


def read_memory(pid: int) -> bytes:
    """All that a process may read and write of its own; it stands still meanwhile."""
    found = b""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    with Path(f"/proc/{pid}/mem").open("rb") as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, rights, *_ = line.split()
            start, end = (int(number, 16) for number in place.split("-"))
            if rights.startswith("rw"):
                memory.seek(start)
                found += memory.read(end - start)
    os.kill(pid, signal.SIGCONT)
    return found
