"""What sqlite3's errors mean to a load.

The result codes are in `databases.sqlite.errors`.
"""

from __future__ import annotations

import sqlite3

from databases.errors import Kind, Meaning
from databases.sqlite.errors import code_of, meaning_of, why
from loader.target.errors import KEY, ContendedError, load_error
from staging.errors import InputError, PenstockError

_FIXES = {
    Kind.READ_ONLY: "Give its user the right to write file and folder.",
    Kind.LOST: "Look at the disk.",
}


def is_busy(exc: sqlite3.Error) -> bool:
    """Return whether somebody else has the file locked."""
    return code_of(exc).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def translate_error(exc: sqlite3.Error) -> PenstockError:
    """Return what an error means."""
    meaning = meaning_of(exc)
    # sqlite3's own objections have no code: to a statement that was never given to the library.
    if meaning.kind is Kind.UNKNOWN and isinstance(exc, sqlite3.ProgrammingError):
        meaning = Meaning(Kind.STATEMENT)
    if meaning.kind is Kind.CONTENDED:
        return ContendedError("The SQLite file is locked by somebody else.", why=why(exc), fix="Run the loader again.")
    if meaning.kind is Kind.LOGIN:
        fix = f"Check the path in {KEY}; `penstock init` makes a new file."
        return InputError("The SQLite file can't be used.", why=why(exc), fix=fix)
    fix = _FIXES.get(meaning.kind, meaning.fix)
    return load_error(Meaning(meaning.kind, fix), "The SQLite file", why=why(exc))
