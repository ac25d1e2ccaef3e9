"""A process that can't say what it did ends with a code, not with a traceback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from staging.errors import ExitCode

LEAVE = "import sys; from staging.process.entry import exit_now; print('done'); exit_now(int(sys.argv[1]))"
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
CLOSED = "import os, sys; os.close(int(sys.argv.pop(1))); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"


@pytest.mark.parametrize("code", [ExitCode.DONE, ExitCode.INTEGRITY])
@pytest.mark.parametrize("output", ["/dev/full", "a closed pipe"])
def test_where_standard_output_can_not_be_written_all_is_not_well(output: str, code: ExitCode) -> None:
    if output == "/dev/full":
        written = os.open(output, os.O_WRONLY)
    else:
        read, written = os.pipe()
        os.close(read)
    try:
        left = subprocess.run(
            [sys.executable, "-c", LEAVE, str(int(code))],
            check=False,
            env=BUFFERED,
            stdout=written,
            stderr=subprocess.PIPE,
        )
    finally:
        os.close(written)
    assert left.returncode == (code or ExitCode.UNAVAILABLE)
    assert b"Traceback" not in left.stderr
    assert (b"Standard output can't be written: No space left on device" in left.stderr) is (output == "/dev/full")


@pytest.mark.parametrize("stream", [1, 2])
def test_a_stream_that_was_closed_before_is_nothing_to_fail_at(stream: int) -> None:
    command = [sys.executable, "-c", CLOSED, str(stream), "-c", LEAVE, "0"]
    left = subprocess.run(command, check=False, env=BUFFERED, capture_output=True)
    assert (left.returncode, left.stderr) == (0, b"")
