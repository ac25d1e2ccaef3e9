"""A snapshot of MySQL is read piece by piece: each key once, however strewn, in few statements."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable

import pytest

from exporter.mysql.pieces import PIECE_ROWS, Lines, read_pieces
from exporter.port.axis import Axis
from staging.errors import InputError

MOST_ROWS = 3 * PIECE_ROWS  # that fit into a packet
KEYS: dict[str, Callable[[], list[int]]] = {
    "a crowd and few far away": lambda: [*range(1, 400_001), *range(10**15, 10**15 + 300), 2**62],
    "even": lambda: [7 * n for n in range(300_000)],
    "strewn": lambda: sorted(random.Random(5).sample(range(2**60), 300_000)),
}
"""Made where a test asks for them, not wherever this file is read."""


def _read(keys: list[int], *, expected_rows: int) -> tuple[list[int], int]:
    """The keys that came, and how many statements they took."""
    looked: list[tuple[int, int]] = []

    def read(low: int, high: int) -> Lines | None:
        looked.append((low, high))
        first, last = bisect_left(keys, low), bisect_left(keys, high)
        return (last - first, f"{first} {last}".encode()) if last - first <= MOST_ROWS else None

    axis = Axis("key", "`id`", keys[0], keys[-1] + 1, "", expected_rows=expected_rows)
    pieces = [tuple(map(int, lines.split())) for _, lines in read_pieces(axis, read)]
    return [key for first, last in pieces for key in keys[first:last]], len(looked)


@pytest.mark.parametrize("which", KEYS)
@pytest.mark.parametrize("expected_rows", [0, 300_000, 30_000_000])
def test_each_key_comes_once_and_in_few_statements(which: str, expected_rows: int) -> None:
    keys = KEYS[which]()
    came, statements = _read(keys, expected_rows=expected_rows)
    assert came == keys
    assert statements < 200


def test_one_key_that_fits_into_no_packet_is_refused() -> None:
    with pytest.raises(InputError, match="max_allowed_packet"):
        list(
            read_pieces(
                Axis("key", "`id`", 1, 100, "", expected_rows=99),
                lambda low, high: None if low <= 50 < high else (0, b""),
            )
        )
