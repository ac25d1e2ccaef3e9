"""Writes the GRANT that a refused statement asks for.

It has the names that the server said.
"""

from __future__ import annotations

import re

_TABLE = re.compile(
    r"\w[\w ]* command denied to user '.*?'@'.*?' for table [`']?(?:(?P<db>[^`'.]+)[`']?\.[`']?)?(?P<table>[^`']+)[`']"
)
_DATABASE = re.compile(r"Access denied for user '.*?'@'.*?' to database '(?P<db>.+?)'")


def grant_to_paste(said: str, account: str, database: str, rights: str, database_rights: str) -> str:
    """Return a GRANT on the table or database of the sentence.

    `rights` are for a table, `database_rights` for a database. `account` is `user@host` as CURRENT_USER() gives it;
    `database` is the connection's. "" where the sentence names neither, as in another language.
    """
    user, _, host = account.rpartition("@")
    to = f"'{user}'@'{host}'"
    if match := _TABLE.search(said):
        return f"Grant it: GRANT {rights} ON `{match['db'] or database}`.`{match['table']}` TO {to};"
    if match := _DATABASE.search(said):
        return f"Grant it: GRANT {database_rights} ON `{match['db']}`.* TO {to};"
    return ""
