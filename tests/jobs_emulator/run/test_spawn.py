"""How the emulator starts a process: as `subprocess` would, but without holding everything else up."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs_emulator.run import spawn as spawning
from jobs_emulator.run.command import Command
from jobs_emulator.run.spawn import spawn
from tests.jobs_emulator.harness import cloud, wait_until

pytestmark = pytest.mark.integration

PATH = {"PATH": "/usr/bin:/bin"}
ONE_LOADED_WHILE_ANOTHER_WAITS = """
import os, sys, threading
from jobs_emulator.run import spawn as spawning
from jobs_emulator.run.command import Command
fifo = sys.argv[1]
os.mkfifo(fifo)
spawning._NO_INPUT = fifo  # the new process waits in opening it, as one does that gets no processor
ends = os.pipe()
other = threading.Thread(target=spawning.spawn, args=(Command(("/bin/true",), "/", {}), {}, ends[1], ends[1]))
other.start()
open(fifo, "wb").close()  # only reached when the lock is free
other.join()
os.wait()
"""
Spawn = Callable[..., tuple[int, str]]


@pytest.fixture(params=["posix_spawn", "subprocess"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Spawn:
    """Starts a program by one of the two ways; gives its exit code and all it wrote."""
    if request.param == "subprocess":
        monkeypatch.setattr(spawning, "_system", lambda: None)
    elif spawning._system() is None:
        pytest.skip("this system's C library has not all of posix_spawn")

    def run_to_its_end(*argv: str, cwd: str = "/", environment: dict[str, str] = PATH) -> tuple[int, str]:
        with (tmp_path / "output").open("w+b") as output:
            number = output.fileno()
            pid = spawn(Command(argv, cwd, environment), environment, number, number)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            output.seek(0)
            return code, output.read().decode()

    return run_to_its_end


def test_a_program_gets_arguments_environment_and_folder_as_they_are(run: Spawn, tmp_path: Path) -> None:
    script = 'printf "%s|" "$@"; pwd; env'
    environment = {**PATH, "ODD": "a b=ü\n$HOME"}
    code, output = run("sh", "-c", script, "sh", "", "ü; $x", cwd=str(tmp_path), environment=environment)
    assert code == 0
    assert output.startswith(f"|ü; $x|{tmp_path}\n")
    assert "ODD=a b=ü\n$HOME\n" in output
    assert "PYTHON" not in output


def test_it_leads_a_session_of_its_own_and_has_no_input_and_no_descriptor_of_ours(run: Spawn) -> None:
    ours = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(ours, True)
    code, output = run("sh", "-c", "cat; ls /proc/$$/fd; cut -d' ' -f1,6 /proc/$$/stat")
    os.close(ours)
    *descriptors, pid, session = output.split()
    assert (code, descriptors, pid) == (0, ["0", "1", "2"], session)


def test_signals_that_python_ignores_end_it_as_they_should(run: Spawn) -> None:
    code, _ = run("sh", "-c", "kill -PIPE $$; exit 5")
    assert code == -13


def test_a_program_is_looked_up_in_its_own_path_and_relative_to_its_own_folder(run: Spawn, tmp_path: Path) -> None:
    tool = tmp_path / "bin" / "tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho found\n")
    tool.chmod(0o700)
    assert run("tool", environment={"PATH": f"/nowhere:{tool.parent}"}) == (0, "found\n")
    assert run("tool", environment={"PATH": "bin"}, cwd=str(tmp_path)) == (0, "found\n")
    assert run("./bin/tool", cwd=str(tmp_path)) == (0, "found\n")


@pytest.mark.parametrize(
    ("argv", "cwd", "error", "named"),
    [
        (("no-such-tool",), "/", FileNotFoundError, "no-such-tool"),
        (("/no/such/tool",), "/", FileNotFoundError, "/no/such/tool"),
        (("/bin/true",), "/no/such/folder", FileNotFoundError, "/no/such/folder"),
        (("/etc/passwd",), "/", PermissionError, "/etc/passwd"),
        (("/bin/true", "a\0b"), "/", ValueError, "null byte"),
    ],
)
def test_what_cannot_be_started_is_named(
    run: Spawn, argv: tuple[str, ...], cwd: str, error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        run(*argv, cwd=cwd)


def test_a_variable_whose_name_cannot_be_is_refused(run: Spawn) -> None:
    with pytest.raises(ValueError, match="illegal environment variable name"):
        run("/bin/true", environment={"A=B": "c"})


def test_the_rest_of_the_program_goes_on_while_a_process_is_being_started(tmp_path: Path) -> None:
    if spawning._system() is None:
        pytest.skip("this system's C library has not all of posix_spawn")
    command = [sys.executable, "-c", ONE_LOADED_WHILE_ANOTHER_WAITS, str(tmp_path / "fifo")]
    subprocess.run(command, check=True, timeout=60)


def test_lists_are_answered_while_a_task_is_being_started_and_a_cancel_then_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if spawning._system() is None:
        pytest.skip("this system's C library has not all of posix_spawn")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    monkeypatch.setattr(spawning, "_NO_INPUT", str(fifo))  # the task waits in opening it, before its program is loaded
    with cloud(slots=1) as region:
        region.create("job", "sleep 100")
        operation = region.run("job")
        wait_until(lambda: region.execution(operation).running_count, "it is being started")
        [task] = region.tasks_of(region.execution(operation))
        assert not task.completion_time
        region.executions.cancel_execution(name=operation.metadata.name)
        assert not region.execution(operation).completion_time
        fifo.open("wb").close()
        execution = region.finish(operation)
    assert (execution.cancelled_count, execution.failed_count) == (1, 0)
