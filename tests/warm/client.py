"""Asks the fork server for a process, hands it our files and variables, and ends as it ends.

Written out as a program by `start.py`, and run without site-packages. It must start in milliseconds: so it imports what
is built into Python alone, and neither `os` nor `socket`.
"""

import _signal as signal  # type: ignore[import-not-found] # typeshed knows only `signal`, which is not built in
import marshal
import posix
import sys

if sys.argv[1:2] not in (["-m"], ["-P"]):
    posix.execv("@PYTHON@", ["@PYTHON@", *sys.argv[1:]])

import _socket as socket

server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
server.connect("@SOCKET@")
child = 0
early: list[int] = []


def forward(number: int, _: object) -> None:
    if not child:
        early.append(number)
        return
    try:  # noqa: SIM105 - contextlib costs as much as all the rest
        posix.kill(child, number)
    except ProcessLookupError:
        pass


def read_number(otherwise: int) -> int:
    """Read a line; where the server is gone, it is what else is said."""
    line = b""
    while not line.endswith(b"\n"):
        if not (piece := server.recv(1)):
            return otherwise
        line += piece
    return int(line)


for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
    if signal.getsignal(number) != signal.SIG_IGN:
        signal.signal(number, forward)
order = marshal.dumps((sys.argv[1:], posix.getcwd(), posix.environ, posix.getpid()))
files = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
server.sendmsg([len(order).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
server.sendall(order)
child = read_number(0) or posix._exit(1)
for number in early:
    forward(number, None)
status = read_number(signal.SIGKILL)
if posix.WIFSIGNALED(status):
    ended_by = posix.WTERMSIG(status)
    signal.signal(ended_by, signal.SIG_DFL) if ended_by != signal.SIGKILL else None
    posix.kill(posix.getpid(), ended_by)
posix._exit(posix.waitstatus_to_exitcode(status))
