"""Sends a password in clear text only where nobody can read it.

That is over TLS, or over a Unix socket. A server asks by `mysql_clear_password`: Cloud SQL for a token, PAM, LDAP.
PyMySQL would answer any server that asks. (MySQL manual 8.4.1.4,
"Client-Side Cleartext Pluggable Authentication": TLS or a socket.)
"""

from __future__ import annotations

import ssl
from typing import Any

from staging.errors import InputError

PLUGIN = "mysql_clear_password"


class ClearPassword:
    """PyMySQL's answer to a server that asks so; `key` names the URL."""

    def __init__(self, connection: Any, key: str) -> None:  # noqa: ANN401 - PyMySQL ships no types
        self._connection = connection
        self._key = key

    def authenticate(self, _packet: object) -> Any:  # noqa: ANN401 - see above
        """Send it and return the answer; InputError over an open line."""
        connection = self._connection
        if not isinstance(connection._sock, ssl.SSLSocket) and not connection.unix_socket:
            raise InputError(
                f"The server of {self._key} asks for the password as it is, and the connection has no TLS.",
                why=f"It authenticates by {PLUGIN}; whoever reads the line would have the password.",
                fix="Take ssl_mode=REQUIRED, or better VERIFY_CA or VERIFY_IDENTITY.",
            )
        connection.write_packet(connection.password + b"\0")
        return connection._read_packet()
