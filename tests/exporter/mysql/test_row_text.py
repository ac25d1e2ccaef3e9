"""Lines of a slice of MySQL: where they end, whether all are there, and their checksum."""

from __future__ import annotations

import hashlib
import zlib

from exporter.mysql.row_text import checksum_of, is_whole, split_rows

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


def test_the_checksum_is_the_crc_of_the_keyed_digest_of_each_row() -> None:
    wanted = sum(zlib.crc32(hashlib.sha256(b"k3y" + row).hexdigest().encode()) for row in ROWS)
    assert checksum_of(LINES, len(ROWS), "k3y") == wanted
    assert checksum_of(LINES, len(ROWS), "k4y") != wanted
    assert checksum_of(b"", 0, "k3y") == 0


def _with_the_same_crc(row: bytes, like: bytes) -> bytes:
    """The row, with four bytes in the place of its last four, that has the CRC32 of `like`."""
    begin = row[:-4]
    zero = zlib.crc32(begin + bytes(4))
    # CRC32 is affine: what each bit changes is known, and 32 of them make up for anything (Gauss).
    basis: list[tuple[int, int]] = []
    for bit in range(32):
        basis.append(_reduce((zlib.crc32(begin + (1 << bit).to_bytes(4, "little")) ^ zero, 1 << bit), basis))
        basis.sort(reverse=True)
    left, chosen = _reduce((zlib.crc32(like) ^ zero, 0), basis)
    assert left == 0
    return begin + chosen.to_bytes(4, "little")


def _reduce(effect_and_bits: tuple[int, int], basis: list[tuple[int, int]]) -> tuple[int, int]:
    effect, bits = effect_and_bits
    for other, other_bits in basis:
        if effect ^ other < effect:
            effect, bits = effect ^ other, bits ^ other_bits
    return effect, bits


def test_a_text_made_to_keep_a_rows_crc_has_another_checksum() -> None:
    true, false = b"10.00,aaaa", _with_the_same_crc(b"99.00,aaaa", like=b"10.00,aaaa")
    assert zlib.crc32(true) == zlib.crc32(false)
    assert zlib.crc32(b"k3y" + true) == zlib.crc32(b"k3y" + false)  # a key before it is no help
    assert checksum_of(true + b",.", 1, "k3y") != checksum_of(false + b",.", 1, "k3y")


def test_rows_that_swap_a_value_have_another_checksum() -> None:
    one, other = (b"\n".join(row + b",." for row in rows) for rows in ([b"10,aa", b"20,bb"], [b"10,bb", b"20,aa"]))
    assert zlib.crc32(b"10,aa") ^ zlib.crc32(b"20,bb") == zlib.crc32(b"10,bb") ^ zlib.crc32(b"20,aa")
    assert checksum_of(one, 2, "k3y") != checksum_of(other, 2, "k3y")
