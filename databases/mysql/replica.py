"""How far a replica of MySQL or MariaDB is behind."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_BEHIND = ("seconds_behind_source", "seconds_behind_master")
_RUNNING = ("replica_io_running", "slave_io_running", "replica_sql_running", "slave_sql_running")
_THREADS = 2
_STATE = ("replica_io_state", "slave_io_state")
_RECEIVING = tuple(
    f"{doing} {source} {what}"
    for source in ("source", "master")
    for doing, what in (("Waiting for", "to send event"), ("Queueing", "event to the relay log"))
)
_FILE = ("source_log_file", "master_log_file")
_SERVER = ("source_server_id", "master_server_id")
_UUID = ("source_uuid", "master_uuid")
_WRITER = re.compile(r"([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}):")
_WRITER_OF_MARIADB = re.compile(r"\d+-(\d+)-\d+")


def seconds_behind(channel: Mapping[str, object]) -> float | None:
    """Return how far a channel of a replica is behind, in seconds.

    `channel` is a row of SHOW REPLICA STATUS by the names of its columns, whatever their case. None where nobody knows:
    the server says NULL, one of the two threads does not run, or nothing was received yet. All of it has to be checked:
    until what was received is applied, the server's seconds count from the last event. They stay 0 where there was
    none, however long the source is away, or however much it has to send to a receiver that has just begun. Source:
    https://dev.mysql.com/doc/refman/8.4/en/replica-io-thread-states.html.
    """
    told = {name.lower(): value for name, value in channel.items()}
    running = [told[name] for name in _RUNNING if name in told]
    seconds = _first(told, _BEHIND)
    if seconds is None or len(running) != _THREADS or any(state != "Yes" for state in running):
        return None
    if not _first(told, _FILE) or str(_first(told, _STATE)) not in _RECEIVING:
        return None
    return float(str(seconds))


def follows_a_replica(channels: Sequence[Mapping[str, object]]) -> bool:
    """Return whether a source passes on what another server wrote.

    Then it is not known here how far that source is behind its own: a chain whose middle is stopped is 0 seconds
    behind. GTIDs show it, as they name the server that wrote; also just after another server has become the source.
    """
    told = [{name.lower(): value for name, value in channel.items()} for channel in channels]
    sources = {str(_first(each, names)).lower() for each in told for names in (_SERVER, _UUID)}
    writers = {writer.lower() for each in told for writer in _WRITER.findall(str(each.get("retrieved_gtid_set", "")))}
    writers |= {writer for each in told for writer in _WRITER_OF_MARIADB.findall(str(each.get("gtid_io_pos", "")))}
    return not writers <= sources


def _first(told: Mapping[str, object], names: tuple[str, ...]) -> object:
    """Return the value under the name that this version has, None where it has none."""
    return next((told[name] for name in names if name in told), None)
