"""The shard function of text and bytes against XXH64 written out in Python."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from staging.sharding import hash_of, shard_of
from tests.shop.shard_reference import xxh64


def test_the_reference_gives_the_published_vectors() -> None:
    assert (xxh64(b""), xxh64(b"abc")) == (0xEF46DB3751D8E999, 0x44BC2CF5AD770999)


@given(st.lists(st.binary(max_size=100), min_size=1, max_size=20), st.integers(1, 10_000))
@settings(deadline=None)
def test_bytes_go_where_the_reference_sends_them(keys: list[bytes], shards: int) -> None:
    frame = pl.DataFrame({"k": pl.Series(keys, dtype=pl.Binary)})
    assert frame.select(hash_of("k", pl.Binary())).to_series().to_list() == [xxh64(key) for key in keys]
    assert frame.select(shard_of({"k": pl.Binary()}, shards)).to_series().to_list() == [xxh64(k) % shards for k in keys]


@given(st.lists(st.text(max_size=40), min_size=1, max_size=20))
@settings(deadline=None)
def test_text_goes_where_the_reference_sends_its_utf8(keys: list[str]) -> None:
    frame = pl.DataFrame({"k": pl.Series(keys, dtype=pl.String)})
    assert frame.select(hash_of("k", pl.String())).to_series().to_list() == [xxh64(key.encode()) for key in keys]
