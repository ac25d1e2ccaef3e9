"""Writes the GRANT that a refused statement asks for.

It has the names that the server said.
"""

from __future__ import annotations

import re

_OBJECT = re.compile(r"permission denied for (?P<kind>table|view|relation|schema|database) (?P<name>\S+)")
_TEMPORARY = re.compile(r'permission denied to create temporary tables in database "(?P<name>.+?)"')


def grant_to_paste(said: str, user: str, rights: str, schema_rights: str = "USAGE") -> str:
    """Return a GRANT on the table, schema or database.

    `rights` are for a table; "" where nothing is named.
    """
    if match := _TEMPORARY.search(said):
        return f'Grant it: GRANT TEMPORARY ON DATABASE "{match["name"]}" TO "{user}";'
    if (match := _OBJECT.search(said)) is None:
        return ""
    name = match["name"].strip('"')
    on = {"schema": f'{schema_rights} ON SCHEMA "{name}"', "database": f'CONNECT ON DATABASE "{name}"'}
    return f'Grant it: GRANT {on.get(match["kind"], f"{rights} ON {name}")} TO "{user}";'
