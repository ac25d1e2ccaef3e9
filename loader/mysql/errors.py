"""PyMySQL's errors as the project's own, by number (https://mariadb.com/docs/server/reference/error-codes)."""

from __future__ import annotations

import pymysql

from loader.target.errors import CHECK_URL, ConnectionLostError, ContendedError, ReadOnlyError
from staging.errors import InputError, IntegrityError, PenstockError, UnavailableError

_REFUSED = {1044, 1045, 1049, 1130, 1251, 1275, 1698, 1862, 2059, 2061, 4151}
_LOST = {0, 1040, 1053, 1077, 1079, 1129, 1152, 1158, 1159, 1160, 1161, 1203, 1226, 1927, 2000, 2002, 2003, 2005}
_LOST |= {2006, 2012, 2013, 2014, 2055, 4031}
_CONTENDED = {
    1020: "a row changed meanwhile",
    1205: "a lock was not had in time",
    1213: "deadlock",
    1317: "the statement was interrupted on the server",
    1614: "deadlock",
    1969: "the server's time limit for a statement",
    3024: "the server's time limit for a statement",
    3572: "a lock was not had in time",
}
_READ_ONLY = {1290, 1792, 1836}
_RIGHTS = {1142, 1143, 1227, 1370}
_SHAPE = {1054, 1064, 1146, 1305, 1347, 1442, 1526, 1665, 1785, 1786, 1787, 3780}
_DUPLICATE = {1022, 1062, 1586}
_KEY_TOO_LONG = 1071
_ROWS = {1048, 1364, 1644, 3819, 4025}  # NULL, no default, a trigger's SIGNAL, CHECK
_FULL = {1021, 1041, 1114, 1135, 1180, 1206, 1197, 3675}


def number_of(exc: pymysql.Error) -> int:
    """Return the server's or client's error number (0: the connection is closed already); -1 where there is none."""
    return exc.args[0] if exc.args and isinstance(exc.args[0], int) else -1


def connect_error(exc: Exception, name: str) -> PenstockError:
    """Return what a failed connection means."""
    number = number_of(exc) if isinstance(exc, pymysql.Error) else -1
    if number in _REFUSED or number == -1:
        return InputError(
            f"{name} refuses the connection to the target database.",
            why=_why(exc),
            fix=CHECK_URL,
        )
    return ConnectionLostError(
        f"{name}, the target database, can't be reached.",
        why=_why(exc),
        fix="Try again when it is up; check host and port in target.url.",
    )


def translate_error(exc: pymysql.Error, name: str) -> PenstockError:  # noqa: PLR0911 - a table of cases
    """Return what a failed statement means."""
    number, why = number_of(exc), _why(exc)
    if number in _LOST:
        return ConnectionLostError(f"The connection to {name} is lost.", why=why)
    if number in _CONTENDED:
        return ContendedError(f"{name} stopped the load: {_CONTENDED[number]}.", why=why, fix="Run the loader again.")
    if number in _READ_ONLY:
        return ReadOnlyError(f"{name} takes no writes here.", why=why, fix="Give the URL of the primary in target.url.")
    if number in _RIGHTS:
        return InputError(
            "The target's user lacks a right.", why=why, fix="docs/guarantees.md lists the rights the loader needs."
        )
    if number in _DUPLICATE:
        return IntegrityError(
            f"{name} found a key twice.", why=why, fix="A key belongs to one row of one part; look at the transform."
        )
    if number in _FULL:
        return UnavailableError(f"{name} has no room.", why=why, fix="Make room, then run the loader again.")
    if number == _KEY_TOO_LONG:
        return InputError(
            f"{name} can't index a key that long.",
            why=why,
            fix="Create the table yourself, with shorter columns in its key; `penstock init --dry-run` shows the SQL.",
        )
    if number in _SHAPE:
        return InputError(
            f"{name} can't run the load on this target.",
            why=why,
            fix="Compare the table with what `penstock init` would create.",
        )
    if number in _ROWS or isinstance(exc, pymysql.err.DataError | pymysql.err.IntegrityError):
        return InputError(
            f"{name} refuses rows of the day.", why=why, fix="Make the target table fit, or the transform."
        )
    return UnavailableError(f"{name} could not do it now.", why=why, fix="Try again; the server's log says more.")


def _why(exc: Exception) -> str:
    number, *rest = exc.args or ("",)
    return f"{' '.join(str(part) for part in rest)} ({number})" if rest else str(number)
