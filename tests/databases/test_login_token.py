"""A login by token: fetched for each connection, sent over TLS alone, shown nowhere."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread

import pymysql
import pytest

from databases.login_token import SCOPE, fetch_token
from databases.mysql.url import driver_arguments
from databases.mysql.url import tls_mode as mysql_tls_mode
from databases.postgres.url import connect_parameters
from databases.postgres.url import tls_mode as postgres_tls_mode
from databases.tls import TlsMode
from databases.url import parse_url
from loader.target.url import parse_database_url
from staging.config.source import SourceConfig
from staging.errors import InputError, UnavailableError
from staging.redaction import redact
from tests.databases.token_server import TokenServer, serve_tokens
from tests.servers.certificates import make_certificates

POSTGRES, MYSQL = "postgresql+psycopg://sa%40shop.iam@127.0.0.1/d?login=iam", "mysql+pymysql://sa@127.0.0.1/d?login=iam"
TOKEN = "ya29.canary-token_of-a-test"


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    """A token server that Google's library finds; it reads the variable once a process, at its import."""
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setattr("google.auth._exponential_backoff.time.sleep", lambda _: None)
    with serve_tokens() as server:
        server.token = TOKEN
        monkeypatch.setenv("GCE_METADATA_HOST", server.address)
        monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", server.address)
        yield server


def passwords_of() -> list[str]:
    """What each job's driver is given for a connection."""
    loader = parse_database_url(MYSQL)
    return [
        connect_parameters(parse_url(POSTGRES), "test")["password"],
        parse_database_url(POSTGRES).plan_arguments()["password"],
        driver_arguments(parse_url(MYSQL))["password"].decode(),
        *(loader.plan_arguments()["password"].decode() for _ in range(2)),
    ]


def test_each_connection_gets_a_token_of_its_own_with_the_scope_of_a_login(tokens: TokenServer) -> None:
    assert passwords_of() == [TOKEN] * 5
    assert tokens.scopes == [SCOPE] * 5
    tokens.token = "ya29.another-canary"
    assert passwords_of() == ["ya29.another-canary"] * 5


def test_a_token_is_hidden_from_then_on(tokens: TokenServer) -> None:
    tokens.token = "ya29.never-seen-before"
    fetch_token("source.url")
    assert redact("said ya29.never-seen-before") == "said …"


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (404, None, InputError),
        (403, None, InputError),
        (400, None, InputError),
        (429, None, UnavailableError),
        (500, None, UnavailableError),
        (503, None, UnavailableError),
        (200, "", UnavailableError),
        (200, TOKEN, UnavailableError),
        (200, "{}", UnavailableError),
        (200, "[]", UnavailableError),
        (200, json.dumps({"access_token": "", "expires_in": 9}), UnavailableError),
        (200, json.dumps({"access_token": 7, "expires_in": 9}), UnavailableError),
        (200, json.dumps({"access_token": TOKEN, "expires_in": "soon"}), UnavailableError),
    ],
)
def test_a_token_server_that_gives_none_is_told_in_our_words(
    tokens: TokenServer, caplog: pytest.LogCaptureFixture, status: int, answer: str, kind: type[Exception]
) -> None:
    caplog.set_level(logging.DEBUG)
    tokens.status, tokens.answer = status, answer
    with pytest.raises(kind, match=r"token.*target\.url") as caught:
        fetch_token("target.url")
    assert type(caught.value) is kind
    assert caught.value.__cause__ is None
    assert "canary" not in str(caught.value)


def test_no_token_server_is_unavailable(monkeypatch: pytest.MonkeyPatch, tokens: TokenServer) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", nobody)
    with pytest.raises(UnavailableError, match="does not answer"):
        fetch_token("source.url")
    assert not tokens.scopes


