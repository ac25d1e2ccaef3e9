"""Takes what a sliced read is compared with at its end.

It is taken before anything is asked that the read relies on. `PostgresSlices` takes it in its constructor: columns,
plans and keys are asked of an object that has it, so nothing can be asked too early.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from exporter.port.catalogue import Catalogue
from exporter.postgres.definition import Definition, find_definition
from exporter.postgres.table import Run

_HORIZON = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::xid::text,
       to_regprocedure('hashtidextended(tid, bigint)') IS NOT NULL
"""
# The checkpointer is born anew when the server restarts after a crash, which keeps its start time.
_SERVER = """
SELECT pg_postmaster_start_time()::text, pg_is_in_recovery(),
       coalesce(host(inet_server_addr()) || ':' || inet_server_port(), ''), current_database(),
       (SELECT backend_start::text FROM pg_stat_activity WHERE backend_type = 'checkpointer')
"""
_SEED_BITS = 63


@dataclass(frozen=True, slots=True)
class Server:
    """Which server answers, and since when."""

    identity: tuple[object, ...]
    checkpointer_started: object

    def is_same(self, now: Server, *, is_proved: bool) -> bool:
        """Return whether it is the same server, not restarted.

        `is_proved`: a connection to it has lived on.
        """
        has_checkpointer = self.checkpointer_started == now.checkpointer_started is not None
        return self.identity == now.identity and (is_proved or has_checkpointer)


@dataclass(frozen=True, slots=True)
class Witness:
    """What a sliced read is compared with at its end.

    The server, the table, the oldest transaction that ran then, and the seed of this read's checksums. `hashes_tid`:
    whether the server can hash a row's place as it is (from version 14 on).
    """

    server: Server
    definition: Definition
    oldest_running: str
    hashes_tid: bool
    seed: int


def take_witness(run: Run, catalogue: Catalogue, table_sql: str) -> Witness:
    """Ask the server; nobody else knows the seed."""
    ((oldest_running, hashes_tid),) = run(_HORIZON, "begin a seal")
    definition = find_definition(catalogue, table_sql)
    return Witness(find_server(run), definition, str(oldest_running), bool(hashes_tid), secrets.randbits(_SEED_BITS))


def find_server(run: Run) -> Server:
    """Ask who answers."""
    ((*identity, checkpointer_started),) = run(_SERVER, "say who it is")
    return Server(tuple(identity), checkpointer_started)
