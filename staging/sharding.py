"""Decides which shard a key belongs to.

A fixed function, named in the manifest, the same for ever.

* `fibonacci-u64`: integers (and decimals of scale 0): `(key * 0x9E3779B97F4A7C15 mod 2^64) // 2^32 % shards`
  (Knuth, TAOCP 3, 6.4: multiplicative hashing). Negative keys count modulo 2^64.
* `xxh64`: text, UUIDs as text, bytes: XXH64 with seed 0 of the (UTF-8) bytes, modulo shards.
* `splitmix64(fibonacci-u64, xxh64)`: a key of two columns and more, each hashed as above (before the modulo). From 0
  on, each hash is added to what there is, modulo 2^64, and the sum becomes the number that SplitMix64 draws first from
  such a seed (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014); the last one modulo
  shards.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import polars_hash as plh

from staging.columns.shard_function import XXH64, function_of

_MULTIPLIER = 0x9E3779B97F4A7C15
_MIX = ((1 << 30, 0xBF58476D1CE4E5B9), (1 << 27, 0x94D049BB133111EB))
_KNOWN_INTEGERS = {0: 0, 1: 0x9E3779B9, 2: 0x3C6EF372, -1: 0x61C88646}
_KNOWN_TEXTS = {
    "": 0xEF46DB3751D8E999,
    "a": 0xD24EC4F1A98C6E5B,
    "abc": 0x44BC2CF5AD770999,
}  # xxHash's published vectors
_KNOWN_MIXED = {0: 0xE220A8397B1DCDAF, 1234567: 0x599ED017FB08FC85}  # the first numbers of SplitMix64 by these seeds
_KNOWN_PAIRS = {(1, "abc"): 0xA4E9F50E2484ABC2, (-1, ""): 0xA9667BE3D7C44113}


def shard_of(key: Mapping[str, pl.DataType], shards: int) -> pl.Expr:
    """Return the shard (UInt32, from 0) of each key.

    `key` gives its columns' types by name, in its order. No value of the key may be NULL.
    """
    return (hash_of_key(key) % pl.lit(shards, pl.UInt64)).cast(pl.UInt32)


def hash_of_key(key: Mapping[str, pl.DataType]) -> pl.Expr:
    """Return the hash of a whole key before the modulo, as UInt64."""
    hashes = [hash_of(column, dtype) for column, dtype in key.items()]
    if len(hashes) == 1:
        return hashes[0]
    # Not as expressions: a mix needs its argument twice, and polars would compute it as often at each step.
    apart = pl.struct(each.alias(str(place)) for place, each in enumerate(hashes))
    return apart.map_batches(_combine, return_dtype=pl.UInt64(), is_elementwise=True)


def hash_of(column: str, dtype: pl.DataType) -> pl.Expr:
    """Return the hash of one column of a key.

    Before the modulo, as UInt64.
    """
    if function_of(dtype) == XXH64:
        return plh.col(column).nchash.xxhash64()
    key = pl.col(column).to_physical() if isinstance(dtype, pl.Decimal) else pl.col(column)
    unsigned = dtype in (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
    bits = key.cast(pl.UInt64) if unsigned else key.cast(pl.Int64).reinterpret(signed=False)
    return (bits * pl.lit(_MULTIPLIER, pl.UInt64)) // pl.lit(1 << 32, pl.UInt64)


def _combine(hashes: pl.Series) -> pl.Series:
    first, *others = hashes.struct.unnest().get_columns()
    state = _mix(first)
    for each in others:
        state = _mix(state + each)
    return state


def _mix(values: pl.Series) -> pl.Series:
    values = values + _word(_MULTIPLIER)
    for shift, factor in _MIX:
        values = (values ^ (values // _word(shift))) * _word(factor)
    return values ^ (values // _word(1 << 31))


def _word(value: int) -> pl.Series:
    return pl.Series([value], dtype=pl.UInt64)


def check_known_answers() -> None:
    """Prove on known vectors that this build hashes as always.

    As every other build did; RuntimeError if not (a bug).
    """
    integers = pl.DataFrame({"k": pl.Series(list(_KNOWN_INTEGERS), dtype=pl.Int64)})
    texts = pl.DataFrame({"k": pl.Series(list(_KNOWN_TEXTS), dtype=pl.String)})
    pairs = pl.DataFrame(list(_KNOWN_PAIRS), schema={"number": pl.Int64(), "text": pl.String()}, orient="row")
    found = (
        integers.select(hash_of("k", pl.Int64())).to_series().to_list(),
        texts.select(hash_of("k", pl.String())).to_series().to_list(),
        _mix(pl.Series(list(_KNOWN_MIXED), dtype=pl.UInt64)).to_list(),
        pairs.select(hash_of_key(pairs.schema)).to_series().to_list(),
    )
    known = (_KNOWN_INTEGERS, _KNOWN_TEXTS, _KNOWN_MIXED, _KNOWN_PAIRS)
    if found != tuple(list(answers.values()) for answers in known):
        raise RuntimeError(f"shard functions give other values than they must: {found}")
