"""Writes aimed at the gaps of a read in slices, on any database: between two slices, before the first, before the seal.

One seed is one export. What it accepted is compared with what plain SQL saw just before the seal, while nobody wrote.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from exporter.port.axis import Axis
from exporter.port.sliced_source import Gathered, Seal, SliceRows, StartOverError
from tests.exporter.days import pipeline, run_export
from tests.exporter.gap_writes import ROWS, WRITES, Row, Shop, Writer, as_row, insert
from tests.exporter.sliced_reads import Watched, calm


@dataclass
class Read:
    """One attempt: the rows it read, those that were there at the seal, and whether the seal agreed."""

    rows: list[Row] = field(default_factory=list)
    at_seal: list[Row] = field(default_factory=list)
    agreed: bool = False
    slices: int = 0

    @property
    def is_right(self) -> bool:
        """Whether it read exactly what was there at the seal."""
        return sorted(self.rows) == self.at_seal


class Gaps(Watched):
    """Opens the source of an export and calls `at_gap` with the number of the gap, counted over all attempts.

    `at_seal` is called at the last gap of each attempt, with the attempt's number from 0.
    """

    def __init__(self, shop: Shop, at_gap: Callable[[int], None], at_seal: Callable[[int], None]) -> None:
        self.shop = shop
        self.at_gap = at_gap
        self.at_seal = at_seal
        self.gap = 0
        self.reads: list[Read] = []

    def _gap(self) -> None:
        self.at_gap(self.gap)
        self.gap += 1

    def watch(self, slices: Any) -> Any:
        read = Read()
        self.reads.append(read)
        plan_axis, read_slice, gather, seal = slices.plan_axis, slices.read_slice, slices.gather, slices.seal

        def plan_fine(statement: Any) -> Any:
            axis = plan_axis(statement)
            # As if there were many more rows: so the few there are lie in many slices.
            return replace(axis, expected_rows=ROWS * 25) if isinstance(axis, Axis) else axis

        def read_one(low: int, high: int) -> SliceRows:
            self._gap()
            read.slices += 1
            rows: SliceRows = read_slice(low, high)
            return rows

        def gather_some(some: Any) -> Gathered:
            gathered: Gathered = gather(some)
            read.rows += [as_row(*row[:3]) for row in gathered.frame.iter_rows()]
            return gathered

        def seal_all(stretches: Any) -> Seal:
            self._gap()
            self.at_seal(len(self.reads) - 1)
            read.at_seal = self.shop.rows()
            found: Seal = seal(stretches)
            read.agreed = found.agrees
            return found

        slices.plan_axis, slices.read_slice, slices.gather, slices.seal = plan_fine, read_one, gather_some, seal_all
        return slices


@dataclass(frozen=True)
class Outcome:
    """What became of one seed: reads that a seal refused although they were right, and whether one was accepted."""

    false_alarms: int
    caught: int
    accepted: bool


def export_with_writes(shop: Shop, folder: Path, seed: int) -> Outcome:
    """Export once with 0 to 4 writes, each at a gap of its own; AssertionError when what was accepted is wrong.

    How many gaps there are depends on how fast slices come. So that some write is missed for sure, every fourth seed
    has one more, after the last slice of the first attempt.
    """
    rng = random.Random(seed)
    shop.fill(seed)
    # A read has about 25 gaps; some writers come with the second read, some wait with their commit.
    writers = []
    for _ in range(rng.randrange(5)):
        begin = rng.randrange(35)
        writers.append(Writer(rng.choice(WRITES), begin, begin + rng.choice((0, 0, 0, rng.randrange(1, 10)))))

    def at_gap(gap: int) -> None:
        for writer in writers:
            writer.at(gap, shop, rng)

    def at_seal(attempt: int) -> None:
        if attempt == 0 and seed % 4 == 0:
            with shop.engine.begin() as connection:
                insert(connection, shop, random.Random(seed))

    gaps = Gaps(shop, at_gap, at_seal)
    settings = calm(pipeline(shop.url, folder, export={"read": "slices", "shards": 3}))
    accepted: list[Row] | None = None
    try:
        exported = run_export(settings, opener=gaps)
        accepted = sorted(as_row(r["user_id"], r["purchased_at"], r["amount"]) for r in exported.rows())
    except StartOverError:
        assert len(gaps.reads) == 3, "given up too early"
    finally:
        for writer in writers:
            if writer.open_ is not None:
                writer.open_.close()
    wrong = [n for n, read in enumerate(gaps.reads) if read.agreed and not read.is_right]
    assert not wrong, f"seed {seed}: reads {wrong} were sealed and are wrong"
    assert accepted is None or accepted == gaps.reads[-1].at_seal, f"seed {seed}: the shards hold something else"
    return Outcome(
        false_alarms=sum(read.is_right and not read.agreed for read in gaps.reads),
        caught=sum(not read.is_right and not read.agreed for read in gaps.reads),
        accepted=accepted is not None,
    )


def export_seeds(url: str, folder: Path, seeds: range) -> None:
    """Export once for each seed; AssertionError when one is wrong, or when they prove nothing."""
    shop = Shop.create(url)
    outcomes = [export_with_writes(shop, folder / str(seed), seed) for seed in seeds]
    assert sum(each.accepted for each in outcomes) > len(seeds) / 2, "hardly any export came through"
    assert all(each.caught for seed, each in zip(seeds, outcomes, strict=True) if seed % 4 == 0), "a write was missed"
    print(
        f"\n{len(seeds)} exports: {sum(each.accepted for each in outcomes)} accepted, all right; "
        f"{sum(each.caught for each in outcomes)} wrong reads caught, {sum(each.false_alarms for each in outcomes)} "
        "right ones refused"
    )
