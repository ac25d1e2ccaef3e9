"""Checks `source.where`, the operator's own SQL.

It is put into parentheses, so it has to be one expression and nothing more.
"""

from __future__ import annotations

import re

from staging.errors import InputError

_CLOSES = {"'": "'", '"': '"', "`": "`", "[": "]"}


def check_where(where: str | None, *, dialect: str) -> str | None:
    """Return the expression if it can't leave its parentheses.

    Else raise InputError. Refused: `;`, comments, parentheses or quotes that don't close, and what would make quotes
    mean something else than they seem to here: PostgreSQL's dollar quotes and E'' strings, backslashes inside MySQL's
    strings.
    """
    if where is None:
        return None
    if fault := _find_fault(where, dialect):
        raise InputError(
            f"source.where can't be used: {fault}.",
            why=f"It is put in parentheses behind AND, so it must be one expression: {where}",
            fix="Write one condition, for example status = 'paid' AND amount <> 0.",
        )
    return where


def _find_fault(where: str, dialect: str) -> str | None:  # noqa: C901, PLR0911 - one pass over one small grammar
    if not where.strip():
        return "it is empty"
    depth, quote, previous = 0, "", ""
    mysql = dialect in ("mysql", "mariadb")
    for position, character in enumerate(where):
        pair = where[position : position + 2]
        if quote:
            if character == "\\" and mysql:
                return "it has a backslash inside quotes"
            if character == quote:
                quote = ""
        elif character in _CLOSES and (character != "[" or dialect in ("sqlite", "mssql")):
            if character == "'" and dialect == "postgresql" and previous.lower() == "e" and _alone(where, position - 1):
                return "it has a string with escapes (E'…')"
            quote = _CLOSES[character]
        elif fault := _outside_quotes(character, pair, dialect):
            return fault
        elif character in "()":
            depth += 1 if character == "(" else -1
            if depth < 0:
                return "it closes a parenthesis that it did not open"
        previous = character
    if quote:
        return "a quote is not closed"
    return "a parenthesis is not closed" if depth else None


def _outside_quotes(character: str, pair: str, dialect: str) -> str | None:
    if character == ";":
        return "it has a ';'"
    if character == "\0":
        return "it has a NUL character"
    if pair in ("--", "/*") or (character == "#" and dialect in ("mysql", "mariadb")):
        return "it has a comment"
    if character == "$" and dialect == "postgresql":
        return "it has a '$', which may begin a dollar-quoted string"
    return None


def _alone(where: str, position: int) -> bool:
    return position == 0 or not (where[position - 1].isalnum() or where[position - 1] == "_")


_NAME = r"(?:`[^`]+`|[A-Z_][A-Z0-9_$]*)"
_COLUMN = rf"{_NAME}(?:\.{_NAME}){{0,2}}"
_LITERAL = r"""(?:-?[0-9]+(?:\.[0-9]+)?(?![\w.$])|'[^'"\\]*'|"[^'"\\]*")"""
_COMPARED = (
    rf"{_COLUMN}\s*(?:<=>|<>|!=|<=|>=|=|<|>)\s*{_LITERAL}",
    rf"{_COLUMN}\s+(?:NOT\s+)?IN\s*\(\s*{_LITERAL}(?:\s*,\s*{_LITERAL})*\s*\)",
    rf"{_COLUMN}\s+(?:NOT\s+)?BETWEEN\s+{_LITERAL}\s+AND\s+{_LITERAL}",
    rf"{_COLUMN}\s+IS\s+(?:NOT\s+)?NULL\b",
)
_PLAIN = re.compile(rf"(?:\s*(?:{'|'.join(_COMPARED)}|(?:AND|OR|NOT)\b|[()]))+\s*", re.IGNORECASE | re.ASCII)
"""A name is never before a parenthesis, nor a literal before an operator. The server refuses what is no SQL."""


def compares_columns_only(where: str) -> bool:
    """Return whether columns are compared with ASCII literals, and nothing else.

    Joined by AND, OR and NOT: no function, no operator between comparisons, nothing unknown.
    """
    return where.isascii() and _PLAIN.fullmatch(where) is not None
