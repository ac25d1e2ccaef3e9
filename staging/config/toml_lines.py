"""Finds the line of each key in a TOML text.

`tomllib` parses, but does not say where.
"""

from __future__ import annotations

import re

KeyPath = tuple[str, ...]

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'  # a multi-line string may end in up to two quotes of its own
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|.",
    re.DOTALL,
)
_KEY = re.compile(r'"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|[A-Za-z0-9_-]+')


def find_key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line of every header and key.

    Lines count from 1; the TOML text must be valid. Keys inside inline tables and arrays of tables are not
    distinguished: ask for the longest known beginning of a path.
    """
    lines: dict[KeyPath, int] = {}
    section: KeyPath = ()
    for line, key, is_header in _statements(text):
        parts = tuple(part.strip("\"'") for part in _KEY.findall(key))
        section = parts if is_header else section
        lines.setdefault(parts if is_header else section + parts, line)
    return lines


def line_of(path: KeyPath, lines: dict[KeyPath, int]) -> int | None:
    """Return the line of the key, or of its section.

    The nearest section around it; else None.
    """
    for length in range(len(path), 0, -1):
        if (line := lines.get(path[:length])) is not None:
            return line
    return None


def _statements(text: str) -> list[tuple[int, str, bool]]:
    """Return (line, text of the key, is a `[header]`) of each statement."""
    found: list[tuple[int, str, bool]] = []
    line, depth, begun, key, in_value = 1, 0, 0, "", False
    for piece in (match[0] for match in _TOKEN.finditer(text + "\n")):
        if piece == "\n" and depth == 0:
            if key.strip():
                found.append((begun, key, key.lstrip().startswith("[")))
            key, begun, in_value = "", 0, False
        elif piece in "[{":
            depth += 1
        elif piece in "]}":
            depth -= 1
        elif piece == "=" and depth == 0:
            in_value = True
        if not in_value and not piece.startswith("#") and piece != "\n":
            begun = begun if begun or piece.isspace() else line
            key += piece
        line += piece.count("\n")
    return found
