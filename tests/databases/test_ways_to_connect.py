"""TLS and sockets, each way, on real servers, as source and as target."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from exporter.open_source import open_source
from loader.open_database import open_database
from staging.config.pipeline import Pipeline
from staging.errors import InputError
from tests.databases.encrypted import IN_PARTS, KINDS, open_encrypted
from tests.servers.certificates import CLIENT
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", params=list(KINDS))
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Each server in turn, with accounts that need encryption, and a client's certificate."""
    with open_encrypted(request.param) as made:
        yield made


def _options(server: Any, mode: str, ca: Path | None = None, **more: Path | str) -> str:
    """The same wish in each server's words."""
    is_postgres = isinstance(server, PostgresServer)
    words = {"sslrootcert" if is_postgres else "ssl_ca": ca, "ssl_mode": mode, **more}
    return "&".join(f"{name}={value}" for name, value in words.items() if value is not None)


def _url(server: Any, options: str, *, user: str | None = None, host: str = "127.0.0.1") -> str:
    database = "postgres" if isinstance(server, PostgresServer) else "shop"
    url = server.url(database, **({"user": user} if user else {})).replace("127.0.0.1", host)
    return f"{url}?{options}"


def _reached(url: str, tmp_path: Path) -> tuple[str, str]:
    """How source and target say that they were reached."""
    with open_source(url) as source:
        by_source = source.describe_connection()
    with open_database(_to(url, tmp_path)) as database:
        return by_source, database.describe_connection()


def _to(url: str, tmp_path: Path) -> Pipeline:
    source = {"url": "env:NONE", "table": "t", "key": "k", "time": "at", "columns": ["c"], "timezone": "UTC"}
    staging = {"url": f"file://{tmp_path}"}
    target = {"url": url, "table": "revenue"}
    return Pipeline.model_validate({"name": "way", "source": source, "staging": staging, "target": target})


def _refused(url: str, tmp_path: Path) -> list[str]:
    """What source and target say when they are not let in: both InputError, neither with the password."""
    said = []
    with pytest.raises(InputError) as by_source, open_source(url):
        pass
    with pytest.raises(InputError) as by_target, open_database(_to(url, tmp_path)):
        pass
    for caught in (by_source, by_target):
        assert "canary" not in str(caught.value)
        assert "source.where" not in str(caught.value)
        said.append(str(caught.value))
    return said


@pytest.mark.parametrize(
    ("mode", "checked"),
    [
        ("PREFERRED", "the certificate was not checked"),
        ("REQUIRED", "the certificate was not checked"),
        ("VERIFY_CA", "host name was not"),
        ("VERIFY_IDENTITY", "certificate and host name were checked"),
    ],
)
def test_each_mode_is_encrypted_and_says_what_was_checked(server: Any, tmp_path: Path, mode: str, checked: str) -> None:
    ca = server.certificates.ca if mode.startswith("VERIFY") else None
    for said in _reached(_url(server, _options(server, mode, ca), user="only_tls"), tmp_path):
        assert said.startswith("TLSv1.")
        assert checked in said
        assert f"127.0.0.1:{server.port}" in said


def test_without_tls_nothing_is_encrypted_and_said_so(server: Any, tmp_path: Path) -> None:
    assert all(said.startswith("no TLS") for said in _reached(_url(server, _options(server, "DISABLED")), tmp_path))


def test_an_account_that_demands_tls_is_refused_without(server: Any, tmp_path: Path) -> None:
    _refused(_url(server, _options(server, "DISABLED"), user="only_tls"), tmp_path)


@pytest.mark.parametrize("mode", ["VERIFY_CA", "VERIFY_IDENTITY"])
def test_an_authority_that_did_not_sign_is_told_as_a_certificate(server: Any, tmp_path: Path, mode: str) -> None:
    for said in _refused(_url(server, _options(server, mode, server.certificates.other_ca)), tmp_path):
        assert "certificate" in said.lower()


