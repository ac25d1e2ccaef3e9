"""Finds where in the binary log a snapshot lies.

Exactly on MariaDB, shortly before it on MySQL. MariaDB reports file and position of its snapshot; BINLOG_GTID_POS makes
a GTID of them at any time. It is asked here where that is cheap. MySQL reports what is executed now. Asked before the
snapshot begins, that is all in the snapshot: a GTID is added when its transaction is committed in the engine. So a
reader of the log from there on misses nothing, and may meet a few transactions that the export holds already.
"""

from __future__ import annotations

from collections.abc import Mapping

from exporter.mysql.table import Run
from staging.errors import PenstockError

_DOING = "say where its log stands"
_GTID_WITHIN_BYTES = 8 * 1024 * 1024
"""MariaDB finds a position's GTID by reading the log up to it: a quarter of a second for a log of a GB."""


def find_executed_gtids(run: Run, dialect: str) -> dict[str, str]:
    """Return what MySQL has executed; nothing for MariaDB.

    Call it before the snapshot begins.
    """
    if dialect == "mariadb":
        return {}
    ((gtid_executed,),) = run("SELECT @@GLOBAL.gtid_executed", _DOING)
    return {"gtid_executed": str(gtid_executed)} if gtid_executed else {}


def find_log_position(run: Run, dialect: str, executed_gtids: Mapping[str, str]) -> dict[str, str]:
    """Return the open snapshot's position in the log.

    By its names; or under `log` why there is none.
    """
    try:
        found = _mariadb_position(run) if dialect == "mariadb" else dict(executed_gtids)
    except PenstockError as exc:
        return {"log": f"not known: {exc.why}"}
    return found or {"log": "no binary log"}


def _mariadb_position(run: Run) -> dict[str, str]:
    rows = run(
        "SELECT LOWER(VARIABLE_NAME), VARIABLE_VALUE FROM information_schema.SESSION_STATUS "
        "WHERE VARIABLE_NAME LIKE 'BINLOG_SNAPSHOT%'",
        _DOING,
    )
    found = {str(name): str(value) for name, value in rows if value}
    file, position = found.get("binlog_snapshot_file"), int(found.get("binlog_snapshot_position", 0))
    if file and position <= _GTID_WITHIN_BYTES:
        ((gtid,),) = run(f"SELECT BINLOG_GTID_POS({_quoted(file)}, {position})", _DOING)
        found["gtid"] = str(gtid)
    return found


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
