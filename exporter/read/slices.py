"""Reads a closed day in many short statements.

A seal proves they saw one and the same table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from exporter.port.probes import run_probes
from exporter.port.question import PlannedRead
from exporter.port.sliced_source import Axis, Closed, Seal, Slices
from exporter.port.source import Estimate
from exporter.read.attempt import Attempt, HowRead, ShardedRead
from exporter.read.choose import ReadChoice
from exporter.read.reading import Reading
from exporter.read.slice_loop import SliceCounts, SlicedRead
from exporter.read.snapshot_guard import SnapshotGuard
from exporter.shards.commit import Written
from staging.errors import InputError


@dataclass(frozen=True, slots=True)
class Look:
    """What was found out before a row was read.

    The statement, how much it will give, what to cut it along.
    """

    read: PlannedRead
    estimate: Estimate
    choice: ReadChoice
    axis: Axis | None


def look_at(attempt: Attempt, slices: Slices) -> Look:
    """Choose how to read. InputError and UnavailableError as `choose_read` has them."""
    read = attempt.plan(slices)
    estimate = slices.estimate(read.statement)
    way = find_way(slices, read, partial(attempt.choose, estimate), lambda: attempt.closed)
    return Look(read, estimate, *way)


def find_way(
    slices: Slices,
    read: PlannedRead,
    choose: Callable[[str, Closed | None], ReadChoice],
    find_closed: Callable[[], Closed | None],
) -> tuple[ReadChoice, Axis | None]:
    """Find how a day can be read, asking only what matters.

    Returns what `choose` says of why there are no slices and of the day's end, neither of them asked for in vain.
    """
    choice = choose("", None)
    if choice.mode == "snapshot":  # whatever slices there may be
        return choice, None
    axis = slices.plan_axis(read.statement)
    choice = choose(axis if isinstance(axis, str) else "", find_closed())
    return choice, axis if isinstance(axis, Axis) else None


def read_in_slices(attempt: Attempt, slices: Slices, look: Look, guard: SnapshotGuard) -> Written:
    """Read the day in slices and commit its shards.

    StartOverError, and nothing left, when the seal does not agree.
    """
    assert look.axis is not None  # noqa: S101 - chosen because there is one
    run_probes(look.read, slices)
    target_seconds = attempt.question.pipeline.export.slice_milliseconds / 1000
    sliced = SlicedRead(
        slices,
        look.axis,
        attempt.pace,
        attempt.cancel,
        target_seconds=target_seconds,
        sealing=lambda: attempt.progress.begin("seal"),
    )
    sharded = ShardedRead(attempt, look.read, look.estimate)
    slices.begin_seal(look.read.statement, look.axis)
    try:
        with Reading(sliced.frames, attempt.source, guard) as reading:
            sharded.write(reading.batches())
    except InputError:
        slices.check_table()  # a value that its column can't hold says that the column is another one now
        raise
    guard.release()
    seal = sliced.counts.seal
    assert seal is not None  # noqa: S101 - else it had raised
    evidence = slices.evidence | _evidence(look.axis, attempt.closed, sliced.counts, seal)
    return sharded.commit(HowRead("slices", look.choice.why, seal.as_of, evidence, reading.seconds))


def _evidence(axis: Axis, closed: Closed | None, counts: SliceCounts, seal: Seal) -> dict[str, str]:
    return {
        **seal.evidence,
        "sealed": f"{seal.how}; found {seal.found}",
        "seal_seconds": f"{seal.seconds:.3f}",
        "slices": f"{counts.slices} along {axis.along} {axis.column}: {axis.proof}",
        "slice_seconds": f"{counts.seconds:.3f} in all, {counts.longest_seconds:.3f} the longest",
        "slices_repeated": str(counts.repeated),
        **({"closed": closed.how} if closed is not None else {}),
    }
