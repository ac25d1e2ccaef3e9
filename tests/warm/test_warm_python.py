"""What starts warm is a process as any other."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.chain.chain_days import wait_until
from tests.warm import warm_python

pytestmark = pytest.mark.integration

PROGRAM = """\
import os, signal, sys, time
from pathlib import Path

def end(number, frame):
    print("heard", number, flush=True)
    sys.exit(7)

if sys.argv[1] == "tell":
    print(os.environ["GIVEN"], os.getcwd(), sys.argv[1:], sys.stdin.read(), Path("/proc/self/stat").exists())
    print("grüße", file=sys.stderr)
    sys.exit(int(sys.argv[2]))
if sys.argv[1] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "raise":
    raise RuntimeError("the moon is wrong")
signal.signal(signal.SIGTERM, end)
Path("running").write_text(str(os.getpid()))
time.sleep(1000)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "warm_program.py").write_text(PROGRAM)
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [warm_python(), "-m", "warm_program", *arguments]
    environ = {**os.environ, "GIVEN": "ü"}
    return subprocess.run(command, cwd=folder, env=environ, input="in", capture_output=True, text=True, check=False)


@pytest.mark.parametrize("code", [0, 40])
def test_it_has_its_own_arguments_folder_variables_files_and_exit_code(folder: Path, code: int) -> None:
    ended = run(folder, "tell", str(code))
    assert ended.returncode == code, ended.stderr
    assert ended.stdout == f"ü {folder} ['tell', '{code}'] in True\n"
    assert ended.stderr == "grüße\n"


def test_an_error_is_told_as_python_does(folder: Path) -> None:
    ended = run(folder, "raise")
    assert (ended.returncode, "RuntimeError: the moon is wrong" in ended.stderr) == (1, True)


def test_a_process_that_is_killed_looks_killed(folder: Path) -> None:
    assert run(folder, "kill").returncode == -signal.SIGKILL


def test_a_signal_reaches_it(folder: Path) -> None:
    with subprocess.Popen(
        [warm_python(), "-m", "warm_program", "wait"], cwd=folder, stdout=subprocess.PIPE, text=True
    ) as process:
        wait_until((folder / "running").exists)
        process.send_signal(signal.SIGTERM)
        assert process.communicate()[0] == f"heard {int(signal.SIGTERM)}\n"
        assert process.returncode == 7


def test_it_ends_with_who_asked_for_it(folder: Path) -> None:
    with subprocess.Popen([warm_python(), "-m", "warm_program", "wait"], cwd=folder) as process:
        wait_until(lambda: (folder / "running").exists() and (folder / "running").read_text())
        number = (folder / "running").read_text()
        process.kill()
    wait_until(lambda: not Path("/proc", number).exists())


def test_what_is_no_module_is_run_by_python_itself() -> None:
    ended = subprocess.run([warm_python(), "-c", "print(6 * 7)"], capture_output=True, text=True, check=True)
    assert ended.stdout == "42\n"


@pytest.mark.parametrize("said", [b"", b"\0", b"\0\0\0\x09", b"\0\0\0\x09half"])
def test_who_is_killed_before_all_was_said_ends_nobody_else(folder: Path, said: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(Path(warm_python()).with_name("socket")))
        if said:
            socket.send_fds(client, [said], [0, 1, 2])
    assert run(folder, "tell", "0").returncode == 0
