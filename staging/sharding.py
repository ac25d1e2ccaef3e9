"""Which shard a key belongs to: a fixed function, named in the manifest, the same for ever.

* `fibonacci-u64`: integers (and decimals of scale 0): `(key * 0x9E3779B97F4A7C15 mod 2^64) // 2^32 % shards`
  (Knuth, TAOCP 3, 6.4: multiplicative hashing). Negative keys count modulo 2^64.
* `xxh64`: text, UUIDs as text, bytes: XXH64 with seed 0 of the (UTF-8) bytes, modulo shards.
"""

from __future__ import annotations

import polars as pl
import polars_hash as plh

from staging.errors import InputError

FIBONACCI = "fibonacci-u64"
XXH64 = "xxh64"
BY_FILE = "file"
"""No function of the key: a shard is one foreign file, and a key may lie in several."""
_MAX_INT64_DIGITS = 18
_MULTIPLIER = 0x9E3779B97F4A7C15
_KNOWN_INTEGERS = {0: 0, 1: 0x9E3779B9, 2: 0x3C6EF372, -1: 0x61C88646}
_KNOWN_TEXTS = {
    "": 0xEF46DB3751D8E999,
    "a": 0xD24EC4F1A98C6E5B,
    "abc": 0x44BC2CF5AD770999,
}  # xxHash's published vectors


def choose_function(dtype: pl.DataType) -> str:
    """Return the name of the shard function for keys of this type, or raise InputError."""
    if (dtype.is_integer() and dtype not in (pl.Int128, pl.UInt128)) or (
        isinstance(dtype, pl.Decimal) and dtype.scale == 0 and dtype.precision <= _MAX_INT64_DIGITS
    ):
        return FIBONACCI
    if dtype in (pl.String, pl.Binary):
        return XXH64
    raise InputError(
        f"A key of type {dtype} can't be sharded.",
        why="Only integers, decimals without fraction (18 digits at most), text, UUIDs and bytes have a stable hash.",
        fix="Choose another column as `source.key`.",
    )


def shard_of(column: str, dtype: pl.DataType, shards: int) -> pl.Expr:
    """Return the shard (UInt32, from 0) of each key in `column`, of type `dtype`. The key must not be NULL."""
    return (hash_of(column, dtype) % pl.lit(shards, pl.UInt64)).cast(pl.UInt32)


def hash_of(column: str, dtype: pl.DataType) -> pl.Expr:
    """Return the hash before the modulo, as UInt64."""
    if choose_function(dtype) == XXH64:
        return plh.col(column).nchash.xxhash64()
    key = pl.col(column).to_physical() if isinstance(dtype, pl.Decimal) else pl.col(column)
    unsigned = dtype in (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
    bits = key.cast(pl.UInt64) if unsigned else key.cast(pl.Int64).reinterpret(signed=False)
    return (bits * pl.lit(_MULTIPLIER, pl.UInt64)) // pl.lit(1 << 32, pl.UInt64)


def check_known_answers() -> None:
    """Prove on known vectors that this build hashes as every other one did; RuntimeError if not (a bug)."""
    integers = pl.DataFrame({"k": pl.Series(list(_KNOWN_INTEGERS), dtype=pl.Int64)})
    texts = pl.DataFrame({"k": pl.Series(list(_KNOWN_TEXTS), dtype=pl.String)})
    found = (
        integers.select(hash_of("k", pl.Int64())).to_series().to_list(),
        texts.select(hash_of("k", pl.String())).to_series().to_list(),
    )
    if found != (list(_KNOWN_INTEGERS.values()), list(_KNOWN_TEXTS.values())):
        raise RuntimeError(f"shard functions give other values than they must: {found}")
