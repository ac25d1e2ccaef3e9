"""How MySQL and MariaDB are read: by MariaDB's ODBC driver where it is here and fits, else by pymysql, saying why."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.engine import URL

from exporter.mysql import MysqlSource
from exporter.mysql_rows import RowReader


def connect_mysql(url: URL, say: Callable[[str], None]) -> MysqlSource:
    """Connect by ODBC if its driver is here and knows the URL's options, else by pymysql, and `say` so."""
    rows, why = _connect_rows(url)
    if why:
        say(f"{url.get_backend_name()} is read by pymysql, twenty times slower than by ODBC: {why}")
    return MysqlSource(url, rows)


def _connect_rows(url: URL) -> tuple[RowReader, str]:
    from exporter.mysql_plain import PlainRows  # noqa: PLC0415 - only one of the two is needed

    try:
        from exporter.mysql_odbc import OdbcRows, find_odbc_driver, odbc_options  # noqa: PLC0415 - see above
    except ImportError:
        return PlainRows(url), "the extra penstock[odbc] is not installed"
    driver, options = find_odbc_driver(), odbc_options(url)
    if driver is None:
        return PlainRows(url), "MariaDB's ODBC driver (Debian: odbc-mariadb) is not installed"
    if options is None:
        return PlainRows(url), "source.url has options that the ODBC driver does not know"
    return OdbcRows(url, driver, options), ""
