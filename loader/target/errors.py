"""What can go wrong with a database and be tried again; all else an adapter raises is final."""

from __future__ import annotations

from staging.errors import UnavailableError

CHECK_URL = (
    "Check user, password and database name in target.url; signs such as @ : / % in them are written %40 %3A %2F %25."
)


class ContendedError(UnavailableError):
    """A deadlock, a serialization failure or a lock that was not had in time: the transaction may be repeated."""


class ConnectionLostError(UnavailableError):
    """The connection is gone, and its temporary table with it: start again from staging."""


class ReadOnlyError(UnavailableError):
    """The database takes no writes: a standby, a failed-over primary, or a server switched to read-only."""
