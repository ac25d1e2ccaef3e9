"""Numbers each version of each row.

A slice reads the number with each row, and the seal adds it up again. PostgreSQL never writes into a row: an UPDATE
makes a new version of it, at another place of the table (`ctid`), which says which transaction made it (`xmin`). So
table, place and transaction name one version, and with it every value that it has. If the transaction had ended before
the read began, the place alone is enough: two versions that were there then can't have had the same place one after
another, unless the second came later, and then its transaction shows it. (A table that is rewritten as a whole is
another file, which the definition sees.)

The number is a hash of these three under a seed of this read. A sum of such hashes says as much as the list: two
different sets of versions have the same sum once in 2^63 times, whatever somebody does who does not know the seed. (The
versions themselves are linear: changes could be chosen that keep their sum.) Source of the hash: PostgreSQL's
`hash_bytes_extended`, Bob Jenkins' lookup3.

`age()` counts back from now, so the difference of two ages does not change. What was frozen long ago counts as ended.
"""

from __future__ import annotations

from exporter.postgres.witness import Witness


def ended_before(witness: Witness) -> str:
    """Return the SQL of the age of ended transactions.

    From this age on (a bigint), a row's transaction had ended before the read.
    """
    # In a scalar subquery, so that it is computed once and not for each row.
    return f"(SELECT age('{witness.oldest_running}'::xid)::bigint + 1)"


def version_sql(witness: Witness) -> str:
    """Return the SQL of a row's number, a bigint.

    FROM has one table, or one tree of partitions.
    """
    transaction = f"GREATEST({ended_before(witness)} - age(xmin), 0)"  # 0: had ended
    seed = f"{witness.seed} # (tableoid::bigint << 32) # {transaction}"
    return f"hashtidextended(ctid, {seed})" if witness.hashes_tid else f"hashtextextended(ctid::text, {seed})"


def is_not_old_sql(oldest_running: str) -> str:
    """Return the condition of a row that may be newer.

    Any row that is not certain to be written by a transaction before `oldest_running`. One call of `age` a row.
    """
    # In a scalar subquery, so that it is computed once and not for each row.
    return f"age(xmin) <= (SELECT age('{oldest_running}'::xid))"


def is_new_sql(witness: Witness) -> str:
    """Return the condition of a row written since the read began."""
    # Below 1: frozen so long ago that its number looks like one of the future.
    return f"age(xmin) BETWEEN 1 AND {ended_before(witness)} - 1"
