"""What an SQLSTATE of PostgreSQL means (manual, appendix A).

And what a failed connection says without one. libpq gives no SQLSTATE for a failed connection, nor ADBC for an error
between two rows: there the words have to be enough, and words that are not listed are unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from databases.errors import ACCESS, COLLATIONS, NOT_KNOWN, Kind, Meaning

_LIMIT = (
    "Raise it: ALTER ROLE or ALTER DATABASE … CONNECTION LIMIT; "
    "`penstock help connect` says how many connections each job needs."
)
_TLS = "Look at `sslmode` and the certificates named in {url}."
_ROOM = (
    "Free space on the database server's disk, where it keeps temporary files (`temp_tablespaces`) or data, "
    "and try again. A view that sorts or groups needs room for all of its rows."
)
_DEFAULT = "Take that setting away from the account and the database: ALTER ROLE … RESET …, ALTER DATABASE … RESET …"
_SET = (
    "Look at `options` in {url}, and at what the account or the database sets for each session: "
    "ALTER ROLE … RESET …, ALTER DATABASE … RESET …"
)
_HIDDEN = (
    "Give the account BYPASSRLS (ALTER ROLE … BYPASSRLS), or read by one that owns the table; behind a view that goes "
    "for the view's owner. What a policy hides can't be told from what is not there."
)
POOLER = (
    "Connect to PostgreSQL itself, or to a pool in session mode (pgbouncer: pool_mode = session). In transaction mode "
    "one transaction's server is not the next one's, and what is set would stay with other clients."
)

_CLASSES: dict[str, Kind] = {
    "08": Kind.LOST,
    "0A": Kind.STATEMENT,
    "0F": Kind.STATEMENT,
    "10": Kind.STATEMENT,
    "20": Kind.STATEMENT,
    "21": Kind.STATEMENT,
    "22": Kind.VALUE,
    "23": Kind.VALUE,
    "27": Kind.RAISED,
    "28": Kind.LOGIN,
    "2F": Kind.STATEMENT,
    "38": Kind.STATEMENT,
    "39": Kind.STATEMENT,
    "40": Kind.CONTENDED,
    "42": Kind.STATEMENT,
    "44": Kind.VALUE,
    "53": Kind.FULL,
    "54": Kind.STATEMENT,
    "P0": Kind.RAISED,
}
"""What a whole class means; of other classes only the states below are known."""
_STATES: dict[str, Kind] = {
    "09000": Kind.RAISED,
    "08001": Kind.UNREACHABLE,
    "08004": Kind.UNREACHABLE,
    "08P01": Kind.UNKNOWN,  # a pooler says many things by it
    "0L000": Kind.RIGHT,
    "0LP01": Kind.RIGHT,
    "23505": Kind.KEY_TWICE,
    "25006": Kind.READ_ONLY,
    "25P03": Kind.LOST,
    "25P04": Kind.LOST,
    "3D000": Kind.LOGIN,
    "3F000": Kind.MISSING,
    "40002": Kind.VALUE,
    "40003": Kind.LOST,
    "42501": Kind.RIGHT,
    "42703": Kind.MISSING,
    "42704": Kind.MISSING,
    "42883": Kind.MISSING,
    "42P01": Kind.MISSING,
    "53300": Kind.CROWDED,
    "53400": Kind.SETTING,
    "54023": Kind.STATEMENT,
    "55006": Kind.CONTENDED,
    "55P02": Kind.SETTING,
    "55P03": Kind.CONTENDED,
    "57014": Kind.INTERRUPTED,
    "57P01": Kind.LOST,
    "57P02": Kind.LOST,
    "57P03": Kind.UNREACHABLE,
    "57P04": Kind.LOGIN,
    "57P05": Kind.LOST,
    "72000": Kind.ALTERED,
    "HV00N": Kind.UNREACHABLE,
    "XX001": Kind.DAMAGED,
    "XX002": Kind.DAMAGED,
}
_FIXES: Mapping[str, str] = {
    # libpq has no state for our own connection: it is PostgreSQL that connects further, as for a foreign table
    "08001": "Look at CREATE SERVER and USER MAPPING of the foreign table: the server behind it could not be reached.",
    "28P01": (
        "Correct the password in {url}; in a URL @ : / % in it are written %40 %3A %2F %25, "
        "in its parts (`password = …`) as they are."
    ),
    "28000": ACCESS,
    "3D000": "Correct the database in {url}.",
    "42P21": COLLATIONS,
    "42P22": COLLATIONS,
    "53100": _ROOM,
    "53300": "Try again when fewer clients are connected, or raise `max_connections`.",
    "53400": "Raise the limit that it names for the user of {url}, or read what sorts and groups less.",
    "55P03": "Try again when the ALTER, or whatever holds the table's lock, is through.",
    "57014": "Raise `export.max_snapshot_seconds`, index the time column, or read from a replica.",
    "XX001": "Look at the server's log, and at the extension amcheck.",
    "XX002": "Look at the server's log, and at the extension amcheck; REINDEX makes an index anew.",
}
_STATE = re.compile(r"SQLSTATE: ([0-9A-Z]{5})")
_BY_WORDS: tuple[tuple[str, Kind, str], ...] = (
    # a limit of the account's, or of its database
    (r"too many connections for (role|database)", Kind.ACCOUNT_LIMIT, _LIMIT),
    (r"too many clients|connection slots are reserved|no more connections allowed", Kind.CROWDED, _FIXES["53300"]),
    (
        r"starting up|shutting down|recovery mode|not yet accepting|in recovery",
        Kind.UNREACHABLE,
        "Try again when it is up.",
    ),
    (r"could not connect to server|pgbouncer cannot connect|server login has been failing", Kind.UNREACHABLE, ""),
    (
        r"session is (not )?read-only|server is (not )?in hot standby",
        Kind.READ_ONLY,
        "Look at `target_session_attrs` in {url}.",
    ),
    # certificates, before what else a sentence on them says
    (r"certificate|private key file|does not support SSL|\bSSL error|sslmode|SSL negotiation", Kind.TLS, _TLS),
    (
        r"no pg_hba\.conf entry.*no encryption",
        Kind.TLS,
        "The server may take encrypted connections only: put sslmode=require into {url}.",
    ),
    (r"password authentication failed", Kind.LOGIN, _FIXES["28P01"]),
    (r"no password supplied", Kind.LOGIN, _FIXES["28P01"]),
    (r"no pg_hba\.conf entry|is not permitted to log in|authentication failed|no such user", Kind.LOGIN, ACCESS),
    (r"role .* does not exist|database .* does not exist|no such database", Kind.LOGIN, ACCESS),
    (
        r"not currently accepting connections|cannot connect to invalid database",
        Kind.LOGIN,
        "Correct the database in {url}.",
    ),
    (r"permission denied for database", Kind.RIGHT, "Grant it: GRANT CONNECT ON DATABASE … TO the user of {url}."),
    (
        (
            r"authentication method requirement|channel binding required|GSSAPI encryption required"
            r"|could not parse network address|definition of service .* not found|service file .* not found"
        ),
        Kind.LOGIN,
        "Look at the options of {url}.",
    ),
    # what `options` of the URL, an account or a database set for each session
    (
        r"\bparameter \"|command-line argument|^.*FATAL: -c .* requires a value|set session authorization",
        Kind.SETTING,
        _SET,
    ),
    (r"could not access file", Kind.SETTING, _SET),
    (r"transaction blocks not allowed in statement pooling mode", Kind.SETTING, POOLER),
    # between two rows, from ADBC, which drops the SQLSTATE
    (r"No space left on device", Kind.FULL, _ROOM),
    (r"exceeds temp_file_limit", Kind.SETTING, _FIXES["53400"]),
    (r"conflict with recovery", Kind.CONTENDED, ""),
    (r"cannot execute \S+( \S+)* in a read-only transaction", Kind.READ_ONLY, ""),
    (r"canceling statement", Kind.INTERRUPTED, _FIXES["57014"]),
    (r"deadlock detected|could not serialize", Kind.CONTENDED, ""),
    (r"out of memory", Kind.FULL, ""),
    (
        (
            r"terminating connection|server closed the connection|connection (is|was) (lost|closed)"
            r"|no connection to the server"
        ),
        Kind.LOST,
        "",
    ),
    (
        (
            r"Connection refused|could not translate host name|timeout expired|No such file or directory"
            r"|Connection timed out"
        ),
        Kind.UNREACHABLE,
        "",
    ),
    (
        r"invalid connection option|invalid URI|invalid port|invalid integer value|invalid .* value",
        Kind.LOGIN,
        "Look at the options of {url}.",
    ),
    (r"division by zero|invalid input syntax|out of range|cannot be cast", Kind.VALUE, ""),
)


def sqlstate_of(error: BaseException) -> str | None:
    """Return the SQLSTATE of a driver's error, or None.

    The driver is psycopg or ADBC.
    """
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str) and state.strip("\0"):
        return state
    match = _STATE.search(str(error))
    return match[1] if match else None


def meaning_of(error: BaseException) -> Meaning:
    """Return what a driver's error means."""
    state, text = sqlstate_of(error), " ".join(str(error).split())
    if state is None or state == "08P01":  # a pool says many things by that one
        return _by_words(text)
    if state == "42501" and "row-level security" in text:
        return Meaning(Kind.HIDDEN, _HIDDEN)
    if state == "42501" and "to set parameter" in text:
        return Meaning(Kind.SETTING, _DEFAULT)
    if state == "53300" and (found := _by_words(text)).kind is Kind.ACCOUNT_LIMIT:
        return found
    if state == "57014" and "statement timeout" in text:
        return Meaning(Kind.TOO_LONG, _FIXES["57014"])
    return meaning_of_state(state)


def meaning_of_state(state: str) -> Meaning:
    """Return what an SQLSTATE means: by itself, else by its class."""
    kind = _STATES.get(state) or _CLASSES.get(state[:2])
    return Meaning(kind, _FIXES.get(state, "")) if kind else NOT_KNOWN


def why(error: BaseException) -> str:
    """Return a driver's error as one line.

    The server's sentence and its SQLSTATE.
    """
    diag = getattr(error, "diag", None)
    said = getattr(diag, "message_primary", None) or " ".join(str(error).split()) or type(error).__name__
    state = getattr(error, "sqlstate", None)
    return f"{said} (SQLSTATE {state})" if state else str(said)


def _by_words(text: str) -> Meaning:
    found = ((kind, fix) for words, kind, fix in _BY_WORDS if re.search(words, text, re.IGNORECASE))
    return next((Meaning(kind, fix) for kind, fix in found), NOT_KNOWN)
