"""What a missing right is told with: the GRANT to paste, with real names, which then works."""

from __future__ import annotations

from pathlib import Path

import pytest

from databases.mysql.grant import grant_to_paste as mysql_grant
from databases.postgres.grant import grant_to_paste as postgres_grant
from staging.errors import InputError
from tests.loader.runs import LoaderRun, revenue
from tests.loader.target_fixtures import LoaderTarget
from tests.servers.server import PASSWORD
from tests.shop.tables import Database

USER = "rightless"
ALL = "SELECT, INSERT, UPDATE, DELETE"


@pytest.mark.parametrize(
    ("said", "grant"),
    [
        (
            "INSERT command denied to user 'u'@'10.0.0.7' for table `shop`.`revenue`",
            f"GRANT {ALL} ON `shop`.`revenue` TO 'u'@'%';",
        ),
        ("SELECT command denied to user 'u'@'h' for table 'revenue'", f"GRANT {ALL} ON `here`.`revenue` TO 'u'@'%';"),
        ("Access denied for user 'u'@'%' to database 'shop'", "GRANT CREATE ON `shop`.* TO 'u'@'%';"),
        ("INSERT-Befehl verweigert", ""),
    ],
)
def test_mysql_s_sentence_becomes_a_grant(said: str, grant: str) -> None:
    found = mysql_grant(said, "u@%", "here", ALL, "CREATE")
    assert found.removeprefix("Grant it: ") == grant


@pytest.mark.parametrize(
    ("said", "grant"),
    [
        ("permission denied for table revenue", f'GRANT {ALL} ON revenue TO "u";'),
        ("permission denied for schema shop", 'GRANT USAGE ON SCHEMA "shop" TO "u";'),
        (
            'permission denied to create temporary tables in database "d"',
            'GRANT TEMPORARY ON DATABASE "d" TO "u";',
        ),
        ("Zugriff verweigert", ""),
    ],
)
def test_postgres_s_sentence_becomes_a_grant(said: str, grant: str) -> None:
    assert postgres_grant(said, "u", ALL).removeprefix("Grant it: ") == grant


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["postgres", "mariadb", "mysql"])
def test_each_grant_that_is_asked_for_helps(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    server, url = request.getfixturevalue(f"{kind}_server"), request.getfixturevalue(f"{kind}_database")
    name, admin = url.rpartition("/")[2], Database(url)
    made = LoaderRun(tmp_path / "staging", revenue(range(1, 20)))
    made.write()
    LoaderTarget("postgres" if kind == "postgres" else "mariadb", url).init(made)
    role = (
        f"ROLE {USER} LOGIN PASSWORD '{PASSWORD}'"
        if kind == "postgres"
        else f"USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'"
    )
    admin.execute(f"CREATE {role}")
    try:
        if kind != "postgres":
            admin.execute(f"GRANT CREATE TEMPORARY TABLES ON {name}.* TO {USER}@'%'")
            for table in ("revenue", "penstock_ledger"):  # what it may not read at all is not there for it
                admin.execute(f"GRANT SELECT ON {name}.{table} TO {USER}@'%'")
        poor = LoaderTarget("postgres" if kind == "postgres" else "mariadb", server.url(name, user=USER))
        pasted = set()
        for _ in range(6):
            try:
                poor.load(made)
            except InputError as error:
                grant = next(line for line in str(error).splitlines() if "GRANT" in line).partition("Grant it: ")[2]
                assert grant not in pasted, "it did not help"
                pasted.add(grant)
                admin.execute(grant.rstrip(";"))
            else:
                break
        assert pasted
        assert len(poor.rows()) == 19
    finally:
        if kind == "postgres":
            admin.execute(f"DROP OWNED BY {USER}")
        admin.execute(f"DROP {'ROLE' if kind == 'postgres' else 'USER'} {USER}")
