"""Asks the fork server for a process, hands it our files and variables, and ends as it ends.

Written out as a program by `start.py`, and run without site-packages: it must start in milliseconds.
"""

import marshal
import os
import signal
import sys

if sys.argv[1:2] not in (["-m"], ["-P"]):
    os.execv("@PYTHON@", ["@PYTHON@", *sys.argv[1:]])

import array
import contextlib
import socket

server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
server.connect("@SOCKET@")
child = 0
early: list[int] = []


def forward(number: int, _: object) -> None:
    if child:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)
    else:
        early.append(number)


for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
    if signal.getsignal(number) is not signal.SIG_IGN:
        signal.signal(number, forward)
here = os.getcwd()  # noqa: PTH109 - pathlib would cost as much as all the rest
order = marshal.dumps((sys.argv[1:], here, dict(os.environ), os.getpid()))
files = array.array("i", [0, 1, 2])
server.sendmsg([len(order).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
server.sendall(order)
answers = server.makefile("r")
child = int(answers.readline())
for number in early:
    forward(number, None)
status = int(answers.readline() or signal.SIGKILL)
if os.WIFSIGNALED(status):
    signal.signal(os.WTERMSIG(status), signal.SIG_DFL) if os.WTERMSIG(status) != signal.SIGKILL else None
    os.kill(os.getpid(), os.WTERMSIG(status))
os._exit(os.waitstatus_to_exitcode(status))
