"""The servers of the tests end with whoever started them, however that ended."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers.fake_gcs import FakeGcsServer
from tests.servers.mariadb import MariadbServer
from tests.servers.mysql import MysqlServer
from tests.servers.postgres import PostgresServer
from tests.servers.programs import CHECKOUT
from tests.servers.server import HOST, PASSWORD, Server

pytestmark = pytest.mark.integration

_START = """
import signal, time
from tests.servers.fake_gcs import FakeGcsServer
# As in a terminal: whoever runs the tests in the background may have told all of them to ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
server = FakeGcsServer()
server.start()
print(server.port, server.folder, flush=True)
time.sleep(100)
"""
_PATIENCE_SECONDS = 20.0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_server_and_its_folder_are_gone_when_its_starter_dies(
    number: signal.Signals, gcs_server: FakeGcsServer
) -> None:
    # `gcs_server` is asked for so that a machine without the program skips.
    starter = subprocess.Popen([sys.executable, "-c", _START], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    with starter.stdout:
        port, folder = starter.stdout.readline().split()
        assert _answers(int(port))
        starter.send_signal(number)
        starter.wait()
    _wait_until_gone(int(port), Path(folder))


def test_no_server_runs_as_root(
    postgres_server: PostgresServer,
    mariadb_server: MariadbServer,
    mysql_server: MysqlServer,
    gcs_server: FakeGcsServer,
) -> None:
    for server in (postgres_server, mariadb_server, mysql_server, gcs_server):
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in _processes_of(server)}
        assert owners, server.name
        assert 0 not in owners, server.name


def test_no_password_is_in_a_server_s_command_line(
    postgres_server: PostgresServer, mariadb_server: MariadbServer, mysql_server: MysqlServer
) -> None:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            assert PASSWORD.encode() not in (folder / "cmdline").read_bytes()
        except OSError:
            continue


def test_a_server_keeps_its_data_and_its_port_over_a_kill(own_postgres: PostgresServer) -> None:
    with own_postgres.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
    port = own_postgres.port
    own_postgres.kill()
    assert not _answers(port)
    own_postgres.start()
    assert own_postgres.port == port
    with own_postgres.connect() as connection:
        assert connection.execute("SELECT number FROM kept").fetchall() == [(1,)]


def test_two_servers_of_mysql_are_not_the_same_one(mysql_server: MysqlServer, own_mysql: MysqlServer) -> None:
    uuids = set()
    for server in (mysql_server, own_mysql):
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT @@server_uuid")
            uuids |= set(cursor.fetchall())
    assert len(uuids) == 2


def _processes_of(server: Server) -> list[int]:
    """Return the processes that work in the server's folder, without its keeper."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            if (folder / "cwd").readlink().is_relative_to(server.folder) and b"keeper.py" not in command:
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def _answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _wait_until_gone(port: int, folder: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (_answers(port) or folder.exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _answers(port)
    assert not folder.exists()
