"""Turns an error of a source database into our own.

One way for all servers, after each server's own table.
"""

from __future__ import annotations

from databases.errors import Kind, Meaning
from staging.errors import InputError, PenstockError

KEY = "source.url"
CONNECT = "connect"
"""The text for making a connection: no column and no condition can be at fault then."""

_TRY_AGAIN = "Try again."
_ADVICE = {
    Kind.UNREACHABLE: "Try again; is the server up?",
    Kind.LOST: _TRY_AGAIN,
    Kind.CROWDED: _TRY_AGAIN,
    Kind.CONTENDED: _TRY_AGAIN,
    Kind.TOO_LONG: "Raise `export.max_snapshot_seconds`, index the time column, or read from a replica.",
    Kind.INTERRUPTED: _TRY_AGAIN,
    Kind.ALTERED: _TRY_AGAIN,
    Kind.LOGIN: f"Look at {KEY}: host, port, database, user, password.",
    Kind.TLS: f"Look at the certificates named in {KEY}.",
    Kind.RIGHT: f"Grant it: GRANT SELECT ON the table (and on PostgreSQL USAGE ON its schema) TO the user of {KEY}.",
}
_OF_A_STATEMENT = "Look at the columns and at `source.where`; names are compared exactly."
_STATEMENT_KINDS = frozenset({Kind.MISSING, Kind.STATEMENT, Kind.VALUE})
_NO_TABLE = "Look at `source.table` and, where a name has dots, `source.schema`."


def source_error(meaning: Meaning, server: str, doing: str, *, why: str, is_table: bool = False) -> PenstockError:
    """Return the project's own error for a server's.

    `is_table`: the server does not find the table itself.
    """
    kind = meaning.kind
    if kind is Kind.READ_ONLY and doing != CONNECT:
        what = f"{server} could not {doing}: it would write, and a source is only read."
        return InputError(what, why=why, fix="Take what writes out of `source.where` and out of the view.")
    advice = _ADVICE.get(kind, "")
    if kind in _STATEMENT_KINDS and doing != CONNECT:
        advice = _NO_TABLE if is_table else _OF_A_STATEMENT
    has = "has no room on its disk to" if kind is Kind.FULL else "could not"
    return meaning.error(f"{server} {has} {doing}.", why=why, fix=meaning.fix_for(KEY, advice))
