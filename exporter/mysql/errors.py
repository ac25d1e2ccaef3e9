"""What MySQL's and MariaDB's errors mean to an export, by their number."""

from __future__ import annotations

import re

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from exporter.port.catalogue import scrub
from staging.errors import InputError, PenstockError, UnavailableError

KEEP_IDLE = "wait_timeout = 86400"
"""A session's setting: a day of pacing is no reason to end a connection that is idle meanwhile."""

# https://mariadb.com/kb/en/mariadb-error-code-reference/ and MySQL's error reference: what may pass by itself.
_TRANSIENT = frozenset(
    {1040, 1042, 1043, 1053, 1077, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1205, 1213, 1226, 1290, 1317, 1412, 1927}
    | {1969, 2002, 2003, 2005, 2006, 2013, 2014, 2055, 3024, 4031}
)
_FIXES = {
    1044: "Grant it: GRANT SELECT ON the table TO the user of source.url.",
    1142: "Grant it: GRANT SELECT ON the table TO the user of source.url.",
    1143: "Grant it: GRANT SELECT ON the table TO the user of source.url.",
    1045: "Correct user and password in source.url; @ : / % in the password are written %40 %3A %2F %25.",
    1049: "Look at the database in source.url.",
    1054: "Look at the columns and at `source.where`; names are compared exactly.",
    1146: "Look at `source.table` and, where a name has dots, `source.schema`.",
    1205: "Try again when the ALTER, or whatever holds the table's lock, is through.",
    1412: "The table was altered while the snapshot began: try again.",
    1969: "Raise `export.max_snapshot_seconds`, index the time column, or read from a replica.",
    3024: "Raise `export.max_snapshot_seconds`, index the time column, or read from a replica.",
}
_NO_SPACE = "No space left on device"
# Disk full; table full; what the engine of temporary tables says of its own when it could not write them.
_DISK_FULL = frozenset({1021, 1114})
_TEMPORARY_BROKEN = re.compile(r"is corrupted|is crashed|Incorrect key file")
_TEMPORARY_TABLE = "#sql"
_DISK_FULL_FIX = (
    "Free space on the disk of the database server, where it keeps temporary files (`tmpdir`) or data, and try again. "
    "Its log says which; a view that sorts or groups needs room for all of its rows."
)
_PYMYSQL = re.compile(r"^\((\d{4}),")


def translate_error(error: BaseException, doing: str, url: URL) -> PenstockError:
    """Return ours: UnavailableError for what may pass, InputError for what the same attempt would meet again."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = scrub(str(original), url)
    number = error_number(original)
    if _is_disk_full(number, text):
        why = text if _NO_SPACE in text else f"{text}. It says so when the disk of its temporary files is full."
        what = f"The {url.get_backend_name()} server has no room on its disk to {doing}."
        return UnavailableError(what, why=why, fix=_DISK_FULL_FIX)
    what = f"The {url.get_backend_name()} server could not {doing}."
    if "certificate" in text.lower():
        return InputError(what, why=text, fix="Look at the certificates named in source.url.")
    if number is None or number in _TRANSIENT:
        return UnavailableError(what, why=text, fix=_FIXES.get(number or 0, "Try again; is the server up?"))
    return InputError(
        what, why=text, fix=_FIXES.get(number, "Look at the pipeline's source, above all `source.where`.")
    )


def _is_disk_full(number: int | None, text: str) -> bool:
    broken = _TEMPORARY_TABLE in text and _TEMPORARY_BROKEN.search(text) is not None
    return number in _DISK_FULL or _NO_SPACE in text or broken


def error_number(error: BaseException) -> int | None:
    """Return the server's or the driver's number of a driver's error, None where it has none."""
    if error.args and isinstance(error.args[0], int):
        return int(error.args[0])
    text = str(error)
    match = _PYMYSQL.search(text)
    return int(match[1]) or None if match else None
