"""How long it rests, by latencies that a test makes up."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.pacing.promise.confidence import at_least, at_most
from exporter.pacing.promise.controller import LONGEST_NICE, RestController

Felt = Callable[[random.Random, float], float]
"""What a probe takes beside reading with that rest."""


def usual(chance: random.Random) -> float:
    """A shop's latency: 2 ms, sometimes much more."""
    return 0.002 * chance.lognormvariate(0, 0.5)


def minds_up_to(nice: float, times: float) -> Felt:
    return lambda chance, rest: usual(chance) * (times if rest < nice else 1)


def drive(controller: RestController, felt: Felt, *, seed: int = 1, turns: int = 100, rest: int = 10) -> list[float]:
    """Rest and read in turns; return the rests that were chosen, one a turn."""
    chance = random.Random(seed)
    chosen = []
    for _ in range(50):
        controller.note_resting(usual(chance))
    for _ in range(turns):
        for _ in range(rest):
            controller.note_resting(usual(chance))
        for _ in range(4 * rest):
            controller.note_beside(felt(chance, controller.nice))
        chosen.append(controller.nice)
    return chosen


@given(
    floor=st.integers(0, 100),
    limit=st.floats(1.01, 100),
    resting=st.lists(st.floats(1e-6, 10), max_size=60),
    beside=st.lists(st.tuples(st.booleans(), st.floats(1e-6, 10)), max_size=300),
)
def test_a_rest_is_never_below_the_configured_one_nor_above_100(
    floor: int, limit: float, resting: list[float], beside: list[tuple[bool, float]]
) -> None:
    controller = RestController(floor, limit)
    for seconds in resting:
        controller.note_resting(seconds)
    for is_resting, seconds in beside:
        (controller.note_resting if is_resting else controller.note_beside)(seconds)
        assert floor <= controller.nice <= LONGEST_NICE


@pytest.mark.parametrize("floor", [0, 1, 7])
@pytest.mark.parametrize("need", [5, 20, 60])
@pytest.mark.parametrize("seed", [1, 2])
def test_it_finds_a_rest_that_the_shop_does_not_mind(seed: int, floor: int, need: int) -> None:
    controller = RestController(floor, 1.25)
    chosen = drive(controller, minds_up_to(need, 20), seed=seed)
    assert chosen[3] >= need, "some hundred probes are enough"
    assert max(chosen) <= LONGEST_NICE
    kept = sum(nice >= need for nice in chosen)
    assert kept >= 0.9 * len(chosen)


@pytest.mark.parametrize("seed", range(8))
def test_noise_alone_hardly_ever_makes_it_rest_longer(seed: int) -> None:
    chosen = drive(RestController(3, 1.25), lambda chance, _: usual(chance), seed=seed)
    assert sum(nice == 3 for nice in chosen) >= 0.75 * len(chosen)


@pytest.mark.parametrize("seed", range(8))
def test_it_does_not_go_to_and_fro(seed: int) -> None:
    chosen = drive(RestController(3, 1.25), minds_up_to(10, 20), seed=seed, turns=400)
    changes = sum(a != b for a, b in itertools.pairwise(chosen))
    assert changes <= 24


def test_it_rests_less_again_when_the_shop_no_longer_minds() -> None:
    controller = RestController(3, 1.25)
    assert drive(controller, minds_up_to(40, 20), turns=50)[-1] >= 40
    assert drive(controller, lambda chance, _: usual(chance), turns=600)[-1] == 3


def test_it_says_that_the_longest_rest_is_too_short() -> None:
    controller = RestController(3, 1.25)
    assert not controller.cannot_hold
    assert drive(controller, lambda chance, _: 20 * usual(chance))[-1] == LONGEST_NICE
    assert controller.cannot_hold


def test_one_stall_before_reading_hides_nothing() -> None:
    controller = RestController(3, 1.25)
    for _ in range(48):
        controller.note_resting(0.002)
    for _ in range(2):
        controller.note_resting(0.5)
    for _ in range(10):
        controller.note_beside(0.06)
    assert controller.nice > 3


def test_a_few_slow_probes_among_many_change_nothing() -> None:
    controller = RestController(3, 1.25)
    for _ in range(300):
        controller.note_resting(0.002)
    for number in range(1000):
        controller.note_beside(0.06 if number % 150 == 0 else 0.002)
    assert controller.nice == 3


def test_nothing_is_decided_without_a_measure() -> None:
    controller = RestController(3, 1.25)
    for _ in range(1000):
        controller.note_beside(9.0)
    assert controller.nice == 3


@pytest.mark.parametrize(
    ("count", "of", "probability", "expected"),
    # Sums of binomial probabilities by hand: 1 - 0.99**100, 0.99**100 + 100 * 0.01 * 0.99**99, 0.5**3
    [(1, 100, 0.01, 1 - 0.99**100), (2, 100, 0.01, 1 - 0.99**100 - 0.99**99), (3, 3, 0.5, 0.125), (0, 5, 0.3, 1.0)],
)
def test_how_likely_a_count_is(count: int, of: int, probability: float, expected: float) -> None:
    assert at_least(count, of, probability) == pytest.approx(expected)
    assert at_most(count - 1, of, probability) == pytest.approx(1 - expected)
