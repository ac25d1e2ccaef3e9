"""Lines of a slice of MySQL: where they end, whether all are there, and their checksum."""

from __future__ import annotations

import math
import zlib
from decimal import Decimal, localcontext

import pytest

from exporter.mysql.row_text import checksum_of, is_whole, split_rows
from exporter.mysql.where import why_where_moves

ROWS = [b'1,"a"', b'2,"looks like an end,.\nand is none"', b"3,", b'4,"""\n,.\n"""']
LINES = b"\n".join(row + b",." for row in ROWS)


def test_a_text_that_looks_like_the_end_of_a_line_is_none() -> None:
    assert split_rows(LINES, len(ROWS)) == ROWS


def test_an_answer_that_was_cut_is_noticed_wherever_it_was_cut() -> None:
    assert is_whole(LINES, len(ROWS), longest_bytes=1000)
    assert not any(is_whole(LINES[:end], len(ROWS), longest_bytes=end + 3) for end in range(len(LINES)))


def test_a_row_that_is_missing_is_noticed() -> None:
    assert not is_whole(b"1,.\n2,.", 3, longest_bytes=1000)


def test_no_rows_are_whole_without_a_byte() -> None:
    assert is_whole(b"", 0, longest_bytes=1000)
    assert not is_whole(b"", 1, longest_bytes=1000)


def test_the_checksum_is_the_floor_of_the_scaled_root_of_each_crc() -> None:
    with localcontext(prec=60):
        wanted = sum(math.floor(Decimal(math.sqrt(zlib.crc32(row))) * 2**40) for row in ROWS)
    assert checksum_of(LINES, len(ROWS)) == wanted


def test_rows_that_swap_a_value_have_another_checksum() -> None:
    one, other = (b"\n".join(row + b",." for row in rows) for rows in ([b"10,aa", b"20,bb"], [b"10,bb", b"20,aa"]))
    assert zlib.crc32(b"10,aa") ^ zlib.crc32(b"20,bb") == zlib.crc32(b"10,bb") ^ zlib.crc32(b"20,aa")
    assert checksum_of(one, 2) != checksum_of(other, 2)


@pytest.mark.parametrize(
    "where", [None, "status = 'now() (select)'", "COALESCE(a, 0) > 1 AND b IN (1, 2)", "LEFT(a, 2) = 'x'"]
)
def test_a_condition_on_the_row_alone_stands_still(where: str | None) -> None:
    assert why_where_moves(where) == ""


@pytest.mark.parametrize(
    "where",
    [
        "a > NOW()",
        "a IN (SELECT 1)",
        "a > @x",
        "mine(a) = 1",
        "`mine`(a) = 1",
        "a > current_date",
        "UNIX_TIMESTAMP() > a",
    ],
)
def test_a_condition_that_asks_for_more_moves(where: str) -> None:
    assert why_where_moves(where) != ""
