"""A small set of cases in which any two values of any two factors meet at least once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product


def every_pair(factors: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Return such cases, always the same ones for the same factors.

    Greedy, as in the AETG method (Cohen et al., 1997) but without its randomness: each case starts from a pair that is
    not covered yet and takes, factor by factor, the value that covers most pairs with what is chosen already.
    """
    open_pairs = {
        ((i, a), (j, b)): None
        for i, j in combinations(range(len(factors)), 2)
        for a, b in product(factors[i], factors[j])
    }
    cases: list[tuple[str, ...]] = []
    while open_pairs:
        case = dict(next(iter(open_pairs)))
        for number, values in enumerate(factors):
            if number not in case:
                # Of equally good values the one seldom taken so far, so that no value fills all the gaps.
                gains = [(_gain(case, number, value, open_pairs), -_uses(cases, number, value)) for value in values]
                case[number] = values[gains.index(max(gains))]
        for pair in combinations(sorted(case.items()), 2):
            open_pairs.pop(pair, None)
        cases.append(tuple(case[number] for number in range(len(factors))))
    return cases


def every_case(factors: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Return the full product."""
    return list(product(*factors))


def _uses(cases: list[tuple[str, ...]], number: int, value: str) -> int:
    return sum(case[number] == value for case in cases)


def _gain(case: dict[int, str], number: int, value: str, open_pairs: dict[object, None]) -> int:
    return sum(tuple(sorted([(other, chosen), (number, value)])) in open_pairs for other, chosen in case.items())
