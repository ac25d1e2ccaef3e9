"""Makes mutants of integrity checks: each is a module's source in which one check is gone, or lets a little more pass.

A branch is never taken, one element of a compared tuple is left out, one operand of a condition is dropped, a bound is
moved by one, a call of a check or a `raise` is left out, a fault is not listed.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_BOUNDS: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_CHECKS = ("check", "prove", "verify", "raise_if", "claim")

Change = Callable[[ast.AST], None]


@dataclass(frozen=True)
class Mutant:
    """What was changed in which function (by its qualified name), and the whole module's tree with it."""

    function: str
    line: int
    what: str
    tree: ast.Module

    def __str__(self) -> str:
        return f"{self.function}, line {self.line}: {self.what}"


def mutants_of(source: str) -> list[Mutant]:
    """Return all mutants of all functions of a module, in the order of its text."""
    tree = ast.parse(source)
    found = []
    for name, function in _functions(tree, ""):
        for number, node in enumerate(ast.walk(function)):
            for what, change in _changes(node):
                mutated = copy.deepcopy(tree)
                twin = next(each for each_name, each in _functions(mutated, "") if each_name == name)
                change(list(ast.walk(twin))[number])
                ast.fix_missing_locations(mutated)
                found.append(Mutant(name, getattr(node, "lineno", function.lineno), what, mutated))
    return sorted(found, key=lambda mutant: mutant.line)


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """The functions of a module and the methods of its classes; what is inside a function belongs to it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield prefix + child.name, child
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")


def _changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    match node:
        case ast.If() if _objects(node.body):
            yield f"never: if {ast.unparse(node.test)}", _never
        case ast.IfExp():
            yield f"never: {ast.unparse(node.test)}", _never
        case ast.comprehension(ifs=[_, *_]):
            yield f"none: if {ast.unparse(node.ifs[0])}", _none
        case ast.Compare(ops=[op]):
            yield from _compared(node, op)
        case ast.BoolOp(values=values):
            for place, value in enumerate(values):
                yield f"without the operand {ast.unparse(value)}", _without_value(place)
        case ast.List(elts=elements) if any(isinstance(element, ast.Starred) for element in elements):
            for place, element in enumerate(elements):
                yield f"not listed: {ast.unparse(element)[:60]}", _without_element(place)
    yield from _left_out(node)


def _compared(node: ast.Compare, op: ast.cmpop) -> Iterator[tuple[str, Change]]:
    left, right = node.left, node.comparators[0]
    if isinstance(op, ast.Eq | ast.NotEq) and isinstance(left, ast.Tuple) and isinstance(right, ast.Tuple):
        for place, element in enumerate(left.elts):
            yield f"without {ast.unparse(element)} in a comparison", _without_pair(place)
    if type(op) in _BOUNDS:
        yield f"bound moved: {ast.unparse(node)}", _moved


def _left_out(node: ast.AST) -> Iterator[tuple[str, Change]]:
    for field in ("body", "orelse", "finalbody"):
        statements = getattr(node, field, None)
        for place, statement in enumerate(statements if isinstance(statements, list) else []):
            if isinstance(statement, ast.Raise) and not isinstance(node, ast.If | ast.ExceptHandler):
                yield "not raised", _pass(field, place)
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                called = ast.unparse(statement.value.func).rpartition(".")[2].lstrip("_")
                if called.startswith(_CHECKS):
                    yield f"not called: {called}", _pass(field, place)
            if isinstance(statement, ast.AugAssign | ast.Expr) and _lists_faults(statement):
                yield f"left out: {ast.unparse(statement)[:60]}", _pass(field, place)


def _lists_faults(statement: ast.stmt) -> bool:
    text = ast.unparse(statement)
    return text.startswith(("faults +=", "faults.append", "yield from "))


def _objects(body: list[ast.stmt]) -> bool:
    """Whether something is refused or told in here."""
    wanted = (ast.Raise, ast.Yield, ast.YieldFrom, ast.Return, ast.AugAssign, ast.Call)
    return any(isinstance(node, wanted) for statement in body for node in ast.walk(statement))


def _never(node: ast.AST) -> None:
    assert isinstance(node, ast.If | ast.IfExp)
    node.test = ast.Constant(value=False)


def _none(node: ast.AST) -> None:
    assert isinstance(node, ast.comprehension)
    node.ifs = [ast.Constant(value=False)]


def _moved(node: ast.AST) -> None:
    assert isinstance(node, ast.Compare)
    node.ops = [_BOUNDS[type(node.ops[0])]()]


def _without_pair(place: int) -> Change:
    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.Compare)
        for side in (node.left, node.comparators[0]):
            assert isinstance(side, ast.Tuple)
            del side.elts[place]

    return change


def _without_value(place: int) -> Change:
    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.BoolOp)
        del node.values[place]
        if len(node.values) == 1:
            node.values.append(node.values[0])

    return change


def _without_element(place: int) -> Change:
    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.List)
        del node.elts[place]

    return change


def _pass(field: str, place: int) -> Change:
    def change(node: ast.AST) -> None:
        getattr(node, field)[place] = ast.Pass()

    return change
