"""What can go wrong with a target database.

What may be tried again, and what each kind of error becomes.
"""

from __future__ import annotations

from databases.errors import Kind, Meaning
from staging.errors import InputError, IntegrityError, PenstockError, UnavailableError

KEY = "target.url"
RIGHTS = "SELECT, INSERT, UPDATE, DELETE"
"""What the loader needs on a table."""
_INIT = "Compare the table with what `penstock init` would create."


class ContendedError(UnavailableError):
    """A deadlock, a serialization failure or a lock that came too late.

    The transaction may be repeated.
    """


class ConnectionLostError(UnavailableError):
    """The connection is gone, and its temporary table with it.

    Start again from staging.
    """


class ReadOnlyError(UnavailableError):
    """The database takes no writes.

    A standby, a failed-over primary, or a server switched to read-only.
    """


_CONTENDED = {
    Kind.CONTENDED: "a lock was not had in time, or two transactions were in each other's way",
    Kind.TOO_LONG: "a limit of the server's for the time of a statement",
    Kind.INTERRUPTED: "the statement was interrupted on the server",
    Kind.ALTERED: "a table was altered meanwhile",
}
_GONE = frozenset({Kind.LOST, Kind.UNREACHABLE, Kind.CROWDED})


def connect_error(meaning: Meaning, name: str, *, why: str) -> PenstockError:
    """Return what a connection that did not come about means."""
    if not meaning.kind.passes:
        return InputError(f"{name} refuses the connection to the target database.", why=why, fix=meaning.fix_for(KEY))
    fix = meaning.fix_for(KEY, f"Try again when it is up; check host and port in {KEY}.")
    what = f"{name}, the target database, can't be reached."
    return ConnectionLostError(what, why=why, fix="" if meaning.kind is Kind.UNKNOWN else fix)


def load_error(meaning: Meaning, name: str, *, why: str) -> PenstockError:
    """Return what a statement that failed means.

    `name` is the server's as people say it.
    """
    kind = meaning.kind
    if kind in _GONE:
        return ConnectionLostError(f"The connection to {name} is lost.", why=why, fix=meaning.fix_for(KEY))
    if kind in _CONTENDED:
        return ContendedError(f"{name} stopped the load: {_CONTENDED[kind]}.", why=why, fix="Run the loader again.")
    if kind is Kind.READ_ONLY:
        advice = "if this is it, take back the setting that makes its sessions read only."
        fix = meaning.fix_for(KEY, f"Give the URL of the primary in {KEY}; {advice}")
        return ReadOnlyError(f"{name} takes no writes here.", why=why, fix=fix)
    what, advice = _WORDS.get(kind, ("{} could not do it now.", ""))
    return _CLASSES.get(kind, InputError)(what.format(name), why=why, fix=meaning.fix_for(KEY, advice))


_WORDS = {
    Kind.UNKNOWN: ("{} could not do it now.", ""),
    Kind.FULL: ("{} has no room.", "Make room, then run the loader again."),
    Kind.LOGIN: ("{} does not let the target's user in.", f"Look at {KEY}."),
    Kind.TLS: ("{} does not take the connection's encryption.", f"Look at {KEY}."),
    Kind.ACCOUNT_LIMIT: ("{} gives the target's user no more connections.", ""),
    Kind.RIGHT: ("The target's user lacks a right.", "`penstock help guarantees` lists those the loader needs."),
    Kind.HIDDEN: ("{} would hide rows of the target from the loader.", ""),
    Kind.MISSING: ("{} can't run the load on this target.", _INIT),
    Kind.STATEMENT: ("{} can't run the load on this target.", _INIT),
    Kind.KEY_TOO_LONG: (
        "{} can't index a key that long.",
        "Create the table yourself, with shorter columns in its key; `penstock init --dry-run` shows the SQL.",
    ),
    Kind.VALUE: ("{} refuses rows of the day.", "Make the target table fit, or the transform."),
    Kind.RAISED: ("A trigger or a function in {} refuses the load, in words of its own.", ""),
    Kind.SETTING: ("A setting of {} does not let the load run.", ""),
    Kind.KEY_TWICE: (
        "{} found a key twice.",
        (
            "Two keys are one to a column whose collation overlooks case or accents: give it a binary one. Or rows of "
            "the day share what another unique index forbids."
        ),
    ),
    Kind.DAMAGED: ("{} says that its own data are damaged.", ""),
}
_CLASSES: dict[Kind, type[PenstockError]] = {
    Kind.UNKNOWN: UnavailableError,
    Kind.FULL: UnavailableError,
    Kind.KEY_TWICE: IntegrityError,
    Kind.DAMAGED: IntegrityError,
}