def test_a_host_that_the_certificate_does_not_name_is_told(server: Any, tmp_path: Path) -> None:
    ca = server.certificates.ca
    for said in _refused(_url(server, _options(server, "VERIFY_IDENTITY", ca), host="localhost"), tmp_path):
        assert "localhost" in said
    by_both = _reached(_url(server, _options(server, "VERIFY_CA", ca), host="localhost"), tmp_path)
    assert all(said.startswith("TLSv1.") for said in by_both)


def test_parts_of_a_url_reach_the_server_with_a_password_that_no_url_could_hold(server: Any, tmp_path: Path) -> None:
    user, password, made = IN_PARTS, "p@:/%40 ?#&+'" + '"', server.certificates
    dialect = server.scheme.partition("+")[0]
    if isinstance(server, PostgresServer):
        database = "postgres"
        with server.connect() as admin:
            admin.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(user), sql.Literal(password))
            )
    else:
        database = "shop"
        with server.connect() as admin, admin.cursor() as cursor:
            cursor.execute("CREATE USER %s@'%%' IDENTIFIED BY %s REQUIRE SSL", (user, password))
            cursor.execute("GRANT ALL ON shop.* TO %s@'%%'", (user,))
    (tmp_path / "password").write_text(password + "\n", encoding="utf-8")
    place = {"dialect": dialect, "host": "127.0.0.1", "port": server.port, "database": database, "user": user}
    tls = {"tls": "VERIFY_IDENTITY", "tls_ca": str(made.ca)}
    pipeline = _to("env:NONE", tmp_path)
    parts = place | tls | {"password": f"file:{tmp_path / 'password'}", "table": "t"}
    target = type(pipeline.target).model_validate(parts)
    with open_source(target.url.reveal()) as source:
        assert "certificate and host name were checked" in source.describe_connection()
    with open_database(pipeline.model_copy(update={"target": target})) as opened:
        assert "certificate and host name were checked" in opened.describe_connection()
    (tmp_path / "password").write_text("canary", encoding="utf-8")
    _refused(target.url.reveal(), tmp_path)


def test_a_client_s_certificate_lets_in_and_its_absence_does_not(server: Any, tmp_path: Path) -> None:
    made = server.certificates
    names = ("sslcert", "sslkey") if isinstance(server, PostgresServer) else ("ssl_cert", "ssl_key")
    more = dict(zip(names, (made.client, made.client_key), strict=True))
    if os.geteuid() == 0:
        made.client_key.chmod(0o600)
    with_it = _url(server, _options(server, "VERIFY_CA", made.ca, **more), user=CLIENT)
    assert all(said.startswith("TLSv1.") for said in _reached(with_it, tmp_path))
    _refused(_url(server, _options(server, "VERIFY_CA", made.ca), user=CLIENT), tmp_path)


def test_a_unix_socket_is_taken(server: Any, tmp_path: Path) -> None:
    is_postgres = isinstance(server, PostgresServer)
    option = f"host={server.folder}&port={server.port}" if is_postgres else f"unix_socket={server.folder / 'socket'}"
    url = _url(server, option).replace(f"127.0.0.1:{server.port}", "")
    for said in _reached(url, tmp_path):
        assert "socket" in said


def test_a_server_that_takes_encrypted_connections_only_is_told_as_such(server: Any, tmp_path: Path) -> None:
    """`require_secure_transport`, which Cloud SQL offers; in PostgreSQL it is a rule of pg_hba.conf."""
    if isinstance(server, PostgresServer):
        for said in _refused(_url(server, "sslmode=disable", user="only_tls"), tmp_path):
            assert "sslmode" in said
        return
    server.execute("SET GLOBAL require_secure_transport = ON")
    try:
        for said in _refused(_url(server, "ssl_mode=DISABLED"), tmp_path):
            assert "ssl_mode=REQUIRED" in said  # MariaDB says "access denied", so the advice there has both
        assert all(said.startswith("TLSv1.") for said in _reached(_url(server, "charset=utf8"), tmp_path))
    finally:
        with server.connect() as admin, admin.cursor() as cursor:
            cursor.execute("SET GLOBAL require_secure_transport = OFF")
