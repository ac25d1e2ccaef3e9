"""A day that has to be closed: by this clock, by the database's own and its open transactions, and by what was read."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from exporter.export_day import Surroundings, export_day
from exporter.open_source import open_source
from staging.config.pipeline import Pipeline
from staging.documents.manifest import Manifest
from staging.errors import UnavailableError
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from tests.exporter.days import Export, pipeline, run_export
from tests.shop.purchases import create_purchases

pytestmark = pytest.mark.integration


def export(settings: Pipeline, day: date, now: datetime) -> None:
    folder = Path(settings.staging.url.removeprefix("file://"))
    folder.mkdir(exist_ok=True)
    with open_store(settings.staging.url) as store:
        around = Surroundings(store, open_source, lambda: now, Cancel(), Progress())
        export_day(settings, day, "run-0001", around, fresh_export=False, require_closed=True)


def test_a_day_is_refused_until_it_is_over_for_the_database_too(postgres_database: str, tmp_path: Path) -> None:
    key = ", PRIMARY KEY (purchased_at, user_id)"
    create_purchases(postgres_database, columns={"id": None}, more=key, index=False)
    today = datetime.now(UTC).date()
    settings = pipeline(postgres_database, tmp_path / "staging", timezone="UTC")
    with pytest.raises(UnavailableError, match="is not over") as caught:
        export(settings, today, datetime.now(UTC))
    assert "It ends at" in caught.value.why
    with pytest.raises(UnavailableError, match="is not over") as caught:
        export(settings, today, datetime.now(UTC) + timedelta(days=2))  # this machine's clock is far ahead
    assert "clock" in caught.value.why
    assert not list((tmp_path / "staging").rglob("manifest.json"))
    export(settings, today - timedelta(days=3), datetime.now(UTC))
    assert len(list((tmp_path / "staging").rglob("manifest.json"))) >= 1


PREPARE = {
    "postgres": ("BEGIN", "PREPARE TRANSACTION 'waits'", "COMMIT PREPARED 'waits'"),
    "mariadb": ("XA START 'waits'", "XA END 'waits'; XA PREPARE 'waits'", "XA COMMIT 'waits'"),
}


def _insert(number: int) -> str:
    return f"INSERT INTO purchases VALUES ({number}, {number}, '2026-11-14 10:00:00', {number}.25)"


def _run(url: str, *statements: str) -> None:
    """Run statements in one session that ends without a word more."""
    engine = sa.create_engine(make_url(url), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for text in statements:
            for statement in text.split("; "):
                connection.exec_driver_sql(statement)
        connection.invalidate()  # no ROLLBACK, which a session that has prepared must not say
    engine.dispose()


@pytest.fixture(params=["postgres", "mariadb", "mysql"])
def shop(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A shop of two purchases, and how its database prepares a transaction."""
    url: str = request.getfixturevalue(f"{request.param}_database")
    stamp = "timestamp" if request.param == "postgres" else "datetime"
    create_purchases(url, columns={"purchased_at": f"{stamp} NOT NULL"})
    _run(url, _insert(1), _insert(2))
    return "postgres" if request.param == "postgres" else "mariadb", url


def _rows(made: Export) -> list[int]:
    return sorted(row["user_id"] for row in made.rows())


def test_a_day_read_beside_a_prepared_transaction_is_unfinished_and_read_again(
    shop: tuple[str, str], tmp_path: Path
) -> None:
    kind, url = shop
    begin, prepare, commit = PREPARE[kind]
    settings = pipeline(url, tmp_path, timezone="UTC")
    _run(url, begin, _insert(3), prepare)
    try:
        early = run_export(settings, run_id="run-0001")
        assert _rows(early) == [1, 2]
        assert "'waits'" in early.manifest["reading"]["not_over"]
        assert Manifest.model_validate_json(json.dumps(early.manifest)).unfinished
    finally:
        _run(url, commit)
    whole = run_export(settings, run_id="run-0002")
    assert _rows(whole) == [1, 2, 3]
    assert whole.manifest["reading"]["not_over"] == ""
    assert run_export(settings, run_id="run-0003").manifest["export_id"] == whole.manifest["export_id"]


def test_a_day_read_within_its_grace_is_unfinished_and_read_again(shop: tuple[str, str], tmp_path: Path) -> None:
    _, url = shop
    day = datetime.now(UTC).date() - timedelta(days=1)
    _run(url, f"UPDATE purchases SET purchased_at = '{day} 10:00:00'")
    within = pipeline(url, tmp_path, export={"grace_seconds": 86_400}, timezone="UTC")
    early = run_export(within, day=day, run_id="run-0001", now=datetime.now(UTC))
    assert _rows(early) == [1, 2]
    assert "counts as over from" in early.manifest["reading"]["not_over"]
    _run(url, _insert(3).replace("2026-11-14", str(day)))
    again = pipeline(url, tmp_path, export={"grace_seconds": 0}, timezone="UTC")
    assert _rows(run_export(again, day=day, run_id="run-0002", now=datetime.now(UTC))) == [1, 2, 3]
