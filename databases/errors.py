"""What an error of a database can mean.

There are few kinds; each ends a process in one way. Each server's own table (`databases/mysql/errors.py` and its
siblings) says which of them a number or an SQLSTATE is. What no table names is UNKNOWN: it may pass, and nobody guesses
what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from staging.errors import InputError, IntegrityError, PenstockError, UnavailableError

ACCESS = (
    "Correct user, password and database in {url}; in a URL @ : / % in them are written %40 %3A %2F %25, "
    "in its parts (`password = …`) as they are."
)
COLLATIONS = "Give the columns that are compared one collation, or read a view that does (COLLATE)."


class Kind(Enum):
    """What an error means.

    The comment says how a process that meets it ends.
    """

    UNKNOWN = "unknown"  # may pass: 20, with the server's own sentence and no advice
    UNREACHABLE = "unreachable"  # no server answers there, or none that can yet: 20
    LOST = "lost"  # the connection has ended: 20
    CROWDED = "crowded"  # the server takes no more connections or statements now: 20
    CONTENDED = "contended"  # a lock, a deadlock, a conflict of two transactions: 20
    TOO_LONG = "too long"  # a limit of the server's ended the statement: 20
    INTERRUPTED = "interrupted"  # somebody ended the statement: 20
    ALTERED = "altered"  # the table's definition changed under the snapshot: 20
    FULL = "full"  # no room on disk or in memory: 20
    READ_ONLY = "read only"  # a standby, or a server that takes no writes: 20
    LOGIN = "login"  # user, password, host or database are not let in: 10
    TLS = "tls"  # certificates, or a server that demands or has no encryption: 10
    ACCOUNT_LIMIT = "account limit"  # the account may not have as many connections: 10
    RIGHT = "right"  # the account lacks a right: 10
    HIDDEN = "hidden"  # row security would hide rows: 10
    MISSING = "missing"  # a table, a column, a function that is not there: 10
    STATEMENT = "statement"  # the statement can't be run as it is: 10
    KEY_TOO_LONG = "key too long"  # an index would be wider than the server allows: 10
    VALUE = "value"  # a value of a row does not fit: 10
    RAISED = "raised"  # a trigger or a function raised it with words of its own: 10
    SETTING = "setting"  # a setting of the server has to be another one: 10
    KEY_TWICE = "key twice"  # a unique key was met twice: 40
    DAMAGED = "damaged"  # the server says that its data are corrupt: 40

    @property
    def passes(self) -> bool:
        """Whether the same attempt may succeed later."""
        return self in _PASSING


_PASSING = frozenset(
    {
        Kind.UNKNOWN,
        Kind.UNREACHABLE,
        Kind.LOST,
        Kind.CROWDED,
        Kind.CONTENDED,
        Kind.TOO_LONG,
        Kind.INTERRUPTED,
        Kind.ALTERED,
        Kind.FULL,
        Kind.READ_ONLY,
    }
)
_FOR_A_PERSON = frozenset({Kind.KEY_TWICE, Kind.DAMAGED})


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an error means, and what to do about it.

    `{url}` in it is replaced by the URL's key.
    """

    kind: Kind
    fix: str = ""

    def fix_for(self, key: str, other: str = "") -> str:
        """Return what to do, said of the URL under `key`.

        `other` where this error has no advice of its own.
        """
        return self.fix.replace("{url}", key) if self.fix else other

    def error(self, what: str, *, why: str, fix: str) -> PenstockError:
        """Return ours, of the exit code that the kind has."""
        if self.kind.passes:
            return UnavailableError(what, why=why, fix=fix)
        kind = IntegrityError if self.kind in _FOR_A_PERSON else InputError
        return kind(what, why=why, fix=fix)


NOT_KNOWN = Meaning(Kind.UNKNOWN)
