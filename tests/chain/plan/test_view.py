"""A statement in a plan is broken into lines that can be copied."""

from __future__ import annotations

import pytest

from chain.plan.view import _statement


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT a AS c0 FROM t WHERE x >= '2026-10-24 22:00:00' AND x < '2026-10-25 23:00:00'",
        "SELECT a AS c0 FROM t WHERE x >= 1 AND (note = 'this AND that FROM there' AND b = 'it''s WHERE ')",
        'SELECT "from WHERE to" AS c0 FROM "a AND b" WHERE x < 1',
        "SELECT `a FROM b` AS c0 FROM t WHERE `x AND ``y` < 1",
    ],
)
def test_a_statement_is_broken_between_clauses_and_never_inside_quotes(statement: str) -> None:
    lines = _statement(statement)
    assert " ".join(line.strip() for line in lines) == statement
    assert all(line.startswith("  ") for line in lines)
    assert all(line.count(quote) % 2 == 0 for line in lines for quote in "'\"`")
    assert len(lines) > 2