@pytest.mark.parametrize("text", ["{}", "no json", '{"type": "service_account"}'])
def test_a_key_file_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    (tmp_path / "key.json").write_text(text)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    with pytest.raises(InputError, match="no account of Google Cloud to log in with"):
        fetch_token("source.url")


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ("", TlsMode.REQUIRED),
        ("&ssl_mode=PREFERRED", TlsMode.REQUIRED),
        ("&ssl=true", TlsMode.REQUIRED),
        ("&ssl_mode=VERIFY_IDENTITY", TlsMode.VERIFY_IDENTITY),
        ("&ssl_mode=VERIFY_CA", TlsMode.VERIFY_CA),
    ],
)
def test_tls_is_forced(tokens: TokenServer, options: str, mode: TlsMode) -> None:
    assert tokens.token == TOKEN
    assert postgres_tls_mode(parse_url(POSTGRES + options)) is mode
    assert connect_parameters(parse_url(POSTGRES + options), "test")["sslmode"] == mode.value
    assert mysql_tls_mode(parse_url(MYSQL + options)) is mode
    assert isinstance(driver_arguments(parse_url(MYSQL + options))["ssl"], ssl.SSLContext)


@pytest.mark.parametrize("option", ["sslmode=allow", "sslmode=prefer"])
def test_libpqs_own_words_that_may_do_without_tls_are_raised(tokens: TokenServer, option: str) -> None:
    assert tokens.token == TOKEN
    assert connect_parameters(parse_url(f"{POSTGRES}&{option}"), "test")["sslmode"] == "require"
    assert postgres_tls_mode(parse_url(f"{POSTGRES}&{option}")) is TlsMode.REQUIRED


@pytest.mark.parametrize(
    "url",
    [
        *(f"{url}&{option}" for url in (POSTGRES, MYSQL) for option in ("ssl_mode=DISABLED", "ssl=false")),
        f"{POSTGRES}&sslmode=disable",
        f"{MYSQL}&ssl_disabled=true",
    ],
)
def test_tls_that_is_switched_off_is_refused_before_a_token_is_fetched(tokens: TokenServer, url: str) -> None:
    with pytest.raises(InputError, match="without TLS"):
        parse_database_url(url).plan_arguments()
    assert not tokens.scopes


@pytest.mark.parametrize("url", [POSTGRES, MYSQL])
def test_a_password_beside_a_token_is_refused(tokens: TokenServer, url: str) -> None:
    with pytest.raises(InputError, match="has a password, and a login by token") as caught:
        parse_database_url(url.replace("@127", ":canary@127")).plan_arguments()
    assert "canary" not in str(caught.value)
    assert not tokens.scopes


def test_a_login_that_is_none_is_refused() -> None:
    for url in (POSTGRES, MYSQL):
        with pytest.raises(InputError, match=r"option `login` of target\.url"):
            parse_database_url(url.replace("=iam", "=aim"))
    with pytest.raises(InputError, match=r"source\.url asks for a login by token"):
        parse_url("sqlite:////x?login=iam")


REST = {"table": "t", "key": "k", "time": "at", "columns": ["a"], "timezone": "UTC", "login": "iam"}


@pytest.mark.parametrize("url", ["postgresql://sa@h/d", "mysql+pymysql://sa@h", "mysql://h/d?ssl_mode=VERIFY_CA"])
def test_the_key_is_an_option_of_the_url(url: str) -> None:
    found = parse_url(SourceConfig.model_validate(REST | {"url": url}).url.reveal())
    assert found == parse_url(url).update_query_dict({"login": "iam"})


@pytest.mark.parametrize("dialect", ["postgresql", "mysql", "mariadb"])
def test_the_key_goes_with_parts(dialect: str) -> None:
    parts = {"dialect": dialect, "host": "h", "user": "sa@shop.iam", "tls": "VERIFY_IDENTITY"}
    found = parse_url(SourceConfig.model_validate(REST | parts).url.reveal())
    assert found.query == {"ssl_mode": "VERIFY_IDENTITY", "login": "iam"}
    for wrong, said in (
        ({"password": "p"}, "leave one of them out"),
        ({"tls": "DISABLED"}, "sent over TLS alone"),
        ({"login": "aim"}, "login"),
    ):
        with pytest.raises(ValueError, match=said):
            SourceConfig.model_validate(REST | parts | wrong)


