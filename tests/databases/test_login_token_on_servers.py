"""A login by token on real servers: fetched at each connect, over TLS, shown nowhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from databases.url import parse_url
from exporter.open_source import open_source
from exporter.pacing.signal_connection import SignalConnection
from loader.open_database import open_database
from staging.config.file import load_pipeline
from staging.config.pipeline import Pipeline
from staging.errors import InputError
from tests.databases.encrypted import BY_TOKEN, KINDS, open_encrypted
from tests.databases.token_server import TokenServer, serve_tokens
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", params=list(KINDS))
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Each server in turn, with an account whose password is a token."""
    with open_encrypted(request.param) as made:
        if isinstance(made, PostgresServer):
            with made.connect() as admin:
                admin.execute(f'CREATE ROLE "{BY_TOKEN}" LOGIN'.encode())
                admin.execute(f'CREATE SCHEMA shop AUTHORIZATION "{BY_TOKEN}"'.encode())
        else:
            made.execute(f"CREATE USER '{BY_TOKEN}'@'%' IDENTIFIED BY 'none' REQUIRE SSL")
            made.execute(f"GRANT ALL ON shop.* TO '{BY_TOKEN}'@'%'")
        yield made


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    """A token server that Google's library finds; it reads the variable once a process, at its import."""
    with serve_tokens() as made:
        monkeypatch.setenv("GCE_METADATA_HOST", made.address)
        monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", made.address)
        yield made


def _change(server: Any, tokens: TokenServer, token: str) -> None:
    """From now on the server lets in this token alone, and the token server gives it."""
    tokens.token = token
    if isinstance(server, PostgresServer):
        with server.connect() as admin:
            admin.execute(f"ALTER ROLE \"{BY_TOKEN}\" PASSWORD '{token}'".encode())
    else:
        server.execute(f"ALTER USER '{BY_TOKEN}'@'%' IDENTIFIED BY '{token}'")


def _pipeline(server: Any, folder: Path, **more: object) -> Path:
    database = "postgres" if isinstance(server, PostgresServer) else "shop"
    dialect = server.scheme.partition("+")[0]
    parts = {"dialect": dialect, "host": "127.0.0.1", "port": server.port, "user": BY_TOKEN, "database": database}
    keys = parts | {"login": "iam"} | more
    lines = "".join(f"{name} = {value if isinstance(value, int) else repr(value)}\n" for name, value in keys.items())
    path = folder / "p.toml"
    path.write_text(
        f"name = 'p'\n[source]\n{lines}table = 'shop.bought'\nkey = 'user_id'\ntime = 'at'\ncolumns = ['amount']\n"
        f"timezone = 'UTC'\n[staging]\nurl = 'file://{folder}/staging'\n[target]\n{lines}table = 'shop.revenue'\n"
        "ledger = 'shop.ledger'\n"
    )
    return path


def _reached(pipeline: Pipeline) -> tuple[str, str]:
    with open_source(pipeline.source.url.reveal()) as source, open_database(pipeline) as database:
        return source.describe_connection(), database.describe_connection()


def test_a_token_is_fetched_at_each_connect(server: Any, tokens: TokenServer, tmp_path: Path) -> None:
    pipeline = load_pipeline(_pipeline(server, tmp_path), environ={})
    url = parse_url(pipeline.source.url.reveal())
    with closing(SignalConnection(url, "postgresql" if isinstance(server, PostgresServer) else "mysql")) as signals:
        for token in ("ya29.canary-first", "ya29.canary-second"):
            _change(server, tokens, token)
            signals.close()  # the next look opens another
            assert signals.ask("SELECT 1").rows == [(1,)]
            for said in _reached(pipeline):
                assert said.startswith("TLSv1.")


def test_a_token_goes_with_a_certificate_that_is_checked(server: Any, tokens: TokenServer, tmp_path: Path) -> None:
    _change(server, tokens, "ya29.canary-checked")
    ca = str(server.certificates.ca)
    pipeline = load_pipeline(_pipeline(server, tmp_path, tls="VERIFY_IDENTITY", tls_ca=ca), environ={})
    for said in _reached(pipeline):
        assert "certificate and host name were checked" in said


def test_a_token_that_the_server_does_not_take_is_told_without_it(
    server: Any, tokens: TokenServer, tmp_path: Path
) -> None:
    _change(server, tokens, "ya29.canary-taken")
    tokens.token = "ya29.canary-other"
    pipeline = load_pipeline(_pipeline(server, tmp_path), environ={})
    with pytest.raises(InputError) as by_source, open_source(pipeline.source.url.reveal()):
        pass
    with pytest.raises(InputError) as by_target, open_database(pipeline):
        pass
    for caught in (by_source, by_target):
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "server",
    ["postgres", *(pytest.param(kind, marks=pytest.mark.nightly) for kind in ("mariadb", "mysql"))],
    indirect=True,
)
def test_a_whole_day_runs_on_tokens_and_none_is_seen(server: Any, tmp_path: Path) -> None:
    """Real jobs, each of which finds the token server by its environment."""
    statements = (
        "CREATE TABLE shop.bought (user_id BIGINT NOT NULL, at TIMESTAMP NOT NULL, amount DECIMAL(12,2) NOT NULL)",
        "CREATE INDEX at_time ON shop.bought (at)",
        "INSERT INTO shop.bought VALUES (1, '2026-03-03 10:00:00', 1.25), (1, '2026-03-03 11:00:00', 2.50)",
    )
    if isinstance(server, PostgresServer):
        with server.connect() as admin:
            admin.execute(f'SET ROLE "{BY_TOKEN}"'.encode())
            for statement in statements:
                admin.execute(statement.encode())
    else:
        for statement in statements:
            server.execute(statement)
    config = _pipeline(server, tmp_path)
    with serve_tokens() as tokens:
        _change(server, tokens, "ya29.canary-of-a-day")
        environment = os.environ | {"GCE_METADATA_HOST": tokens.address, "PENSTOCK_LOGS": str(tmp_path / "logs")}
        for command in (["init"], ["run", "--day", "2026-03-03"]):
            done = subprocess.run(
                [sys.executable, "-m", "chain", *command, "--config", str(config)],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert "canary" not in done.stdout + done.stderr
        assert len(tokens.scopes) >= 4
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and re.search(b"canary", path.read_bytes())]
    assert not kept
    rows = "SELECT user_id, revenue FROM shop.revenue"
    if isinstance(server, PostgresServer):
        with server.connect() as admin:
            found = admin.execute(rows.encode()).fetchall()
    else:
        with server.connect() as admin, admin.cursor() as cursor:
            cursor.execute(rows)
            found = cursor.fetchall()
    assert [(int(user), str(amount)) for user, amount in found] == [(1, "3.75")]
