"""What no test may do: speak to another machine, lean on the user's settings, leave a process behind."""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from staging import redaction

ENVIRONMENT_AT_START = dict(os.environ)
"""For tests that run the user's own tools, such as uv with its package index."""

_MARK = "PENSTOCK_TEST_RUN"
_KEPT_SETTINGS = ("PENSTOCK_REQUIRE_SERVERS", _MARK)
_FOREIGN = (
    "CLOUD_RUN_",
    "CLOUDSDK_",
    "GCSFS_",
    "GOOGLE_",
    "PENSTOCK_",
    "POLARS_",
    "RUN_EMULATOR_",
    "STORAGE_EMULATOR_",
)
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_PATIENCE_SECONDS = 5.0
_PROC = Path("/proc")
_others: set[str] = set()
"""Processes that no test started, by their numbers: who has no mark gets none. The kernel gives a number out again only
after all others."""


class OtherMachineError(Exception):
    """A test tried to reach an address that is not loopback."""


def pytest_configure(config: pytest.Config) -> None:
    """Forget the user's settings, mark our children, and watch connections, for the whole run.

    Where workers run the tests, each does so for itself: it shall know the user's environment as it was.
    """
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return
    gc.disable()  # until all is collected: looking for garbage among what stays is a seventh of the time
    for name in list(os.environ):
        if name.startswith(_FOREIGN) and name not in _KEPT_SETTINGS:
            del os.environ[name]
        if name.lower() in (*_PROXIES, "no_proxy"):
            del os.environ[name]
    os.environ |= {_MARK: secrets.token_hex(8), "NO_GCE_CHECK": "true", "TZ": "Pacific/Chatham"}
    # gcsfs asks each bucket for its kind over gRPC, which the emulator does not speak: a minute of waiting. It reads
    # this when it is imported, which takes a second of each worker: by those tests alone that need it.
    os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
    # A test may write a module twice in a second: compiled, the second one would not be seen.
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    # The machine's authorities vouch for no server of ours, and Python reads all of them, in 0.05 s, for each context.
    os.environ |= {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}
    time.tzset()
    sys.addaudithook(_refuse_other_machines)
    _others.update(_numbers())


def pytest_collection_finish() -> None:
    """From here on modules are the tests' own; and garbage is looked for among what they make, not among all tests."""
    sys.dont_write_bytecode = True
    gc.enable()
    gc.collect()
    gc.freeze()


def _refuse_other_machines(event: str, arguments: tuple[object, ...]) -> None:
    # Sockets of C libraries are not seen; what they connect to is given to them as URLs of the tests' own servers.
    if event == "socket.connect" and isinstance(address := arguments[1], tuple) and not _is_loopback(str(address[0])):
        raise OtherMachineError(f"a test connects to {address[0]}")


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host.partition("%")[0])
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback
    return host == "localhost"


@pytest.fixture(autouse=True)
def _no_secret_of_another_test_hides_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process remembers each password it has seen; a test's `p` would be hidden in the pages of the next one."""
    monkeypatch.setattr(redaction, "_patterns", {})


@pytest.fixture(autouse=True)
def _no_process_is_left_behind() -> Iterator[None]:
    yield
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (left := find_children_of_tests()) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if left:
        pytest.fail(f"the test left processes behind: {left}", pytrace=False)


def find_children_of_tests() -> dict[int, str]:
    """Return the running processes that tests of this run started, with their command lines; not the shared servers.

    They are known by a variable in their environment, so one whose parent has died is found, too.
    """
    mark = f"{_MARK}={os.environ[_MARK]}".encode()
    present = _numbers()
    _others.intersection_update(present)
    found = {}
    for number in present - _others:
        try:
            environment = (_PROC / number / "environ").read_bytes()
            if mark in environment.split(b"\0"):
                command = (
                    (_PROC / number / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                )
                if (
                    command and "multiprocessing.resource_tracker" not in command
                ):  # a zombie has no command line any more
                    found[int(number)] = command
            elif environment:  # there is none for a moment while a program is loaded
                _others.add(number)
        except OSError:
            continue
    return found


def _numbers() -> set[str]:
    return {name for name in os.listdir(_PROC) if name.isdecimal()}  # noqa: PTH208 - after each test


def environment_of_servers() -> dict[str, str]:
    """Return the environment for processes that outlive a test."""
    return {name: value for name, value in os.environ.items() if name != _MARK}
