"""Starts a process while everything else goes on.

`subprocess` starts one with Python's lock held: until the new program has been given a processor and was loaded,
nothing else in this process moves, and on a busy machine that takes tens of milliseconds. The C library's posix_spawn,
called through ctypes, releases the lock, so on a thread only that thread waits. Where the library lacks a needed
function (glibc before 2.34, musl, macOS), `subprocess` does it.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import signal
import subprocess
from collections.abc import Callable, Mapping

from jobs_emulator.run.command import Command

_FILE_ACTIONS_BYTES, _ATTRIBUTES_BYTES, _SIGNAL_SET_BYTES = 256, 1024, 128  # 80, 336 and 128 in glibc
_SET_SIGNAL_DEFAULTS, _SET_SESSION = 0x04, 0x80  # POSIX_SPAWN_SETSIGDEF, POSIX_SPAWN_SETSID
_NO_INPUT = os.devnull
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_FIRST_OWN_DESCRIPTOR = 3
_NEEDED = (
    "posix_spawn",
    "posix_spawnattr_init",
    "posix_spawnattr_setflags",
    "posix_spawnattr_setsigdefault",
    "posix_spawn_file_actions_init",
    "posix_spawn_file_actions_destroy",
    "posix_spawn_file_actions_addopen",
    "posix_spawn_file_actions_adddup2",
    "posix_spawn_file_actions_addchdir_np",
    "posix_spawn_file_actions_addclosefrom_np",
)

Spawn = Callable[[Command, Mapping[str, str], int, int], int]
"""How a process is started, see `spawn`: it must be this process's own child, and the leader of its session."""


def spawn(command: Command, environment: Mapping[str, str], stdout: int, stderr: int) -> int:
    """Starts the program in its own session; returns its id.

    The process id, which the caller has to wait for. Blocks until the program was loaded; made for a thread. Raises
    OSError when it cannot be started, ValueError for text that no process can be given.
    """
    system = _system()
    if system is None or min(stdout, stderr) < _FIRST_OWN_DESCRIPTOR:
        return _spawn_by_subprocess(command, environment, stdout, stderr)
    return system.spawn(command, environment, stdout, stderr)


class _System:
    """The C library's functions: `_quick` ones keep Python's lock, `_spawn` releases it."""

    def __init__(self) -> None:
        self._quick = ctypes.PyDLL(None)
        for name in _NEEDED:
            getattr(self._quick, name)  # AttributeError where the library lacks it
        self._spawn = ctypes.CDLL(None).posix_spawn
        defaults = ctypes.create_string_buffer(_SIGNAL_SET_BYTES)
        self._quick.sigemptyset(defaults)
        for number in _IGNORED_BY_PYTHON:
            self._quick.sigaddset(defaults, int(number))
        self._attributes = ctypes.create_string_buffer(_ATTRIBUTES_BYTES)
        self._quick.posix_spawnattr_init(self._attributes)
        self._quick.posix_spawnattr_setsigdefault(self._attributes, defaults)
        self._quick.posix_spawnattr_setflags(self._attributes, ctypes.c_short(_SET_SIGNAL_DEFAULTS | _SET_SESSION))

    def spawn(self, command: Command, environment: Mapping[str, str], stdout: int, stderr: int) -> int:
        program = _find_program(command, environment)
        arguments = _strings(command.argv)
        variables = _strings([_variable(name, value) for name, value in environment.items()])
        pid, actions, quick = ctypes.c_int(), ctypes.create_string_buffer(_FILE_ACTIONS_BYTES), self._quick
        folder = _encode(command.cwd)
        _check(quick.posix_spawn_file_actions_init(actions), command)
        try:
            for code in (
                quick.posix_spawn_file_actions_addopen(actions, 0, _encode(_NO_INPUT), os.O_RDONLY, 0),
                quick.posix_spawn_file_actions_adddup2(actions, stdout, 1),
                quick.posix_spawn_file_actions_adddup2(actions, stderr, 2),
                quick.posix_spawn_file_actions_addchdir_np(actions, folder),
                quick.posix_spawn_file_actions_addclosefrom_np(actions, _FIRST_OWN_DESCRIPTOR),
                self._spawn(ctypes.byref(pid), program, actions, self._attributes, arguments, variables),
            ):
                _check(code, command)
        finally:
            quick.posix_spawn_file_actions_destroy(actions)
        return pid.value


@functools.cache
def _system() -> _System | None:
    try:
        return _System()
    except (AttributeError, OSError):
        return None


def _spawn_by_subprocess(command: Command, environment: Mapping[str, str], stdout: int, stderr: int) -> int:
    process = subprocess.Popen(
        command.argv,
        cwd=command.cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )
    process.returncode = 0  # the caller waits for it: Popen must not
    return process.pid


def _find_program(command: Command, environment: Mapping[str, str]) -> bytes:
    """The file to load: a name with a slash itself, else the first program of that name in the task's own PATH."""
    name = command.argv[0]
    if "/" in name:
        return _encode(name)
    for folder in os.get_exec_path(environment):
        path = os.path.join(command.cwd, folder, name)  # noqa: PTH118 — the hot path
        if os.access(path, os.X_OK) and os.path.isfile(path):  # noqa: PTH113 — the hot path
            return _encode(path)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


def _variable(name: str, value: str) -> str:
    if "=" in name:
        raise ValueError(f"illegal environment variable name: {name}")
    return f"{name}={value}"


def _strings(texts: list[str] | tuple[str, ...]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * (len(texts) + 1))(*map(_encode, texts), None)


def _encode(text: str) -> bytes:
    encoded = os.fsencode(text)
    if b"\0" in encoded:
        raise ValueError("embedded null byte")
    return encoded


def _check(code: int, command: Command) -> None:
    if code:
        name = command.argv[0] if os.path.isdir(command.cwd) else command.cwd  # noqa: PTH112 — as the calls above
        raise OSError(code, os.strerror(code), name)
