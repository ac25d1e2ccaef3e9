from itertools import combinations, product

from tests.acceptance.covering import every_pair

FACTORS = (("a", "b", "c"), ("a", "b"), ("x", "y", "z", "w"), ("1", "2"))


def test_any_two_values_of_any_two_factors_meet() -> None:
    cases = every_pair(FACTORS)
    for i, j in combinations(range(len(FACTORS)), 2):
        assert {(case[i], case[j]) for case in cases} == set(product(FACTORS[i], FACTORS[j]))


def test_factors_of_which_nothing_is_wanted_need_not_meet_though_each_of_their_values_meets_all_others() -> None:
    cases = every_pair(FACTORS, but={(0, 2)})
    assert len(cases) < len(every_pair(FACTORS))
    for i, j in set(combinations(range(len(FACTORS)), 2)) - {(0, 2)}:
        assert {(case[i], case[j]) for case in cases} == set(product(FACTORS[i], FACTORS[j]))


def test_far_fewer_cases_than_the_product() -> None:
    assert len(every_pair(FACTORS)) <= 14
    assert every_pair(FACTORS) == every_pair(FACTORS)
