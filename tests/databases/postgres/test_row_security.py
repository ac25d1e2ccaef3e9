"""Rows that a policy would hide are an error, for source and target, and behind views."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from staging.errors import InputError
from tests.exporter.days import pipeline, run_export
from tests.exporter.sliced_reads import calm
from tests.loader.runs import LoaderRun, revenue
from tests.loader.target_fixtures import LoaderTarget
from tests.servers.postgres import PostgresServer
from tests.servers.server import PASSWORD
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

pytestmark = pytest.mark.integration
READER, OWNER = "policed", "between"


@pytest.fixture
def policed(postgres_server: PostgresServer, postgres_database: str) -> Iterator[str]:
    """A shop of 20 rows, of which a policy shows 5 to everyone; views by its owner and by somebody policed."""
    shop = create_purchases(postgres_database, index=False)
    name = postgres_database.rpartition("/")[2]
    for statement in (
        *(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'" for role in (READER, OWNER)),
        f"GRANT ALL ON SCHEMA public TO {READER}, {OWNER}",
        f"GRANT {OWNER} TO CURRENT_USER",
        "INSERT INTO purchases SELECT n, n, '2026-11-14 12:00:00+00', 1 FROM generate_series(1, 20) AS n",
        "ALTER TABLE purchases ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY few ON purchases USING (id <= 5)",
        f"GRANT SELECT ON purchases TO {READER}, {OWNER}",
        "CREATE VIEW of_owner AS SELECT * FROM purchases",
        f"CREATE VIEW of_policed AS SELECT * FROM purchases; ALTER VIEW of_policed OWNER TO {OWNER}",
        f"CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM purchases; ALTER VIEW barrier OWNER TO {OWNER}",
        f"GRANT SELECT ON of_owner, of_policed, barrier TO {READER}",
    ):
        shop.execute(statement)
    yield postgres_server.url(name, user=READER)
    for role in (READER, OWNER):
        shop.execute(f"DROP OWNED BY {role} CASCADE")
        shop.execute(f"DROP ROLE {role}")


@pytest.mark.parametrize("table", ["purchases", "of_policed", "barrier"])
@pytest.mark.parametrize("read", ["snapshot", "auto"])
def test_a_day_of_which_a_policy_hides_rows_is_refused(policed: str, tmp_path: Path, table: str, read: str) -> None:
    settings = calm(pipeline(policed, tmp_path, export={"read": read, "allow_full_scan": True}, table=table))
    with pytest.raises(InputError, match=r"row-level security|row security") as caught:
        run_export(settings)
    assert "BYPASSRLS" in caught.value.fix


def test_a_view_whose_owner_sees_all_rows_shows_all(policed: str, tmp_path: Path) -> None:
    settings = calm(pipeline(policed, tmp_path, export={"allow_full_scan": True}, table="of_owner"))
    assert len(run_export(settings).rows()) == 20


def test_a_target_of_which_a_policy_hides_rows_is_refused(policed: str, postgres_database: str, tmp_path: Path) -> None:
    made = LoaderRun(tmp_path / "staging", revenue(range(1, 4)))
    made.write()
    LoaderTarget("postgres", policed).init(made)
    Database(postgres_database).execute(
        "ALTER TABLE revenue ENABLE ROW LEVEL SECURITY; ALTER TABLE revenue FORCE ROW LEVEL SECURITY; "
        "CREATE POLICY none ON revenue USING (false)"
    )
    with pytest.raises(InputError) as caught:
        LoaderTarget("postgres", policed).load(made)
    assert "row" in str(caught.value)
