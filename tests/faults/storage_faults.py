"""A day on a bucket of which any request may fail, in any way a seed draws: refused, cut, damaged, or done unseen.

A job that ends as unavailable is started again, as what runs jobs does. In the end the revenue is right, once.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from staging.errors import UnavailableError
from staging.gcs import retry, upload
from staging.gcs.store import open_gcs_store
from tests.faults.small_day import SmallDay, SmallShop, revenue_of, small_pipeline
from tests.servers.gcs_proxy import GcsProxy, Reply, Request

RUN = "run-0001"
_REFUSALS = (
    *("return-408", "return-429", "return-500", "return-502", "return-503", "return-504", "return-reset-connection"),
    "return-403 rateLimitExceeded",
)
_LOST_REPLIES = ("return-503-after-apply", "return-reset-connection-after-apply")
FAULTS = {
    "insert": (*_REFUSALS, *_LOST_REPLIES, *_LOST_REPLIES, "corrupt-up"),
    "session": (*_REFUSALS, "return-reset-connection-after-apply"),
    "last": (*_REFUSALS, *_LOST_REPLIES, *_LOST_REPLIES, "forget", "corrupt-up"),
    "status": _REFUSALS,
    "stat": _REFUSALS,
    "media": (*_REFUSALS, "corrupt-down", "return-broken-stream-after-1K"),
    "list": _REFUSALS,
}
_MOST_STARTS = 60


class FaultyProxy(GcsProxy):
    """Fails each request with the probability `share`, as `rng` draws; `fired` counts what it did."""

    share = 0.0
    rng = random.Random(0)

    def __init__(self, backend: str) -> None:
        self.fired: Counter[str] = Counter()
        self._asked = threading.local()
        self._damaged: set[str] = set()
        super().__init__(backend)

    def answer(self, request: Request) -> Iterator[Reply | bytes]:
        """See `GcsProxy.answer`; the thread remembers what it is asked for."""
        self._asked.path = request.path
        return super().answer(request)

    def _take_fault(self, kind: str) -> str:
        # Most requests ask what is there: they fail less often, or nothing else would.
        share = self.share * (0.4 if kind in ("stat", "list") else 1.2)
        if kind not in FAULTS or self.rng.random() >= share:
            return ""
        fault = self.rng.choice(FAULTS[kind])
        if fault == "corrupt-down":
            # What arrives damaged twice is told as damaged (40), and rightly: so no object does.
            if self._asked.path in self._damaged:
                return ""
            self._damaged.add(self._asked.path)
        self.fired[f"{kind}: {fault}"] += 1
        return fault


@dataclass
class FaultyDays:
    """Days of one shop in SQLite, each in a prefix of its own. `started` counts jobs that were started again."""

    shop: SmallShop
    proxy: FaultyProxy
    bucket: str
    folder: Path
    started: Counter[str] = field(default_factory=Counter)
    days: int = 0

    def do(self, seed: int) -> None:
        """Bring the day of this seed to done; AssertionError where it is wrong or does not get there."""
        self.proxy.rng = rng = random.Random(seed)
        self.shop.do("DELETE FROM revenue", "DELETE FROM penstock_ledger")
        self.shop.change(seed)
        pipeline = small_pipeline(self.shop, f"{self.bucket}/{seed}")
        is_resumable = rng.random() < 0.5
        steps: list[tuple[str, Callable[[SmallDay], None]]] = [
            ("exporter", lambda day: day.export(RUN)),
            ("processor", lambda day: day.process(RUN)),
            ("loader", lambda day: day.load(RUN)),
            ("loader again", lambda day: day.load(RUN)),
        ]
        self.proxy.share = rng.choice((0.1, 0.3, 0.5))
        with pytest.MonkeyPatch.context() as patched:
            if is_resumable:
                patched.setattr(upload, "AT_ONCE_BYTES", -1)  # as large objects go up
            # The pauses between tries are as many as ever, and a twentieth as long.
            hasty = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: time.sleep(seconds / 20))
            patched.setattr(retry, "time", hasty)
            for name, step in steps:
                self._persist(name, seed, partial(self._start, pipeline.staging.url, step))
        self.proxy.share = 0.0
        with open_gcs_store(pipeline.staging.url) as store:
            verified = SmallDay(self.shop, pipeline, store, self.folder).verify()
        assert verified.ok, f"seed {seed}: {verified}"
        assert self.shop.revenue() == revenue_of(seed), f"seed {seed} made a wrong day"
        assert self.shop.do("SELECT run_id, loaded_rows FROM penstock_ledger") == [(RUN, len(revenue_of(seed)))]
        self.days += 1

    def _start(self, url: str, step: Callable[[SmallDay], None]) -> None:
        with open_gcs_store(url, patience_seconds=2.0) as store:
            step(SmallDay(self.shop, small_pipeline(self.shop, url), store, self.folder / "scratch"))

    def _persist(self, name: str, seed: int, start: Callable[[], None]) -> None:
        for _ in range(_MOST_STARTS):
            try:
                start()
            except UnavailableError:
                self.started[name] += 1
            else:
                return
        raise AssertionError(f"seed {seed}: the {name} does not get through")

    def __str__(self) -> str:
        fired = self.proxy.fired
        kinds = Counter[str]()
        for name, count in fired.items():
            kinds[name.partition(":")[0]] += count
        return (
            f"{fired.total()} faults in {self.days} days, all right: {dict(kinds)}; started again {dict(self.started)}"
        )
