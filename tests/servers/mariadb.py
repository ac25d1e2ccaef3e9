"""MariaDB for tests."""

from __future__ import annotations

from pathlib import Path

from tests.servers.mysql_family import USER, MysqlFamilyServer
from tests.servers.programs import find_mariadb
from tests.servers.server import PASSWORD, copy_or_make, fresh_data, which


class MariadbServer(MysqlFamilyServer):
    """A MariaDB with its own data and a binary log."""

    name = "mariadb"
    dialect = "mariadb"
    kill_connection = "KILL SOFT CONNECTION"

    def __init__(self, *, durable: bool = False) -> None:
        self._programs = find_mariadb()
        super().__init__(durable=durable)

    def prepare(self) -> None:
        """Make the data folder; the server's only account is made at every start, and needs the password."""
        made_by = (which(self._programs.install_db), which(self._programs.mariadbd), Path(__file__).read_text("utf-8"))
        fresh = fresh_data(self.name, *made_by)
        copy_or_make(self.folder / "data", fresh, self._initialise, self.user)
        (self.folder / "start.sql").write_text(
            "DELETE FROM mysql.global_priv WHERE User IN ('', 'root');\n"
            "FLUSH PRIVILEGES;\n"
            f"CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n",
            encoding="utf-8",
        )

    def _initialise(self) -> None:
        self.run(
            [
                str(self._programs.install_db),
                "--no-defaults",
                f"--datadir={self.folder / 'data'}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-log-file-size=16M",
                "--innodb-flush-method=nosync",
            ]
        )

    def command(self) -> list[str]:
        """Return the server's command line."""
        settings = self.settings() | {"innodb-log-file-size": "64M", "binlog-format": "ROW"}
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [str(self._programs.mariadbd), "--no-defaults", "--skip-name-resolve", *options]
