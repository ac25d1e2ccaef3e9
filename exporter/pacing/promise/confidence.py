"""Says how likely a count is.

The count of slow ones among probes, each slow with the same probability (the binomial distribution).
"""

from __future__ import annotations

import math


def at_least(count: int, of: int, probability: float) -> float:
    """Return how likely `count` or more of them are slow."""
    return max(0.0, 1.0 - at_most(count - 1, of, probability))


def at_most(count: int, of: int, probability: float) -> float:
    """Return how likely no more than `count` of them are slow."""
    if count < 0:
        return 0.0
    if count >= of or probability <= 0:
        return 1.0
    if probability >= 1:
        return 0.0
    fast = math.log1p(-probability)
    slow = math.log(probability)
    return min(
        1.0, math.fsum(math.exp(_ways(each, of) + each * slow + (of - each) * fast) for each in range(count + 1))
    )


def _ways(count: int, of: int) -> float:
    return math.lgamma(of + 1) - math.lgamma(count + 1) - math.lgamma(of - count + 1)
