"""A day that has to be closed: by this clock, by the database's own and its open transactions, and by what was read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from exporter.export_day import Surroundings, export_day
from exporter.open_source import open_source
from staging.config.pipeline import Pipeline
from staging.errors import UnavailableError
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from tests.exporter.days import pipeline

pytestmark = pytest.mark.integration


def export(settings: Pipeline, day: date, now: datetime) -> None:
    folder = Path(settings.staging.url.removeprefix("file://"))
    folder.mkdir(exist_ok=True)
    with open_store(settings.staging.url) as store:
        around = Surroundings(store, open_source, lambda: now, Cancel(), Progress())
        export_day(settings, day, "run-0001", around, fresh_export=False, require_closed=True)


def test_a_day_is_refused_until_it_is_over_for_the_database_too(postgres_database: str, tmp_path: Path) -> None:
    arguments = make_url(postgres_database).get_dialect()().create_connect_args(make_url(postgres_database))[1]
    with psycopg.connect(**arguments, autocommit=True) as shop:
        shop.execute(
            "CREATE TABLE purchases (user_id bigint NOT NULL, purchased_at timestamptz NOT NULL, "
            "amount numeric(12,2) NOT NULL, PRIMARY KEY (purchased_at, user_id))"
        )
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
