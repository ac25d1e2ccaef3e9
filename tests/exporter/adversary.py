"""An adversary that knows the seal: attacks chosen to make up for themselves, at any moment of a read in slices.

One seed is one export from a connected source to committed shards: the columns, the cut, the slices, the seal and the
files are the product's. What it accepted is compared with what plain SQL saw before the seal's snapshot.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import sqlalchemy as sa

from exporter.open_source import open_source
from exporter.port.axis import Axis
from exporter.port.database import Source
from exporter.port.pace import FlatOut
from exporter.port.question import DayQuestion
from exporter.port.sliced_source import StartOverError
from exporter.read.attempt import Attempt
from exporter.read.slices import look_at, read_in_slices
from exporter.read.snapshot_guard import SnapshotGuard
from staging.errors import InputError, IntegrityError, UnavailableError
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.window import load_zone, plan_window
from tests.exporter.adversary_shop import SLICES, Row, Shop, as_row
from tests.exporter.attacks import ATTACKS, Attack
from tests.exporter.days import DAY, pipeline

ENDS = (StartOverError, IntegrityError, UnavailableError, InputError)
_GAPS = SLICES + 10  # the moments of a read, about


@dataclass
class Moments:
    """Calls `at` with the number of each moment of one read, and notes what was there before its seal."""

    shop: Shop
    at: Callable[[int], None]
    number: int = 0
    truth: list[Row] = field(default_factory=list)
    is_sealing: bool = False

    def watch(self, slices: Any) -> Any:
        """Return the slices, with a moment before and after everything that is asked of them."""
        describe, plan_axis, begin_seal = slices.describe, slices.plan_axis, slices.begin_seal
        read_slice, seal = slices.read_slice, slices.seal
        self._pass()

        def describe_it() -> Any:
            found = describe()
            self._pass()
            return found

        def plan_fine(statement: Any) -> Any:
            axis = plan_axis(statement)
            self._pass()
            # As if there were many more rows: so the few there are lie in many slices.
            return replace(axis, expected_rows=SLICES * 200) if isinstance(axis, Axis) else axis

        def begin_it(statement: Any, axis: Axis) -> None:
            begin_seal(statement, axis)
            self._pass()

        def read_one(low: int, high: int) -> Any:
            self._pass()
            return read_slice(low, high)

        def seal_all(read: Any) -> Any:
            self._pass()
            self.truth = self.shop.rows()
            self.is_sealing = True
            try:
                return seal(read)
            finally:
                self.is_sealing = False

        slices.describe, slices.plan_axis, slices.begin_seal = describe_it, plan_fine, begin_it
        slices.read_slice, slices.seal = read_one, seal_all
        self._between_pieces(slices)
        return slices

    def _between_pieces(self, slices: Any) -> None:
        """A moment before each statement that counts, in the seal's snapshot."""
        holder, name = (slices, "_fetch") if hasattr(slices, "_fetch") else (slices._session, "run")
        ask = getattr(holder, name)

        def ask_after(sql: str, *doing: str) -> Any:
            if self.is_sealing and sql.lower().startswith("select count("):
                self._pass()
            return ask(sql, *doing)

        setattr(holder, name, ask_after)

    def _pass(self) -> None:
        self.at(self.number)
        self.number += 1


@dataclass
class Tally:
    """What became of the attacks, by name."""

    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)


class Adversary:
    """Exports a small day of one shop again and again, on one connection of the exporter's."""

    def __init__(self, shop: Shop, source: Source, folder: Path) -> None:
        self.shop, self.source, self.folder = shop, source, folder
        self.tally = Tally()

    def export(self, seed: int) -> None:
        """Export once under an attack; AssertionError when what was accepted is wrong."""
        rng = random.Random(seed)
        attack = rng.choice([attack for attack in ATTACKS if self.shop.backend in attack.on])
        self.shop.fill(rng, attack.layout, attack.where)
        stages = sorted(rng.randrange(_GAPS) for _ in attack.stages)
        due = list(zip(stages, attack.stages, strict=True))
        state: dict[str, Any] = {}

        def at(moment: int) -> None:
            while due and moment >= due[0][0]:
                _, stage = due.pop(0)
                self._do(stage, state, rng)

        moments = Moments(self.shop, at)
        try:
            rows = self._read(moments, attack, self.folder / str(seed))
        except ENDS:
            self.tally.refused[attack.name] += 1
        else:
            assert rows == moments.truth, f"seed {seed}: {attack.name} at {stages} was accepted and is wrong"
            self.tally.accepted[attack.name] += 1
        finally:
            at(10**6)
            self.shop.let_go(state)

    def _do(
        self, stage: Callable[[Shop, dict[str, Any], random.Random], None], state: dict[str, Any], rng: Any
    ) -> None:
        try:
            stage(self.shop, state, rng)
        except sa.exc.DBAPIError:  # held by the exporter's own statement, or a key is taken: nothing was written
            state["failed"] = True

    def _read(self, moments: Moments, attack: Attack, folder: Path) -> list[Row]:
        settings = pipeline(
            self.shop.url,
            folder,
            export={"read": "slices", "shards": 1, "allow_full_scan": True},
            columns=["amount", "note"],
            where=attack.where,
        )
        window = plan_window(DAY, load_zone("Europe/Berlin"))
        question = DayQuestion(settings, DayNames("daily_revenue", DAY), window, "adversary")
        folder.mkdir(parents=True)
        cancel = Cancel()
        with open_store(settings.staging.url) as store:
            closed = self.source.find_closed(window.end, settings.export.grace_seconds)
            attempt = Attempt(question, self.source, store, cancel, Progress(), FlatOut(cancel), None, 0, closed)
            slices = moments.watch(self.source.begin_slices(question.table()))
            with SnapshotGuard(self.source, cancel, None) as guard, closing(slices):
                look = look_at(attempt, slices)
                assert "" in look.cuts
                written = read_in_slices(attempt, slices, look, guard)
        files = [folder / file.name for file in written.files.values()]
        found = [row for file in files for row in pq.read_table(file, partitioning=None).to_pylist()]
        return sorted(as_row(row["user_id"], row["purchased_at"], row["amount"], row["note"]) for row in found)


def attack_seeds(url: str, folder: Path, seeds: range) -> None:
    """Export once for each seed; AssertionError when one is wrong, or when they prove nothing."""
    with closing(Shop.create(url)) as shop, open_source(url, say=lambda _: None) as source:
        adversary = Adversary(shop, source, folder)
        tally = adversary.tally
        for seed in seeds:
            adversary.export(seed)
            if (seed + 1) % 100 == 0 or seed == seeds[-1]:
                print(
                    f"\n{seeds.start} to {seed}: {tally.accepted.total() + tally.refused.total()} exports, "
                    f"{tally.accepted.total()} accepted, all right; {tally.refused.total()} refused",
                    flush=True,
                )
    assert tally.accepted.total() > len(seeds) / 10, "hardly any export came through"
    assert tally.refused.total() > len(seeds) / 10, "hardly any attack met a read"
