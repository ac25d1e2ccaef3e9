"""The shard function of keys of several columns against plain Python, and how documents spell such keys."""

from __future__ import annotations

import itertools
import re
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import staging.sharding
from chain.jobs.cloud_settings import plan_settings
from staging.columns.shard_function import choose_function
from staging.config.file import load_pipeline
from staging.config.pipeline import Pipeline
from staging.documents.document import Part
from staging.errors import InputError
from staging.key import DocumentKey, key_columns, show_row, spell_key
from staging.sharding import check_known_answers, hash_of_key, shard_of
from tests.shop.shard_reference import MASK, hash_of_value, shard_of_key, splitmix64, xxh64

INTEGERS = st.integers(-(2**63), 2**63 - 1)
TYPES: dict[type, pl.DataType] = {int: pl.Int64(), str: pl.String(), bytes: pl.Binary()}


def shards_by_polars(rows: list[tuple[Any, ...]], shards: int) -> list[int]:
    return shards_of(frame_of(rows), shards)


def frame_of(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    schema = pl.Schema({f"k{place}": TYPES[type(value)] for place, value in enumerate(rows[0])})
    return pl.DataFrame(rows, schema=schema, orient="row")


def shards_of(frame: pl.DataFrame, shards: int) -> list[int]:
    found = frame.select(shard_of(frame.schema, shards))
    assert frame.lazy().select(shard_of(frame.schema, shards)).collect(engine="streaming").equals(found)
    return found.to_series().to_list()


@given(st.data(), st.integers(1, 10_000))
def test_keys_of_several_columns_go_where_plain_python_sends_them(data: st.DataObject, shards: int) -> None:
    columns = data.draw(st.lists(st.sampled_from([INTEGERS, st.text(max_size=40), st.binary(max_size=40)]), min_size=2))
    rows = data.draw(st.lists(st.tuples(*columns), min_size=1, max_size=20))
    assert shards_by_polars(rows, shards) == [shard_of_key(row, shards) for row in rows]


def test_splitmix_draws_the_published_numbers() -> None:
    assert [splitmix64(0), splitmix64(1234567)] == [0xE220A8397B1DCDAF, 6457827717110365317]


def test_known_keys_have_known_hashes() -> None:
    rows = [(1, "abc"), (-1, ""), (2**63 - 1, "Zoë"), (7, "7")]
    frame = pl.DataFrame(rows, schema={"a": pl.Int64(), "b": pl.String()}, orient="row")
    found = frame.select(hash_of_key(frame.schema)).to_series().to_list()
    assert found == [0xA4E9F50E2484ABC2, 0xA9667BE3D7C44113, 0x44097DFB842EE524, 0xC3C267FCBB6907FB]
    assert found == [splitmix64(splitmix64(hash_of_value(a)) + hash_of_value(b) & MASK) for a, b in rows]


def test_a_build_that_mixes_otherwise_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    check_known_answers()
    monkeypatch.setattr(staging.sharding, "_MIX", ((1 << 31, 0xBF58476D1CE4E5B9), (1 << 27, 0x94D049BB133111EB)))
    with pytest.raises(RuntimeError, match="other values than they must"):
        check_known_answers()


def test_the_order_of_columns_and_where_one_text_ends_make_another_key() -> None:
    pairs = [(1, 2), (2, 1)]
    assert len({*shards_by_polars(pairs, 2**31)}) == 2
    assert len({*shards_by_polars([("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", "")], 2**31)}) == 4


@pytest.mark.parametrize(
    "keys",
    [
        list(itertools.product(range(1, 11), range(1, 10_001))),
        [(number, number) for number in range(100_000)],
        [(number, number * 1000) for number in range(100_000)],
        list(itertools.product(range(0, 320 << 32, 1 << 32), range(0, 320 * 1024, 1024))),
        list(itertools.product(range(2), repeat=17)),
    ],
    ids=["ten shops", "equal", "multiples", "strides of powers of two", "flags"],
)
def test_regular_keys_spread_evenly(keys: list[tuple[int, ...]]) -> None:
    frame = frame_of(keys)
    for shards in (2, 7, 32, 100):
        counted = Counter(shards_of(frame, shards))
        counts = [counted[shard] for shard in range(shards)]
        mean = len(keys) / shards
        assert max(counts) < mean + 6 * mean**0.5
        assert min(counts) > mean - 6 * mean**0.5


def test_the_function_is_named_by_its_columns_and_a_column_that_has_none_is_refused() -> None:
    assert choose_function(pl.Int64(), pl.String()) == "splitmix64(fibonacci-u64, xxh64)"
    assert choose_function(pl.Decimal(18, 0), pl.UInt8(), pl.Binary()) == (
        "splitmix64(fibonacci-u64, fibonacci-u64, xxh64)"
    )
    with pytest.raises(InputError, match="Float64 can't be sharded"):
        choose_function(pl.Int64(), pl.Float64())


class Holder(Part):
    key: DocumentKey


def test_a_document_spells_one_column_as_text_and_more_as_a_list_and_nothing_else() -> None:
    for columns, text in ((("a",), '{"key":"a"}'), (("a", "b"), '{"key":["a","b"]}')):
        assert Holder(key=spell_key(columns)).model_dump_json() == text
        assert key_columns(Holder.model_validate_json(text).key) == columns
    for wrong in ("[]", '["a"]', '["a", "a"]', "3", '["a", 3]', "null"):
        with pytest.raises(ValueError, match="key"):
            Holder.model_validate_json(f'{{"key":{wrong}}}')


def test_a_row_is_named_by_all_columns_of_its_key() -> None:
    assert show_row(("shop_id", "user_id"), (3, "Zoë ")) == "shop_id is 3 and user_id is 'Zoë '"


def test_the_plain_python_of_the_reference_gives_the_same_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "docs/reference.md").read_text(encoding="utf-8")
    (block,) = [code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "def shard_of(" in code]
    xxhash = ModuleType("xxhash")
    vars(xxhash)["xxh64_intdigest"] = xxh64
    monkeypatch.setitem(sys.modules, "xxhash", xxhash)
    said: dict[str, Any] = {}
    exec(block, said)
    for rows in ([(7, "ada"), (-7, "")], [("Zoë", b"\xff", 2**63 - 1)], [(42,)], [("ada",)]):
        assert [said["shard_of"](row, 8) for row in rows] == shards_by_polars(rows, 8)
    examples = re.findall(r"`(shard_of\(\(.*?\), 8\))` is (\d)", text)
    assert [eval(call, said) for call, _ in examples] == [int(shard) for _, shard in examples]
    assert len(examples) == 2


def test_a_job_elsewhere_gets_the_same_key() -> None:
    values = {
        "name": "daily_revenue",
        "source": {"url": "env:SHOP", "table": "purchases", "key": ["shop_id", "user_id"], "time": "at"}
        | {"columns": ["amount"], "timezone": "UTC"},
        "staging": {"url": "gs://bucket/prefix"},
        "target": {"url": "env:WAREHOUSE", "table": "revenue"},
    }
    for variables in plan_settings(Pipeline.model_validate(values), storage_is_local=False).values():
        again = load_pipeline(Path("env:PENSTOCK_PIPELINE"), environ=variables)
        assert again.source.key == ("shop_id", "user_id")
