"""Decides whether an author's error may pass by itself.

Whether trying again may help is proven by what the error carries, never guessed. Proof is one of: the operating
system's own error of a connection; a status that a protocol defines as passing (HTTP, gRPC, SQLSTATE); a library's own
mark that the call may be repeated; or a class that a library raises for nothing but a connection that broke or took too
long. Classes are looked up by name, so that no library is imported for it.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterator, Mapping

_HTTP_STATUSES = frozenset({408, 425, 429})
_HTTP_SERVER_FAULTS = range(500, 600)
_GRPC_STATUSES = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED"})
_GOOGLE_REASONS = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "backendError"})
_SQLSTATES = ("08", "40", "53", "57P01", "57P02", "57P03")  # connection, rolled back, out of resources, shutting down
_MYSQL_NUMBERS = frozenset({1040, 1053, 1205, 1213, 2002, 2003, 2006, 2013, 2055})
_NETWORK = frozenset(
    {
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENETRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENOTCONN,
        errno.ENOBUFS,
        errno.EADDRNOTAVAIL,
    }
)
_CONNECTION_FAILED = (
    ConnectionError,
    TimeoutError,
    socket.gaierror,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
    ssl.SSLSyscallError,
)
_BROKEN: Mapping[str, frozenset[str]] = {
    "aiohttp": frozenset({"ClientConnectionError", "ClientPayloadError", "ServerTimeoutError"}),
    "asyncio": frozenset({"IncompleteReadError"}),
    "botocore": frozenset({"ConnectionError", "HTTPClientError", "ResponseStreamingError", "IncompleteReadError"}),
    "elastic_transport": frozenset({"ConnectionError", "ConnectionTimeout"}),
    "ftplib": frozenset({"error_temp"}),
    "http": frozenset({"IncompleteRead", "BadStatusLine"}),
    "httpcore": frozenset({"TimeoutException", "NetworkError", "RemoteProtocolError", "ProxyError"}),
    "httpx": frozenset({"TimeoutException", "NetworkError", "RemoteProtocolError", "ProxyError"}),
    "imaplib": frozenset({"IMAP4.abort"}),
    "psycopg": frozenset({"ConnectionTimeout"}),
    "pyarrow": frozenset({"FlightUnavailableError", "FlightTimedOutError"}),
    "pymongo": frozenset({"AutoReconnect", "NetworkTimeout"}),
    "redis": frozenset({"ConnectionError", "TimeoutError", "BusyLoadingError"}),
    "requests": frozenset({"ConnectionError", "Timeout", "ChunkedEncodingError"}),
    "subprocess": frozenset({"TimeoutExpired"}),
    "urllib": frozenset({"ContentTooShortError"}),
    "urllib3": frozenset({"ProtocolError", "TimeoutError", "NewConnectionError"}),
    "websocket": frozenset({"WebSocketConnectionClosedException", "WebSocketTimeoutException"}),
    "websockets": frozenset({"ConnectionClosed"}),
}
"""For each library the classes (and those derived from them) of a connection that broke or took too long."""

_USED_UP = re.compile(r"too many ([0-9]{3}) error responses")
"""How urllib3 words the status that its last retry met, in an error that has no field for it."""

_LIBPQ = re.compile(
    r"Connection refused|Connection reset|Connection timed out|timeout expired|No route to host"
    r"|Network is unreachable|failed to resolve host|could not translate host name"
    r"|server closed the connection|connection is lost|could not (receive data from|send data to) server"
    r"|SSL connection has been closed|SSL SYSCALL error"
    r"|FATAL:\s+(the database system is (starting up|shutting down|in recovery mode)|sorry, too many clients)",
)
"""How libpq says that it has no connection, or none any more: then there is no SQLSTATE, as no server gave one."""


def is_passing(error: BaseException) -> bool:
    """Return whether this error, or its cause, passes.

    For a group: whether each of its members does. A refused certificate stays refused, whatever wraps it.
    """
    chain = list(_causes_of(error, set()))
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in chain):
        return False
    return any(_members_pass(each) if isinstance(each, BaseExceptionGroup) else _passes(each) for each in chain)


def first_member(error: BaseException) -> BaseException:
    """Return what a group of exceptions is most likely about.

    Its first member that does not pass, else its first.
    """
    while isinstance(error, BaseExceptionGroup):
        error = next((each for each in error.exceptions if not is_passing(each)), error.exceptions[0])
    return error


def _members_pass(group: BaseExceptionGroup[BaseException]) -> bool:
    return all(is_passing(each) for each in group.exceptions)


def _causes_of(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    """Yield an exception and all that led to it, each once."""
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        for held in (getattr(error, "reason", None), *error.args):  # urllib's and requests' keep their cause there
            if isinstance(held, BaseException):
                yield from _causes_of(held, seen)
        error = error.__cause__ or error.__context__


def _passes(error: BaseException) -> bool:
    if isinstance(error, SystemExit):
        return False
    return (
        isinstance(error, _CONNECTION_FAILED)
        or (isinstance(error, OSError) and error.filename is None and error.errno in _NETWORK)
        or _is_broken_connection(type(error))
        or _http_passes(error)
        or _grpc_passes(error)
        or _database_passes(error)
        or any(getattr(error, mark, None) is True for mark in ("retryable", "retriable"))
    )


def _is_broken_connection(kind: type[BaseException]) -> bool:
    return any(each.__qualname__ in _BROKEN.get(each.__module__.partition(".")[0], ()) for each in kind.__mro__)


def _http_passes(error: BaseException) -> bool:
    holders = [error, *(getattr(error, name, None) for name in ("response", "resp"))]
    statuses = [
        getattr(holder, name, None)
        for holder in holders
        for name in ("code", "status", "status_code", "http_status", "errcode")
    ]
    if isinstance(response := getattr(error, "response", None), Mapping):  # botocore's
        metadata = response.get("ResponseMetadata")
        statuses.append(metadata.get("HTTPStatusCode") if isinstance(metadata, Mapping) else None)
    if type(error).__module__.partition(".")[0] == "urllib3":
        statuses += [int(status) for status in _USED_UP.findall(str(error))]
    if any(isinstance(each, int) and (each in _HTTP_STATUSES or each in _HTTP_SERVER_FAULTS) for each in statuses):
        return True
    return any(reason in _GOOGLE_REASONS for reason in _google_reasons(error))


def _google_reasons(error: BaseException) -> Iterator[str]:
    """Give the reasons beside a status, as Google's two client libraries keep them."""
    for name in ("errors", "error_details"):
        details = getattr(error, name, None)
        for each in details if isinstance(details, list | tuple) else ():
            if isinstance(each, Mapping):
                yield str(each.get("reason"))


def _grpc_passes(error: BaseException) -> bool:
    """A `grpc.RpcError` of a call has `code()`, whose answer is a member of an enumeration."""
    if not any(each.__module__.partition(".")[0] == "grpc" for each in type(error).__mro__):
        return False
    code = getattr(error, "code", None)
    return callable(code) and getattr(code(), "name", None) in _GRPC_STATUSES


def _database_passes(error: BaseException) -> bool:
    if getattr(error, "connection_invalidated", None) is True:  # SQLAlchemy's
        return True
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if isinstance(state, str) and state.startswith(_SQLSTATES):
        return True
    library = type(error).__module__.partition(".")[0]
    if state is None and library in ("psycopg", "psycopg2") and type(error).__name__ == "OperationalError":
        return _LIBPQ.search(str(error)) is not None
    is_mysql = library in ("pymysql", "MySQLdb", "mysql")
    return is_mysql and bool(error.args) and error.args[0] in _MYSQL_NUMBERS
