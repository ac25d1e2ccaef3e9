"""The operator's condition stays inside its parentheses, or is refused."""

from __future__ import annotations

import pytest

from exporter.port.where_clause import check_where
from staging.errors import InputError

GOOD = [
    "status = 'paid'",
    "a = 'it''s; -- (fine' AND \"odd)name\" > 1",
    "x IN (SELECT y FROM z WHERE (a))",
    "`back)tick` = ';'",
    "code ~ '\\d+'",
    "a % 3 = 1 AND b LIKE '50%'",
    "data->>'k' = ':name'",
]
BAD = [
    ("", "empty"),
    ("  ", "empty"),
    ("a; DROP TABLE x", "';'"),
    ("1) OR (1=1", "did not open"),
    ("(a", "not closed"),
    ("a = 'open", "quote is not closed"),
    ('a = "open', "quote is not closed"),
    ("a -- b", "comment"),
    ("a /* b */", "comment"),
    ("a\0", "NUL"),
    ("''')--", "quote"),
]


@pytest.mark.parametrize("where", GOOD)
def test_one_expression_is_taken_as_it_is(where: str) -> None:
    assert check_where(where, dialect="postgresql") == where


@pytest.mark.parametrize(("where", "fault"), BAD)
@pytest.mark.parametrize("dialect", ["postgresql", "mysql", "mariadb", "sqlite", "other"])
def test_what_could_leave_the_parentheses_is_refused_by_name(where: str, fault: str, dialect: str) -> None:
    with pytest.raises(InputError, match=fault):
        check_where(where, dialect=dialect)


@pytest.mark.parametrize(
    ("where", "dialect", "fault"),
    [
        ("a = $$it's$$", "postgresql", "dollar"),
        ("a = $x$)$x$", "postgresql", "dollar"),
        ("a = E'\\') OR (1=1'", "postgresql", "escapes"),
        ("a = 'x\\' OR (1=1'", "mysql", "backslash"),
        ("a = 1 # comment", "mariadb", "comment"),
        ("a = [odd", "sqlite", "not closed"),
    ],
)
def test_what_a_dialect_reads_otherwise_than_it_looks_is_refused(where: str, dialect: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        check_where(where, dialect=dialect)


def test_a_prefix_that_ends_in_e_is_no_escape_string() -> None:
    assert check_where("date'2026-01-01' < d", dialect="postgresql")
    assert check_where(None, dialect="postgresql") is None
