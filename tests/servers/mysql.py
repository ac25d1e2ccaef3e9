"""MySQL for tests: Oracle's, of the newest release."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

from tests.servers.mysql_family import USER, MysqlFamilyServer
from tests.servers.programs import MYSQL_CACHED, find_mysql, loader_command
from tests.servers.server import PASSWORD, copy_or_make, fresh_data


class MysqlServer(MysqlFamilyServer):
    """A MySQL with its own data, a binary log and GTIDs.

    `at_first` are options that hold from the initialisation on (`lower_case_table_names`), `options` others.
    """

    name = "mysql"
    dialect = "mysql"
    kill_connection = "KILL CONNECTION"

    def __init__(self, *, durable: bool = False, at_first: tuple[str, ...] = (), options: tuple[str, ...] = ()) -> None:
        self._programs = find_mysql()
        self._mysqld = list(self._programs.mysqld)
        self._at_first = at_first
        self._options = options
        super().__init__(durable=durable)

    def prepare(self) -> None:
        """Copy an initialised data folder; the server's only account is made at every start, and needs the password."""
        if self.user != "-" and not _is_open_to_all(MYSQL_CACHED) and MYSQL_CACHED.exists():
            # Its user may not be allowed to look into our home folder.
            self._mysqld = loader_command(Path(shutil.copytree(MYSQL_CACHED, self.folder / "mysql")))
        fresh = fresh_data(self.name, self._programs.version, *self._at_first)
        copy_or_make(self.folder / "data", fresh, self._initialise, self.user)
        (self.folder / "start.sql").write_text(
            "DROP USER IF EXISTS 'root'@'localhost';\n"
            f"CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n",
            encoding="utf-8",
        )

    def command(self) -> list[str]:
        """Return the server's command line."""
        settings = self.settings() | {
            "mysqlx": "OFF",
            "gtid-mode": "ON",
            "enforce-gtid-consistency": "ON",
            # The folder that is built in does not exist.
            "secure-file-priv": "",
            # A recursive query stands in for MariaDB's sequences.
            "cte-max-recursion-depth": "4294967295",
        }
        given = [*self._at_first, *self._options]
        return [
            *self._mysqld,
            "--skip-name-resolve",
            *(f"--{name}={value}" for name, value in settings.items()),
            *given,
        ]

    def _initialise(self) -> None:
        made = ["--initialize-insecure", f"--datadir={self.folder / 'data'}", *self._at_first]
        # A small redo log, for the copies; the server makes it larger when it starts.
        self.run([*self._mysqld, *made, "--innodb-redo-log-capacity=8M", "--innodb-flush-method=nosync"])
        # Its UUID: of two servers that share one, neither can be the other's replica.
        (self.folder / "data" / "auto.cnf").unlink()


def _is_open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents)
