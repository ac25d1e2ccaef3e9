"""A small set of cases in which any two values of any two factors meet at least once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import combinations, product

Choice = tuple[int, str]
"""A factor's number, and the value taken of it."""


def every_pair(
    factors: Sequence[Sequence[str]], *, but: Collection[tuple[int, int]] = frozenset()
) -> list[tuple[str, ...]]:
    """Return such cases, always the same ones for the same factors; values of factors in `but` need not meet.

    Greedy, as in the AETG method (Cohen et al., 1997) but without its randomness: each case starts from a pair that
    has not met yet and takes, factor by factor, the value that brings most new pairs; of equally good ones the value
    that has met the others least.
    """
    wanted = [
        ((i, a), (j, b))
        for i, j in combinations(range(len(factors)), 2)
        if (i, j) not in but
        for a, b in product(factors[i], factors[j])
    ]
    met: Counter[tuple[Choice, Choice]] = Counter()
    cases = []
    for pair in wanted:
        if met[pair]:
            continue
        case = dict(pair)
        for number, values in enumerate(factors):
            if number not in case:
                case[number] = _best(number, values, case.items(), met)
        met.update(combinations(sorted(case.items()), 2))
        cases.append(tuple(case[number] for number in range(len(factors))))
    return cases


def every_case(factors: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Return the full product."""
    return list(product(*factors))


def _best(number: int, values: Sequence[str], chosen: Iterable[Choice], met: Counter[tuple[Choice, Choice]]) -> str:
    others = list(chosen)

    def worth(value: str) -> tuple[int, int]:
        pairs = [met[min(other, (number, value)), max(other, (number, value))] for other in others]
        return pairs.count(0), -sum(pairs)

    return max(values, key=worth)
