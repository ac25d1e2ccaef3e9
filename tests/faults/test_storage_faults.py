"""Whatever requests to the bucket meet, each day comes out right, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from staging.gcs.store import open_gcs_store
from tests.faults.small_day import SmallDay, SmallShop, small_pipeline
from tests.faults.storage_faults import FaultyDays, FaultyProxy
from tests.seeds import seeds_of
from tests.servers.fake_gcs import FakeGcsServer

pytestmark = pytest.mark.integration


@pytest.fixture
def days(
    gcs_server: FakeGcsServer, gcs_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaultyDays]:
    proxy = FaultyProxy(gcs_server.endpoint)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.endpoint)
    try:
        shop = SmallShop(f"sqlite:///{tmp_path / 'shop.sqlite'}")
        shop.fill()
        with open_gcs_store(f"{gcs_bucket}/init") as store:
            SmallDay(shop, small_pipeline(shop, f"{gcs_bucket}/init"), store, tmp_path).init()
        yield FaultyDays(shop, proxy, gcs_bucket, tmp_path)
    finally:
        proxy.close()


@pytest.mark.fault("storage", step=("export", "process", "load"), database="sqlite")
def test_a_day_on_a_bucket_that_fails_at_random_comes_out_right(days: FaultyDays) -> None:
    for seed in range(3):
        days.do(seed)
    print(days)
    assert days.proxy.fired.total() > 10


@pytest.mark.nightly
@pytest.mark.fault("storage", step=("export", "process", "load"), database="sqlite")
def test_days_on_a_bucket_that_fails_thousands_of_times_come_out_right(days: FaultyDays) -> None:
    seeds = seeds_of(range(1_000, 1_250))
    for seed in seeds:
        days.do(seed)
        if (seed + 1) % 25 == 0 or seed == seeds[-1]:
            print(f"\n{seeds.start} to {seed}: {days}", flush=True)
        days.proxy.requests.clear()
