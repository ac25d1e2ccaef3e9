"""Servers that take TLS, with accounts that need it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from tests.servers.certificates import CLIENT, Certificates, make_certificates
from tests.servers.mariadb import MariadbServer
from tests.servers.missing import skip_or_fail
from tests.servers.mysql import MysqlServer
from tests.servers.mysql_family import MysqlFamilyServer
from tests.servers.postgres import PostgresServer
from tests.servers.programs import ServerMissingError
from tests.servers.server import PASSWORD

IN_PARTS = "in/parts"
BY_TOKEN = "penstock@shop.iam"
"""Its password is a token, which Cloud SQL asks for as it is."""


class _Encrypted:
    """What a server with certificates has beside its own."""

    folder: Path
    user: str
    certificates: Certificates
    scheme: str

    def make(self) -> None:
        """Write certificates where the server, and this process, can read them."""
        self.folder.chmod(0o755)
        self.certificates = make_certificates(self.folder, self.user)


class EncryptedPostgres(_Encrypted, PostgresServer):
    """Takes TLS, a client's certificate for one account, and a socket."""

    scheme = "postgresql+psycopg"

    def prepare(self) -> None:
        """Switch it on in the cluster's own settings."""
        super().prepare()
        self.make()
        made = self.certificates
        with (self.folder / "data" / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
            settings.write(
                f"ssl = on\nssl_ca_file = '{made.ca}'\nssl_cert_file = '{made.server}'\n"
                f"ssl_key_file = '{made.server_key}'\n"
            )
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text(
            f"hostssl all {CLIENT} 127.0.0.1/32 cert\nhostssl all only_tls 127.0.0.1/32 scram-sha-256\n"
            f'hostssl all "{BY_TOKEN}" 127.0.0.1/32 password\n'
            f'hostssl all "{IN_PARTS}" 127.0.0.1/32 scram-sha-256\n'
            "host all penstock 127.0.0.1/32 scram-sha-256\nlocal all all scram-sha-256\n",
            encoding="utf-8",
        )

    def command(self) -> list[str]:
        """Add the socket's folder."""
        return [*super().command(), "-c", f"unix_socket_directories={self.folder}"]


class _EncryptedFamily(_Encrypted, MysqlFamilyServer):
    own_tls: ClassVar[dict[str, bool]] = {}

    def settings(self) -> dict[str, str]:
        """Name the certificates."""
        made = self.certificates
        return super().settings() | {
            "ssl-ca": str(made.ca),
            "ssl-cert": str(made.server),
            "ssl-key": str(made.server_key),
        }


class EncryptedMariadb(_EncryptedFamily, MariadbServer):
    """Takes TLS."""

    scheme = "mariadb+pymysql"

    def prepare(self) -> None:
        """See `make`."""
        super().prepare()
        self.make()


class EncryptedMysql(_EncryptedFamily, MysqlServer):
    """Takes TLS."""

    scheme = "mysql+pymysql"

    def prepare(self) -> None:
        """See `make`."""
        super().prepare()
        self.make()


KINDS = {"postgres": EncryptedPostgres, "mariadb": EncryptedMariadb, "mysql": EncryptedMysql}


@contextmanager
def open_encrypted(kind: str) -> Iterator[Any]:
    """Start one of `KINDS`, with accounts that need encryption, and a client's certificate."""
    try:
        made: Any = KINDS[kind]()
    except ServerMissingError as error:
        skip_or_fail(error)
        raise
    made.start()
    try:
        if isinstance(made, PostgresServer):
            with made.connect() as admin:
                admin.execute(f"CREATE ROLE only_tls LOGIN PASSWORD '{PASSWORD}'".encode())
                admin.execute(f"CREATE ROLE {CLIENT} LOGIN".encode())
        else:
            made.execute(f"CREATE USER only_tls@'%' IDENTIFIED BY '{PASSWORD}' REQUIRE SSL")
            made.execute(f"CREATE USER {CLIENT}@'%' IDENTIFIED BY '{PASSWORD}' REQUIRE X509")
            made.execute("CREATE DATABASE shop")
            for user in ("only_tls", CLIENT):
                made.execute(f"GRANT ALL ON shop.* TO {user}@'%'")
        yield made
    finally:
        made.close()
