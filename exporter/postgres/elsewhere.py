"""Finds tables whose rows are of another server, or another time.

Among those that a table, view or partition is made of. A materialized view is as old as its last REFRESH, and nothing
says when that was. A foreign table's rows are of the moment at which its own server is asked, and nobody here sees the
transactions there. A table that a subscription fills has what was received from the publisher so far (PostgreSQL
manual: pg_stat_subscription). What functions read is not checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from exporter.port.catalogue import Catalogue
from staging.errors import InputError

_MADE_OF = """
WITH RECURSIVE made_of AS (
    SELECT to_regclass(name)::oid AS oid FROM unnest(%s::text[]) AS name
    UNION
    SELECT part.oid FROM made_of CROSS JOIN LATERAL (
        SELECT i.inhrelid AS oid FROM pg_inherits i WHERE i.inhparent = made_of.oid
        UNION ALL
        SELECT d.refobjid FROM pg_class v JOIN pg_rewrite r ON r.ev_class = v.oid
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        WHERE v.oid = made_of.oid AND v.relkind = 'v' AND d.refclassid = 'pg_class'::regclass
    ) AS part
)
"""
_ELSEWHERE = """
SELECT c.oid::regclass::text, c.relkind::text FROM made_of JOIN pg_class c ON c.oid = made_of.oid
WHERE c.relkind IN ('m', 'f') ORDER BY 1
"""
_SUBSCRIBED = """
SELECT t.srrelid::regclass::text, s.subname::text, s.subenabled AND t.srsubstate IN ('r', 's'),
       (SELECT max(w.latest_end_time) FROM pg_stat_subscription w WHERE w.subid = s.oid AND w.relid IS NULL)
FROM made_of JOIN pg_subscription_rel t ON t.srrelid = made_of.oid JOIN pg_subscription s ON s.oid = t.srsubid
ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A table that a subscription fills.

    `received_until`: when the publisher last sent something; None where it sends nothing, or not all was copied yet.
    """

    table: str
    subscription: str
    received_until: datetime | None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What rows are of, beside the server's own tables."""

    materialized: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    subscribed: tuple[Subscribed, ...] = ()

    def why_not_over(self, over: datetime) -> str:
        """Return why rows of a day may be missing yet.

        A clause, or "". The day is over by then.
        """
        if self.materialized:
            return (
                f"rows come from the materialized view {self.materialized[0]}, which is as old as its last REFRESH, "
                "and PostgreSQL does not say when that was"
            )
        for each in self.subscribed:
            if each.received_until is None or each.received_until < over:
                until = f"until {each.received_until:%F %T} UTC" if each.received_until else "until nobody knows when"
                return (
                    f"the subscription {each.subscription}, which fills {each.table}, has received its publisher's "
                    f"changes {until}, not until {over:%F %T} UTC"
                )
        return ""

    def refuse_one_instant(self) -> None:
        """Raise InputError where several tables would not be of one instant."""
        if self.materialized:
            raise _no_instant(f"The materialized view {self.materialized[0]} is as old as its last REFRESH.")
        if self.foreign:
            raise _no_instant(
                f"Rows of the foreign table {self.foreign[0]} are of the moment at which its own server is asked."
            )


def find_elsewhere(catalogue: Catalogue, tables_sql: Sequence[str]) -> Elsewhere:
    """Ask the catalogue."""
    found = catalogue.rows(_MADE_OF + _ELSEWHERE, list(tables_sql))
    subscribed = catalogue.rows(_MADE_OF + _SUBSCRIBED, list(tables_sql))
    return Elsewhere(
        materialized=tuple(str(name) for name, kind in found if kind == "m"),
        foreign=tuple(str(name) for name, kind in found if kind == "f"),
        subscribed=tuple(
            Subscribed(str(table), str(name), until.astimezone(UTC) if is_whole and until else None)
            for table, name, is_whole, until in subscribed
        ),
    )


def _no_instant(why: str) -> InputError:
    return InputError(
        "The tables of [source.with] can't be read at one instant.",
        why=why,
        fix="Name tables of this database, or views of such, for all of them.",
    )
