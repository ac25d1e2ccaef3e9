"""Says whether a promise was held."""

from __future__ import annotations

from array import array
from collections.abc import Set as AbstractSet

from exporter.pacing.promise.confidence import at_least
from exporter.pacing.promise.controller import SLOW_SHARE, percentile
from exporter.pacing.promise.windows import Windows
from staging.documents.manifest import Probed, WindowKind

LEAST_PROBES = 100
_BY_CHANCE = 0.02


def judge(windows: Windows, promised: float | None, longest_nice: float, problem: str) -> Probed:
    """Return what was measured, and whether the promise was held.

    `problem` is why the statement could not be run at the end, "" where it could.
    """
    resting, beside = windows.latencies(resting=True), windows.latencies(resting=False)
    p50_resting, p99_resting = _percentiles(resting)
    p50_beside, p99_beside = _percentiles(beside)
    increase = p99_beside / p99_resting if p99_beside is not None and p99_resting else None
    why_not = _why_unknown(resting, beside, problem)
    if promised is not None and not why_not:
        why_not = _why_not_held(resting, beside, promised, windows.kinds())
    return Probed(
        windows=windows.describe(),
        resting_probes=len(resting),
        resting_p50_milliseconds=_milliseconds(p50_resting),
        resting_p99_milliseconds=_milliseconds(p99_resting),
        beside_probes=len(beside),
        beside_p50_milliseconds=_milliseconds(p50_beside),
        beside_p99_milliseconds=_milliseconds(p99_beside),
        increase=None if increase is None else round(increase, 3),
        promised=promised,
        held=None if promised is None else not why_not,
        longest_nice=longest_nice,
        why_not=why_not,
    )


def _why_unknown(resting: array[float], beside: array[float], problem: str) -> str:
    found = ((len(resting), "without our reading"), (len(beside), "beside our reading"))
    few = [f"{count} probes ran {where}" for count, where in found if count < LEAST_PROBES]
    if not few:
        return ""
    why = f"could not be measured: {' and '.join(few)}, fewer than {LEAST_PROBES}"
    return f"{why}; {problem}" if problem else why


def _why_not_held(resting: array[float], beside: array[float], promised: float, kinds: AbstractSet[WindowKind]) -> str:
    slow = promised * percentile(resting, 1 - SLOW_SHARE)
    above = sum(each > slow for each in beside)
    if above <= SLOW_SHARE * len(beside):
        return ""
    of = f"{above} of {len(beside)} probes beside our reading were slower than {promised:g} times the p99 without it"
    if at_least(above, len(beside), SLOW_SHARE) > _BY_CHANCE:
        return f"could not be measured: {of}, which may be chance"
    if "snapshot" in kinds and "reading" not in kinds:
        return f"could not be held: the day was read in one snapshot, which can't rest; {of}"
    return f"could not be held: {of}"


def _percentiles(latencies: array[float]) -> tuple[float | None, float | None]:
    if not latencies:
        return None, None
    return percentile(latencies, 0.5), percentile(latencies, 1 - SLOW_SHARE)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
