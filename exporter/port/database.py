"""The port between an export and a database.

What an export needs of a source, and nothing else. Adapters: `postgres`, `mysql`, `sqlite`, `any_dialect`;
`open_source` chooses. A `Source` is two connections, one for the catalogue and one that reads. Rights: SELECT on the
one table.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from exporter.port.sliced_source import Closed, Slices
from exporter.port.source import Snapshot, TableName


class Source(Protocol):
    """A database that a day is read from."""

    @property
    def dialect(self) -> str:
        """Name of the dialect, such as `postgresql`, `mysql`, `mariadb` or `sqlite`."""
        ...

    @property
    def reader(self) -> str:
        """What reads the rows, for the manifest and for people."""
        ...

    @property
    def server_version(self) -> str:
        """As the server gives it."""
        ...

    @property
    def server_identity(self) -> str:
        """Something that tells this server and database from any other; no secret."""
        ...

    @property
    def connections(self) -> int:
        """How many connections a run holds at the same time.

        Pacing's own among them; 0 where none can be short.
        """
        ...

    def describe_connection(self) -> str:
        """Say how the server was reached.

        Its encryption, whether the certificate was checked, which host.
        """
        ...

    def begin_snapshot(self, table: TableName, *, max_seconds: int, also: Sequence[TableName] = ()) -> Snapshot:
        """Fix an instant and hold the tables' definitions.

        The server itself ends what lasts longer than that. `also` are read in the same transaction, by `beside`;
        InputError where the database has no transaction that sees several tables at one instant.
        """
        ...

    def why_no_slices(self, table: TableName) -> str:
        """Return why the table can't be read in slices, or "".

        A clause without a stop: slices that a seal proves.
        """
        ...

    def find_closed(
        self, window_end: datetime, grace_seconds: int, *, tables: Sequence[TableName] = ()
    ) -> Closed | None:
        """Say whether a day is over; None where nobody can tell.

        Its clock is past the end plus grace, and no older transaction is open. Asked before a read begins. Transactions
        of others, open or prepared, may be of any table. A known copy among `tables` must have been made after the
        day's end.
        """
        ...

    def begin_slices(self, table: TableName, *, also: Sequence[TableName] = (), max_seconds: int = 0) -> Slices:
        """Set up the reading connection for short statements (see `sliced_source`).

        InputError of `why_no_slices`. `also` are sealed at the same instant, by `beside`; their snapshot lasts
        `max_seconds` at most.
        """
        ...

    def interrupt(self) -> None:
        """Stop what the server does for us.

        Callable from any thread, safe to repeat.
        """
        ...

    def abandon(self) -> None:
        """Leave both connections as they are.

        A thread that can't be stopped uses them. `close` does nothing then.
        """
        ...

    def close(self) -> None:
        """Close both connections."""
        ...
