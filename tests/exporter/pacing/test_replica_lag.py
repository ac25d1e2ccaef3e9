"""How MySQL and MariaDB are asked how far a replica is behind, and how each version's answer is read."""

from __future__ import annotations

import pytest

from databases.mysql.replica import follows_a_replica
from exporter.pacing.limits import ReplicaLag
from exporter.pacing.mysql_signals import MysqlLag, replica_statement
from exporter.pacing.signals import Answer
from staging.errors import InputError, UnavailableError


@pytest.mark.parametrize(
    ("version", "statement"),
    [
        ("8.4.3", "SHOW REPLICA STATUS"),
        ("9.1.0-commercial", "SHOW REPLICA STATUS"),
        ("8.0.31-google", "SHOW REPLICA STATUS"),
        ("8.0.22", "SHOW REPLICA STATUS"),
        ("8.0.21", "SHOW SLAVE STATUS"),
        ("5.7.44-log", "SHOW SLAVE STATUS"),
        ("10.11.19-MariaDB-0+deb12u1-log", "SHOW ALL SLAVES STATUS"),
        ("5.5.5-10.4.34-MariaDB", "SHOW ALL SLAVES STATUS"),
        ("unheard of", "SHOW REPLICA STATUS"),
    ],
)
def test_a_replica_is_asked_in_the_words_that_its_version_knows(version: str, statement: str) -> None:
    assert replica_statement(version) == statement


class _Server:
    """Answers as a server of this version does, its channels so many seconds behind."""

    def __init__(self, version: str, column: str, *seconds: int | None, **said: str) -> None:
        self.version, self.column, self.seconds, self.said = version, column, seconds, said

    def ask(self, sql: str) -> Answer:
        if sql == "SELECT VERSION()":
            return Answer(("VERSION()",), [(self.version,)])
        assert sql == replica_statement(self.version)
        replica, source = ("Replica", "Source") if self.column.endswith("Source") else ("Slave", "Master")
        columns = {
            f"{replica}_IO_State": f"Waiting for {source.lower()} to send event",
            f"{source}_Log_File": "binlog.000007",
            f"{replica}_IO_Running": "Yes",
            f"{replica}_SQL_Running": "Yes",
        }
        said = {name: self.said.get(name.partition("_")[2], value) for name, value in columns.items()}
        return Answer((*said, self.column), [(*said.values(), seconds) for seconds in self.seconds])


def _lag(version: str, column: str, *seconds: int | None) -> ReplicaLag:
    return MysqlLag(_Server(version, column, *seconds), limit_seconds=10)


@pytest.mark.parametrize(
    ("version", "column"), [("8.4.3", "Seconds_Behind_Source"), ("10.11.19-MariaDB", "Seconds_Behind_Master")]
)
def test_the_farthest_channel_counts_a_stopped_one_is_an_error_and_no_channel_is_no_replica(
    version: str, column: str
) -> None:
    assert _lag(version, column, 0, 10).look() is None
    behind = _lag(version, column, 0, 11).look()
    assert behind is not None
    assert (behind.kind, behind.text) == ("replica_lag", "a replica is 11 s behind, > 10 s")
    with pytest.raises(UnavailableError, match="Replication does not run"):
        _lag(version, column, 0, None).look()
    with pytest.raises(InputError, match="no replica to measure"):
        _lag(version, column).look()


@pytest.mark.parametrize(
    ("version", "column"), [("8.4.3", "Seconds_Behind_Source"), ("10.11.19-MariaDB", "Seconds_Behind_Master")]
)
@pytest.mark.parametrize(
    "said",
    [
        {"IO_Running": "Connecting", "IO_State": "Connecting to source", "Log_File": ""},
        {"IO_Running": "Connecting", "IO_State": "Reconnecting after a failed registration on source"},
        {"IO_Running": "Preparing"},
        {"IO_Running": "No", "IO_State": ""},
        {"IO_State": "Checking source version"},
        {"IO_State": "Requesting binlog dump"},
        {"Log_File": ""},
        {"SQL_Running": "No"},
    ],
)
def test_0_seconds_of_a_replica_that_receives_or_applies_nothing_are_no_calm(
    version: str, column: str, said: dict[str, str]
) -> None:
    with pytest.raises(UnavailableError, match="Replication does not run"):
        MysqlLag(_Server(version, column, 0, **said), limit_seconds=10).look()


_NORTH, _SOUTH = "3E11FA47-71CA-11E1-9E33-C80AA9429562", "4e11fa47-71ca-11e1-9e33-c80aa9429562"


@pytest.mark.parametrize(
    ("channels", "follows"),
    [
        ([{"Source_UUID": _NORTH.lower(), "Retrieved_Gtid_Set": f"{_NORTH}:1-3:7"}], False),
        ([{"Source_UUID": _NORTH, "Retrieved_Gtid_Set": f"{_NORTH}:1-3,\n{_SOUTH}:1"}], True),
        ([{"Source_UUID": _NORTH, "Retrieved_Gtid_Set": f"{_NORTH}:tag:1-3"}], False),
        ([{"Source_UUID": _NORTH, "Retrieved_Gtid_Set": ""}], False),
        ([{"Source_UUID": name, "Retrieved_Gtid_Set": f"{name}:1"} for name in (_NORTH, _SOUTH)], False),
        ([{"Master_Server_Id": 1, "Gtid_IO_Pos": "0-1-7"}], False),
        ([{"Master_Server_Id": 2, "Gtid_IO_Pos": "0-1-7"}], True),
        ([{"Master_Server_Id": 1, "Gtid_IO_Pos": "0-1-7,5-2-9"}, {"Master_Server_Id": 2, "Gtid_IO_Pos": ""}], False),
        ([{"Master_Server_Id": 1, "Seconds_Behind_Master": 0}], False),
    ],
)
def test_a_replica_that_receives_what_another_server_wrote_follows_a_replica(
    channels: list[dict[str, object]], follows: bool
) -> None:
    assert follows_a_replica(channels) is follows
