"""sqlite3's errors as the project's own, by result code (https://www.sqlite.org/rescode.html)."""

from __future__ import annotations

import sqlite3

from loader.target.errors import ConnectionLostError, ContendedError, ReadOnlyError
from staging.errors import InputError, IntegrityError, PenstockError, UnavailableError


def code_of(exc: sqlite3.Error) -> str:
    """Return the name of the result code, such as SQLITE_BUSY."""
    return str(getattr(exc, "sqlite_errorname", "") or "")


def is_busy(exc: sqlite3.Error) -> bool:
    """Whether somebody else has the file locked."""
    return code_of(exc).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def translate_error(exc: sqlite3.Error) -> PenstockError:  # noqa: PLR0911 - a table of cases
    """Return what an error means."""
    code = code_of(exc)
    why = f"{exc} ({code or type(exc).__name__})"
    if is_busy(exc):
        return ContendedError("The SQLite file is locked by somebody else.", why=why, fix="Run the loader again.")
    if code.startswith("SQLITE_READONLY"):
        return ReadOnlyError(
            "The SQLite file takes no writes.", why=why, fix="Give its user the right to write file and folder."
        )
    if code.startswith(("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")):
        return IntegrityError(
            "SQLite found a key twice.", why=why, fix="A key belongs to one row of one part; look at the transform."
        )
    if code.startswith(("SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG", "SQLITE_RANGE")):
        return InputError(
            "SQLite refuses rows of the day.", why=why, fix="Make the target table fit, or the transform."
        )
    if code in ("SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_PERM", "SQLITE_AUTH"):
        return InputError(
            "The SQLite file can't be used.",
            why=why,
            fix="Check the path in target.url; `penstock init` makes a new file.",
        )
    if code.startswith("SQLITE_IOERR"):
        return ConnectionLostError("The SQLite file could not be read or written.", why=why, fix="Look at the disk.")
    if code == "SQLITE_ERROR" or isinstance(exc, sqlite3.ProgrammingError):
        return InputError(
            "SQLite can't run the load on this target.",
            why=why,
            fix="Compare the table with what `penstock init` would create.",
        )
    return UnavailableError("SQLite could not do it now.", why=why, fix="Try again.")
