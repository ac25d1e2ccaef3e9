"""A mutant lets a little more pass than the function that it was made of."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import pytest

from tests.mutation.__main__ import CHECKOUT, ROOMS
from tests.mutation.mutants import Mutant, mutants_of

SOURCE = """
def check(found, told):
    faults = [*(["rows"] if found[0] != told[0] else []), *(name for name in told[2:] if name not in found)]
    if (found[0], found[1]) != (told[0], told[1]):
        raise ValueError(faults)

class Late:
    def refuse(self, fence, ours):
        if ours < fence and fence > 0:
            raise KeyError(fence)
        check_again(ours)

def check_again(ours):
    if not ours:
        raise LookupError
"""


def run(mutant: Mutant) -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(compile(mutant.tree, "mutant", "exec"), found)
    return found


def mutant(what: str, function: str) -> dict[str, Any]:
    (found,) = [each for each in mutants_of(SOURCE) if what in each.what and each.function == function]
    return run(found)


def test_the_source_itself_is_left_as_it_is() -> None:
    before = ast.dump(ast.parse(SOURCE))
    assert len({str(each) for each in mutants_of(SOURCE)}) > 8
    assert ast.dump(ast.parse(SOURCE)) == before
    assert all(ast.dump(each.tree) != before for each in mutants_of(SOURCE))


@pytest.mark.parametrize(
    ("what", "function", "passes"),
    [
        ("without found[1]", "check", lambda found: found["check"]((1, 2), (1, 3))),
        ("never: if (found[0]", "check", lambda found: found["check"]((1, 2), (3, 4))),
        ("without the operand ours < fence", "Late.refuse", None),
        ("without the operand fence > 0", "Late.refuse", lambda found: found["Late"]().refuse(1, 2)),
        ("not called: check_again", "Late.refuse", lambda found: found["Late"]().refuse(0, 0)),
        ("never: if not ours", "check_again", lambda found: found["check_again"](0)),
    ],
)
def test_what_was_refused_passes(what: str, function: str, passes: Callable[[dict[str, Any]], None] | None) -> None:
    found = mutant(what, function)
    if passes is not None:
        passes(found)
        return
    with pytest.raises(KeyError):  # without its one half, it refuses what it did not
        found["Late"]().refuse(1, 2)


def test_a_moved_bound_refuses_one_more() -> None:
    with pytest.raises(KeyError):
        mutant("bound moved: ours < fence", "Late.refuse")["Late"]().refuse(1, 1)


@pytest.mark.parametrize("file", sorted({file for room in ROOMS for file in (*room.files, *room.tests)}))
def test_a_file_that_the_run_names_is_there(file: str) -> None:
    assert (CHECKOUT / file).exists()
