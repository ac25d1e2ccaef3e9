"""An account that may not have as many connections as a run needs is told at once, by the server's own words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.inspect.doctor import SourceLook, examine_source
from staging.errors import InputError
from tests.exporter.days import DAY, NOW, pipeline, run_export
from tests.servers.server import PASSWORD
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

pytestmark = pytest.mark.integration
USER = "narrow"


@pytest.fixture(params=["postgres", "mariadb", "mysql"])
def narrow(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a shop, by an account that may have two connections."""
    server = request.getfixturevalue(f"{request.param}_server")
    url = request.getfixturevalue(f"{request.param}_database")
    name = url.rpartition("/")[2]
    database, admin = Database(url), Database(server.url())
    create_purchases(database, [(1, 1, "2026-11-14 12:00:00", "1.50")], columns={"purchased_at": "timestamp NOT NULL"})
    if request.param == "postgres":
        admin.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT 2")
        database.execute(f"GRANT SELECT ON purchases TO {USER}")
    else:
        admin.execute(f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}' WITH MAX_USER_CONNECTIONS 2")
        admin.execute(f"GRANT SELECT ON {name}.* TO {USER}@'%'")
    yield server.url(name, user=USER)
    if request.param == "postgres":
        database.execute(f"DROP OWNED BY {USER}")
    admin.execute(f"DROP {'ROLE' if request.param == 'postgres' else 'USER'} {USER}")


def test_a_run_says_so_at_once(narrow: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        run_export(pipeline(narrow, tmp_path, export={"read": "slices"}))
    told = str(caught.value)
    assert "too many connections for role" in told or "max_user_connections" in told
    assert "penstock help connect" in told
    assert "source.where" not in told
    assert "pacing.probe" not in told


def test_doctor_opens_as_many_as_a_run_does(narrow: str, tmp_path: Path) -> None:
    found = list(examine_source(pipeline(narrow, tmp_path), DAY, SourceLook(), lambda: NOW))
    faults = {each.name: each for each in found if each.level == "fault"}
    assert "connections at the same time" in faults["source connections"].text
    assert "penstock help connect" in faults["source connections"].fix
