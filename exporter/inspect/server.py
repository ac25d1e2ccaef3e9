"""What a server says of itself, for `penstock doctor`."""

from __future__ import annotations

from exporter.port.explained import Fetch


def find_server_zone(fetch: Fetch, dialect: str) -> str | None:
    """Return the server's own time zone, or None.

    It is the zone in which it writes times of its own; None where it does not say.
    """
    match dialect:
        case "postgresql":
            # What sessions begin with: our own has set UTC.
            rows = fetch("SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'")
        case "mysql" | "mariadb":
            rows = fetch("SELECT IF(@@GLOBAL.time_zone = 'SYSTEM', @@system_time_zone, @@GLOBAL.time_zone)")
        case "sqlite":
            return "UTC"
        case _:
            return None
    return str(rows[0][0]) if rows and rows[0][0] else None
