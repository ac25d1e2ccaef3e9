"""Where the servers' programs lie on this machine."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

FAKE_GCS_VERSION = "1.56.1"
CHECKOUT = Path(__file__).resolve().parents[2]
FAKE_GCS_CACHED = CHECKOUT / ".cache" / "servers" / f"fake-gcs-server-{FAKE_GCS_VERSION}" / "fake-gcs-server"
MYSQL_CACHED = CHECKOUT / ".cache" / "servers" / "mysql"
MYSQL_NOT_TO_BE_HAD = MYSQL_CACHED.with_name("mysql-not-to-be-had")
"""Says why not, where Debian's suite can't give it at present."""
NEWER_POSTGRES_VERSION = "18"
NEWER_POSTGRES = MYSQL_CACHED.with_name("postgres-newer")
"""What `fetch_postgres` made; taken where PENSTOCK_TEST_POSTGRES is `newer`."""
HOW_TO_GET_ALL = "python -m tests.servers.install"


class ServerMissingError(Exception):
    """A server's program is not on this machine. `server` is its name, `how_to_get` one sentence.

    `is_to_be_had` is false when nothing that one can do here would get it.
    """

    def __init__(self, server: str, how_to_get: str, *, is_to_be_had: bool = True) -> None:
        super().__init__(f"{server} is not on this machine: {how_to_get}")
        self.server = server
        self.how_to_get = how_to_get
        self.is_to_be_had = is_to_be_had


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """PostgreSQL's programs, of one version."""

    initdb: Path
    postgres: Path


@dataclass(frozen=True, slots=True)
class MariadbPrograms:
    """MariaDB's programs."""

    install_db: Path
    mariadbd: Path


@dataclass(frozen=True, slots=True)
class MysqlPrograms:
    """MySQL's server: the words that run it, and the version it tells."""

    mysqld: tuple[str, ...]
    version: str


def find_postgres() -> PostgresPrograms:
    """Return the programs on PATH, else Debian's newest; or those of the cache where asked for; ServerMissingError."""
    if os.environ.get("PENSTOCK_TEST_POSTGRES") == "newer":
        programs = NEWER_POSTGRES / "usr/lib/postgresql" / NEWER_POSTGRES_VERSION / "bin"
        if not (programs / "initdb").exists():
            raise ServerMissingError("newer PostgreSQL", "run `python -m tests.servers.fetch_postgres`")
        return PostgresPrograms(programs / "initdb", programs / "postgres")
    folders = [*_path_folders(), *sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)]
    folders += [Path("/usr/pgsql/bin"), Path("/opt/homebrew/bin")]
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            # A wrapper's link would look for its libraries beside itself.
            return PostgresPrograms((folder / "initdb").resolve(), (folder / "postgres").resolve())
    raise ServerMissingError("PostgreSQL", f"run `{HOW_TO_GET_ALL}`, or `apt-get install postgresql`")


def find_mariadb() -> MariadbPrograms:
    """Return the programs on PATH or in the system's folders; ServerMissingError."""
    install_db = _first("mariadb-install-db")
    mariadbd = _first("mariadbd")
    if install_db is None or mariadbd is None:
        raise ServerMissingError("MariaDB", f"run `{HOW_TO_GET_ALL}`, or `apt-get install mariadb-server`")
    return MariadbPrograms(install_db, mariadbd)


@functools.cache
def find_mysql(cached: Path = MYSQL_CACHED) -> MysqlPrograms:
    """Return the server from the checkout's cache, else `mysqld` on PATH, if it is no MariaDB; ServerMissingError."""
    if cached.exists():
        return MysqlPrograms(tuple(loader_command(cached)), _version_of(loader_command(cached)))
    # Beside MariaDB, `mysqld` is a link to its server.
    if (program := _first("mysqld")) and "MariaDB" not in (version := _version_of([str(program)])):
        return MysqlPrograms((str(program), "--no-defaults"), version)
    note = cached.with_name(MYSQL_NOT_TO_BE_HAD.name)
    if note.exists():
        raise ServerMissingError("MySQL", note.read_text(encoding="utf-8").strip(), is_to_be_had=False)
    raise ServerMissingError("MySQL", f"run `{HOW_TO_GET_ALL}`, or put MySQL's own `mysqld` on PATH")


def loader_command(folder: Path) -> list[str]:
    """Return the words that run MySQL's server of a folder that `fetch_mysql` made, by its own loader and libraries."""
    loader = next((folder / "lib").glob("ld-linux-*"))
    return [
        *(str(loader), "--library-path", str(folder / "lib"), str(folder / "bin" / "mysqld"), "--no-defaults"),
        *(f"--basedir={folder}", f"--plugin-dir={folder / 'plugin'}", f"--lc-messages-dir={folder / 'share'}"),
        f"--character-sets-dir={folder / 'share' / 'charsets'}",
    ]


def _version_of(command: list[str]) -> str:
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def find_pgbouncer() -> Path:
    """Return the program on PATH or in the system's folders; ServerMissingError."""
    if found := _first("pgbouncer"):
        return found
    raise ServerMissingError("pgbouncer", f"run `{HOW_TO_GET_ALL}`, or `apt-get install pgbouncer`")


def find_fake_gcs() -> Path:
    """Return the program from the checkout's cache, else from PATH; ServerMissingError."""
    found = FAKE_GCS_CACHED if FAKE_GCS_CACHED.exists() else _first("fake-gcs-server")
    if found is None:
        raise ServerMissingError(
            "fake-gcs-server",
            f"run `{HOW_TO_GET_ALL}`, or `go install github.com/fsouza/fake-gcs-server@v{FAKE_GCS_VERSION}`",
        )
    return found


def find_curl() -> str:
    """Return curl, with which the documents' examples for the shell are tried; ServerMissingError."""
    if found := _first("curl"):
        return str(found)
    raise ServerMissingError("curl", f"run `{HOW_TO_GET_ALL}`, or `apt-get install curl`")


def find_spin() -> str:
    """Return spin, the model checker, which needs gcc; ServerMissingError."""
    if (found := _first("spin")) and _first("gcc"):
        return str(found)
    raise ServerMissingError("spin", f"run `{HOW_TO_GET_ALL} nightly`, or `apt-get install spin gcc`")


def find_uv() -> str:
    """Return uv: that on PATH, else that which set up the checkout; ServerMissingError."""
    found = [shutil.which("uv"), *map(str, sorted(CHECKOUT.glob(".tools/uv-*/bin/uv"), reverse=True))]
    if uv := next(filter(None, found), None):
        return uv
    raise ServerMissingError("uv", "run `.ci/setup`")


def _first(program: str) -> Path | None:
    found = shutil.which(
        program, path=os.pathsep.join(map(str, [*_path_folders(), "/usr/bin", "/usr/sbin", "/usr/local/sbin"]))
    )
    return Path(found) if found else None


def _path_folders() -> list[Path]:
    return [Path(folder) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]


def _version(folder: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(folder))]
