"""LOAD DATA LOCAL from memory.

The server gets our bytes, and no file of this machine. In the protocol it is the *server* that names the file to send,
and PyMySQL opens whatever it names (https://dev.mysql.com/doc/refman/8.4/en/load-data-local-security.html). Here
nothing is ever opened: only while a load of ours runs, and only for the name we gave, our bytes are sent.
"""

from __future__ import annotations

from typing import Any

from pymysql import connections, err

from databases.mysql.driver import Connection

_PACKET_BYTES = 1024 * 1024
_NAME = "penstock-rows"


class LocalConnection(Connection):
    """A connection that can load bytes."""

    _bytes_to_load: bytes | None = None

    def load_bytes(self, into: str, data: bytes) -> None:
        """Run LOAD DATA LOCAL INFILE with these bytes.

        `into` begins at `INTO TABLE`.
        """
        self._bytes_to_load = data
        try:
            self.query(f"LOAD DATA LOCAL INFILE '{_NAME}' {into}")
        finally:
            self._bytes_to_load = None

    def _read_query_result(self, unbuffered: bool = False) -> Any:  # noqa: ANN401 - PyMySQL's own signature
        self._result = None
        result = _GuardedResult(self)
        if unbuffered:
            result.init_unbuffered_query()
        else:
            result.read()
        self._result = result
        if result.server_status is not None:
            self.server_status = result.server_status
        return result.affected_rows


class _GuardedResult(connections.MySQLResult):  # type: ignore[misc] # PyMySQL ships no types
    """Answers the server's request for a file."""

    def _read_load_local_packet(self, first_packet: Any) -> None:  # noqa: ANN401 - see above
        connection: Any = self.connection
        wanted = connections.LoadLocalPacketWrapper(first_packet).filename
        data = connection._bytes_to_load if wanted == _NAME.encode() else None
        view = memoryview(data or b"")
        for start in range(0, len(view), _PACKET_BYTES):
            connection.write_packet(bytes(view[start : start + _PACKET_BYTES]))
        connection.write_packet(b"")
        answer = connection._read_packet()
        if data is None:
            raise err.OperationalError(2068, f"the server asked for a file that was not offered: {wanted!r}")
        if not answer.is_ok_packet():
            raise err.OperationalError(2014, "Commands Out of Sync")
        self._read_ok_packet(answer)


def can_load_bytes() -> bool:
    """Return whether this PyMySQL has the parts that are overridden here.

    If not, rows go by INSERT.
    """
    return all(
        hasattr(owner, name)
        for owner, name in (
            (connections.Connection, "_read_query_result"),
            (connections.Connection, "write_packet"),
            (connections.MySQLResult, "_read_load_local_packet"),
            (connections.MySQLResult, "_read_ok_packet"),
            (connections, "LoadLocalPacketWrapper"),
        )
    )
