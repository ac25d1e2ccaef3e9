"""Which shard a key goes to, written out in plain Python from what docs/reference.md says of it."""

from __future__ import annotations

from collections.abc import Sequence

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


def hash_of_value(value: int | str | bytes) -> int:
    """Of one column of a key."""
    if isinstance(value, int):
        return (value * 0x9E3779B97F4A7C15 & MASK) >> 32
    return xxh64(value.encode() if isinstance(value, str) else value)


def splitmix64(seed: int) -> int:
    """Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators: the first number by this seed."""
    value = seed + 0x9E3779B97F4A7C15 & MASK
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & MASK
    return value ^ value >> 31


def shard_of_key(values: Sequence[int | str | bytes], shards: int) -> int:
    """Of a whole key, of one column or several."""
    hashes = [hash_of_value(value) for value in values]
    if len(hashes) == 1:
        return hashes[0] % shards
    state = 0
    for each in hashes:
        state = splitmix64(state + each & MASK)
    return state % shards
