"""Which faults of an author's code are worth another try: a connection that broke, whatever wraps it, and no other."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
import subprocess
import urllib.error
from email.message import Message
from typing import Any

import google.api_core.exceptions
import grpc
import psycopg
import pymysql
import pytest
import requests
import urllib3

from staging.process.passing import is_passing

POOL = urllib3.HTTPConnectionPool("h")


class Call(grpc.RpcError):  # type: ignore[misc] # grpc ships no types
    """As grpc raises it: the answer of `code()` is a member of its enumeration."""

    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__()
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code


class Botocore(Exception):  # noqa: N818 - the shape of botocore's ClientError
    def __init__(self, status: int) -> None:
        super().__init__()
        self.response = {"ResponseMetadata": {"HTTPStatusCode": status}}


def library(module: str, name: str) -> BaseException:
    """An exception of a class that derives from one which the library defines."""
    base = type(name, (Exception,), {"__module__": module, "__qualname__": name})
    error: BaseException = type("Derived", (base,), {"__module__": f"{module}.inner"})("told")
    return error


def response(status: int) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    return made


def google_error(code: int, reason: str) -> BaseException:
    errors = [{"reason": reason}]
    error: BaseException = google.api_core.exceptions.from_http_status(code, "told", errors=errors)
    return error


def _used_up(status: int) -> urllib3.exceptions.MaxRetryError:
    """As urllib3 raises it where `Retry(status_forcelist=…)` has come to its end."""
    told = urllib3.exceptions.ResponseError.SPECIFIC_ERROR.format(status_code=status)
    return urllib3.exceptions.MaxRetryError(POOL, "/", urllib3.exceptions.ResponseError(told))


PASSING: dict[str, Any] = {
    "reset": ConnectionResetError(),
    "timeout": TimeoutError(),
    "no route": OSError(errno.EHOSTUNREACH, "No route to host"),
    "no name": socket.gaierror(),
    "cut in TLS": ssl.SSLEOFError(),
    "half an answer": http.client.IncompleteRead(b"", 5),
    "no status line": http.client.RemoteDisconnected("Remote end closed connection without response"),
    "half a file": urllib.error.ContentTooShortError("half", ("a-file", Message())),
    "URLError of a reset": urllib.error.URLError(ConnectionResetError()),
    "429": urllib.error.HTTPError("http://h", 429, "slow down", Message(), None),
    "requests, chunked": requests.exceptions.ChunkedEncodingError(),
    "requests, connection": requests.ConnectionError(),
    "requests, timeout": requests.ReadTimeout(),
    "requests, 503": requests.HTTPError(response=response(503)),
    "requests, held in its arguments": requests.RequestException(urllib3.exceptions.ProtocolError("cut")),
    "requests, retries used up at 503": requests.exceptions.RetryError(_used_up(503)),
    "urllib3, retries used up at 429": _used_up(429),
    "psycopg, no connection": psycopg.OperationalError('connection to server at "h" failed: Connection refused'),
    "psycopg, cut": psycopg.OperationalError("consuming input failed: server closed the connection unexpectedly"),
    "psycopg, starting up": psycopg.OperationalError("FATAL:  the database system is starting up"),
    "urllib3": urllib3.exceptions.ReadTimeoutError(POOL, "/", "late"),
    "httpx": library("httpx", "RemoteProtocolError"),
    "aiohttp": library("aiohttp.client_exceptions", "ClientPayloadError"),
    "botocore": Botocore(503),
    "redis": library("redis.exceptions", "ConnectionError"),
    "gRPC unavailable": Call(grpc.StatusCode.UNAVAILABLE),
    "gRPC exhausted": Call(grpc.StatusCode.RESOURCE_EXHAUSTED),
    "Google, 503": google.api_core.exceptions.ServiceUnavailable("away"),
    "Google, a limit": google_error(403, "rateLimitExceeded"),
    "MySQL has gone away": pymysql.OperationalError(2006, "gone"),
    "a command that took too long": subprocess.TimeoutExpired("curl", 5),
    "group": ExceptionGroup("g", [ConnectionResetError(), ExceptionGroup("h", [TimeoutError()])]),
}

LASTING: dict[str, Any] = {
    "value": ValueError("500"),
    "a file that is not there": FileNotFoundError(errno.ENOENT, "No such file", "a"),
    "403": urllib.error.HTTPError("http://h", 403, "no", Message(), None),
    "Google, forbidden": google_error(403, "forbidden"),
    "exit": SystemExit(503),
    "a code of something else": type("Mine", (Exception,), {"code": 1205})(),
    "requests, retries used up at 404": requests.exceptions.RetryError(_used_up(404)),
    "psycopg, wrong password": psycopg.OperationalError("FATAL:  password authentication failed for user"),
    "psycopg, a certificate": psycopg.OperationalError("SSL error: certificate verify failed"),
    "certificate": ssl.SSLCertVerificationError(),
    "certificate in requests": requests.exceptions.SSLError(ssl.SSLCertVerificationError()),
    "address": requests.exceptions.InvalidURL(),
    "gRPC, not found": Call(grpc.StatusCode.NOT_FOUND),
    "MySQL, no such table": pymysql.ProgrammingError(1146, "none"),
    "a class of the same name": library("mine", "ChunkedEncodingError"),
    "group with one that lasts": ExceptionGroup("g", [ConnectionResetError(), KeyError("x")]),
}


@pytest.mark.parametrize("kind", PASSING)
def test_what_passes_is_worth_another_try_also_as_a_cause(kind: str) -> None:
    assert is_passing(PASSING[kind])
    if not isinstance(PASSING[kind], BaseExceptionGroup):
        assert is_passing(ExceptionGroup("g", [PASSING[kind]]))
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = PASSING[kind]
    assert is_passing(wrapped)


@pytest.mark.parametrize("kind", LASTING)
def test_what_stays_wrong_is_not_tried_again(kind: str) -> None:
    assert not is_passing(LASTING[kind])


def test_causes_that_lead_in_a_circle_end() -> None:
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one
    assert not is_passing(one)
