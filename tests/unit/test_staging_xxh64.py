"""The shard function of text and bytes against XXH64 written out in Python."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from staging.sharding import hash_of, shard_of

MASK = (1 << 64) - 1
P1, P2, P3, P4, P5 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)


def rotate(value: int, bits: int) -> int:
    value &= MASK
    return (value << bits | value >> (64 - bits)) & MASK


def mix(accumulator: int, lane: int) -> int:
    return rotate(accumulator + lane * P2, 31) * P1 & MASK


def xxh64(data: bytes) -> int:
    """https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md, seed 0."""
    at = 0
    if len(data) >= 32:
        lanes = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while at + 32 <= len(data):
            words = [int.from_bytes(data[at + 8 * i : at + 8 * i + 8], "little") for i in range(4)]
            lanes = [mix(lane, word) for lane, word in zip(lanes, words, strict=True)]
            at += 32
        value = sum(rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & MASK
        for lane in lanes:
            value = ((value ^ mix(0, lane)) * P1 + P4) & MASK
    else:
        value = P5
    value = (value + len(data)) & MASK
    while at + 8 <= len(data):
        value = (rotate(value ^ mix(0, int.from_bytes(data[at : at + 8], "little")), 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= len(data):
        value = (rotate(value ^ (int.from_bytes(data[at : at + 4], "little") * P1 & MASK), 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        value = rotate(value ^ (byte * P5 & MASK), 11) * P1 & MASK
    value = (value ^ value >> 33) * P2 & MASK
    value = (value ^ value >> 29) * P3 & MASK
    return value ^ value >> 32


def test_the_reference_gives_the_published_vectors() -> None:
    assert (xxh64(b""), xxh64(b"abc")) == (0xEF46DB3751D8E999, 0x44BC2CF5AD770999)


@given(st.lists(st.binary(max_size=100), min_size=1, max_size=20), st.integers(1, 10_000))
@settings(deadline=None)
def test_bytes_go_where_the_reference_sends_them(keys: list[bytes], shards: int) -> None:
    frame = pl.DataFrame({"k": pl.Series(keys, dtype=pl.Binary)})
    assert frame.select(hash_of("k", pl.Binary())).to_series().to_list() == [xxh64(key) for key in keys]
    assert frame.select(shard_of("k", pl.Binary(), shards)).to_series().to_list() == [xxh64(k) % shards for k in keys]


@given(st.lists(st.text(max_size=40), min_size=1, max_size=20))
@settings(deadline=None)
def test_text_goes_where_the_reference_sends_its_utf8(keys: list[str]) -> None:
    frame = pl.DataFrame({"k": pl.Series(keys, dtype=pl.String)})
    assert frame.select(hash_of("k", pl.String())).to_series().to_list() == [xxh64(key.encode()) for key in keys]
