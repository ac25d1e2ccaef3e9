"""Leases on every store, by the store's own clock; and on a bucket whose answers get lost."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta

import pytest

from chain.day.hold_lease import new_lease
from staging.documents.head import find_head
from staging.documents.lease import DayLease, LeaseLostError
from staging.errors import HeldError
from staging.gcs.store import GcsStore
from staging.names import DayNames
from staging.store import Store
from tests.servers.gcs_proxy import GcsProxy

pytestmark = pytest.mark.integration

NAMES = DayNames("shop", date(2026, 11, 13))
LONG_AGO, FAR_AHEAD = datetime(1999, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)


def lease_of(store: Store, *, seconds: int, clock: datetime = LONG_AGO) -> DayLease:
    return DayLease(store, NAMES, new_lease(clock, seconds, {}), lambda: clock)


def holder(store: Store) -> str | None:
    found = find_head(store, NAMES)
    return found[0].lease.nonce if found and found[0].lease else None


def test_a_lease_ends_by_the_stores_clock_whatever_the_holders_clocks_say(store: Store) -> None:
    first, second = lease_of(store, seconds=2, clock=FAR_AHEAD), lease_of(store, seconds=60, clock=LONG_AGO)
    first.take()
    with pytest.raises(HeldError):
        second.take()
    taken = take_when_free(second)
    assert taken > timedelta(seconds=2)
    with pytest.raises(LeaseLostError):
        first.renew()
    assert holder(store) == second.lease.nonce


def take_when_free(lease: DayLease) -> timedelta:
    """How long after the head's last write, by the store's clock, the lease could be taken."""
    pause = threading.Event()
    while True:
        found = find_head(lease.store, NAMES)
        assert found is not None
        try:
            lease.take()
        except HeldError:
            pause.wait(0.1)
        else:
            now = find_head(lease.store, NAMES)
            assert now is not None
            return now[1].updated_at - found[1].updated_at


def test_a_lease_that_was_given_back_is_taken_at_once(store: Store) -> None:
    first, second = lease_of(store, seconds=3600), lease_of(store, seconds=3600)
    first.take()
    first.renew()
    first.release()
    assert holder(store) is None
    second.take()
    assert holder(store) == second.lease.nonce


def test_a_lease_whose_answers_are_lost_is_still_its_holders(proxied_store: GcsStore, gcs_proxy: GcsProxy) -> None:
    lease = lease_of(proxied_store, seconds=3600)
    for step in (lease.take, lease.renew, lease.release):
        gcs_proxy.arm("insert", "return-503-after-apply")
        step()
        assert holder(proxied_store) == (None if step == lease.release else lease.lease.nonce)
