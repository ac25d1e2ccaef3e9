"""What an error of SQLite means.

By its result code (https://www.sqlite.org/rescode.html), else by its words. ADBC gives no result code, so for the
exporter the library's own sentences have to be enough.
"""

from __future__ import annotations

from databases.errors import NOT_KNOWN, Kind, Meaning

_CODES: tuple[tuple[tuple[str, ...], Kind], ...] = (
    (("SQLITE_BUSY", "SQLITE_LOCKED"), Kind.CONTENDED),
    (("SQLITE_READONLY",), Kind.READ_ONLY),
    (("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_ROWID"), Kind.KEY_TWICE),
    (("SQLITE_CONSTRAINT_TRIGGER",), Kind.RAISED),
    (("SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG", "SQLITE_RANGE"), Kind.VALUE),
    (("SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_PERM", "SQLITE_AUTH"), Kind.LOGIN),
    (("SQLITE_CORRUPT",), Kind.DAMAGED),
    (("SQLITE_FULL", "SQLITE_NOMEM"), Kind.FULL),
    (("SQLITE_IOERR",), Kind.LOST),
    (("SQLITE_INTERRUPT", "SQLITE_ABORT"), Kind.INTERRUPTED),
    (("SQLITE_SCHEMA",), Kind.ALTERED),
    (("SQLITE_ERROR",), Kind.STATEMENT),
)
"""By the beginning of a code's name; the longer name first."""
_WORDS: tuple[tuple[str, Kind], ...] = (
    ("database is locked", Kind.CONTENDED),
    ("database table is locked", Kind.CONTENDED),
    ("schema has changed", Kind.ALTERED),
    ("disk I/O error", Kind.LOST),
    ("database or disk is full", Kind.FULL),
    ("is not a database", Kind.LOGIN),
    ("malformed", Kind.DAMAGED),
    ("unable to open database", Kind.LOGIN),
    ("no such table", Kind.MISSING),
    ("no such column", Kind.MISSING),
    ("no such function", Kind.MISSING),
    ("syntax error", Kind.STATEMENT),
    ("interrupted", Kind.INTERRUPTED),
)


def code_of(error: BaseException) -> str:
    """Return the name of the result code, such as SQLITE_BUSY.

    Empty where the driver gives none.
    """
    return str(getattr(error, "sqlite_errorname", "") or "")


def meaning_of(error: BaseException) -> Meaning:
    """Return what a driver's error means."""
    return meaning_of_code(code) if (code := code_of(error)) else meaning_of_words(str(error))


def meaning_of_code(code: str) -> Meaning:
    """Return what the name of a result code means."""
    return next((Meaning(kind) for names, kind in _CODES if code.startswith(names)), NOT_KNOWN)


def meaning_of_words(text: str) -> Meaning:
    """Return what a sentence of the library means.

    A driver may have put more around it.
    """
    return next((Meaning(kind) for words, kind in _WORDS if words in text), NOT_KNOWN)


def why(error: BaseException) -> str:
    """Return a driver's error as one line, with its code."""
    text = " ".join(str(error).split())
    return f"{text} ({code_of(error)})" if code_of(error) else text