_SSL, _PLUGIN_AUTH, _BASE = 0x800, 0x80000, 0x1 | 0x200 | 0x8000 | 0x8


def _packet(number: int, data: bytes) -> bytes:
    return struct.pack("<I", len(data))[:3] + bytes([number]) + data


def _read(sock: socket.socket) -> bytes:
    head = sock.recv(4, socket.MSG_WAITALL) if not isinstance(sock, ssl.SSLSocket) else _read_exactly(sock, 4)
    size = int.from_bytes(head[:3], "little")
    return _read_exactly(sock, size)


def _read_exactly(sock: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        if not (more := sock.recv(size - len(found))):
            break
        found += more
    return found


@contextmanager
def a_server_that_asks_for_the_clear_password(context: ssl.SSLContext | None) -> Iterator[tuple[int, list[bytes]]]:
    """MySQL's greeting and its wish for `mysql_clear_password`; collects all that a client says behind its greeting.

    (MySQL's protocol, "Connection Phase"; Cloud SQL asks so of an account of IAM.)
    """
    said: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        sock, _ = listening.accept()
        flags = _BASE | _PLUGIN_AUTH | (_SSL if context else 0)
        greeting = b"\x0a8.0.31-google\0" + struct.pack("<I", 7) + b"12345678\0"
        greeting += struct.pack("<HBHHB", flags & 0xFFFF, 45, 2, flags >> 16, 21) + bytes(10)
        greeting += b"123456789012\0" + b"caching_sha2_password\0"
        try:
            sock.sendall(_packet(0, greeting))
            said.append(_read(sock))
            number = 2
            if context is not None:
                sock = context.wrap_socket(sock, server_side=True)
                said.append(_read(sock))
                number = 3
            sock.sendall(_packet(number, b"\xfemysql_clear_password\0"))
            said.append(_read(sock))
            sock.sendall(_packet(number + 2, b"\xff" + struct.pack("<H", 1045) + b"#28000Access denied"))
        except OSError:
            pass
        finally:
            sock.close()

    thread = Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1], said
    finally:
        listening.close()
        thread.join(10)


def test_the_clear_text_plugin_gets_the_token_over_tls(tokens: TokenServer, tmp_path: Path) -> None:
    made = make_certificates(tmp_path, "root")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.server, made.server_key)
    with a_server_that_asks_for_the_clear_password(context) as (port, said):
        with pytest.raises(pymysql.err.OperationalError) as caught:
            pymysql.connect(**driver_arguments(parse_url(MYSQL.replace("127.0.0.1", f"127.0.0.1:{port}"))))
        assert caught.value.args[0] == 1045
    assert said[-1] == tokens.token.encode() + b"\0"
    assert tokens.token.encode() not in said[0]


def test_a_server_without_tls_gets_no_token(tokens: TokenServer) -> None:
    with (
        a_server_that_asks_for_the_clear_password(None) as (port, said),
        pytest.raises(pymysql.err.OperationalError, match="SSL"),
    ):
        pymysql.connect(**driver_arguments(parse_url(MYSQL.replace("127.0.0.1", f"127.0.0.1:{port}"))))
    assert not any(tokens.token.encode() in each for each in said)


@pytest.mark.parametrize("key", ["source.url", "target.url"])
def test_a_server_without_tls_gets_no_password_in_the_clear_either(key: str) -> None:
    with a_server_that_asks_for_the_clear_password(None) as (port, said):
        url = parse_url(f"mysql+pymysql://u:canary@127.0.0.1:{port}/d")
        with pytest.raises(InputError, match=f"server of {key} asks for the password as it is"):
            pymysql.connect(**driver_arguments(url, key))
    assert not any(b"canary" in each for each in said)
