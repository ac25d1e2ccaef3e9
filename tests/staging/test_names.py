"""Object names are built and parsed in one place, and nothing that was not built there is parsed."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staging.errors import InputError
from staging.names import MAX_SHARDS, BackfillNames, DayNames, ParsedName, check_id, check_pipeline, new_id, parse_name
from staging.object_name import check_object_name, is_object_name

PIPELINES = st.from_regex(r"[a-z][a-z0-9_-]{0,62}", fullmatch=True)
IDS = st.one_of(
    st.from_regex(r"[a-z0-9][a-z0-9_-]{2,62}", fullmatch=True),
    st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(9999, 1, 1)).map(  # noqa: DTZ001 - the zone follows
        lambda now: new_id(now.replace(tzinfo=UTC))
    ),
)
SHARDS = st.integers(0, MAX_SHARDS - 1)
DAYS = st.dates()


@given(PIPELINES, DAYS, IDS, SHARDS, st.integers(0, 10**6))
def test_every_name_that_is_built_parses_back(pipeline: str, day: date, some_id: str, shard: int, file: int) -> None:
    names = DayNames(pipeline, day)
    built = {
        names.head(): ParsedName("head", pipeline, day),
        names.shard_file(some_id, shard, file): ParsedName("shard", pipeline, day, some_id, None, shard, file),
        names.manifest(some_id): ParsedName("manifest", pipeline, day, some_id),
        names.run(some_id): ParsedName("run", pipeline, day, None, some_id),
        names.run_export(some_id): ParsedName("export", pipeline, day, None, some_id),
        names.loaded(some_id): ParsedName("loaded", pipeline, day, None, some_id),
        names.reloaded(some_id, shard): ParsedName("reloaded", pipeline, day, None, some_id, number=shard),
        names.failure(some_id, some_id): ParsedName("failure", pipeline, day, None, some_id, failure_id=some_id),
        names.timeline(some_id, some_id): ParsedName("timeline", pipeline, day, None, some_id, timeline_id=some_id),
        names.verdict(some_id, some_id): ParsedName("verdict", pipeline, day, None, some_id, verdict_id=some_id),
        names.part(some_id, shard): ParsedName("part", pipeline, day, None, some_id, shard),
        names.quarantine(some_id, shard): ParsedName("quarantine", pipeline, day, None, some_id, shard),
        names.receipt(some_id, shard): ParsedName("receipt", pipeline, day, None, some_id, shard),
    }
    assert {name: parse_name(name) for name in built} == built
    assert all(is_object_name(name) for name in built)
    assert all(name.startswith(names.day_prefix()) for name in built if name != names.head())
    assert all(name.startswith(names.run_prefix(some_id)) for name, said in built.items() if said.run_id)
    assert len(built) == 13


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    parsed = parse_name(text)
    assert parsed is None or text.isascii()


EXAMPLES = [
    "heads/shop/day=2026-11-14.json",
    "shop/day=2026-11-14/export=e01/shard=00000/0.parquet",
    "shop/day=2026-11-14/export=e01/manifest.json",
    "shop/day=2026-11-14/run=r01/run.json",
    "shop/day=2026-11-14/run=r01/export.json",
    "shop/day=2026-11-14/run=r01/loaded.json",
    "shop/day=2026-11-14/run=r01/failure-f01.json",
    "shop/day=2026-11-14/run=r01/part-00012.parquet",
    "shop/day=2026-11-14/run=r01/quarantine-00012.parquet",
    "shop/day=2026-11-14/run=r01/receipt-00012.json",
]


@given(st.sampled_from(EXAMPLES), st.data())
def test_a_name_with_one_character_changed_is_another_name_or_none(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 1))
    character = data.draw(st.sampled_from("aA0-_=/.é\n \0%\u0663"))
    changed = name[:at] + character + name[at + 1 :]
    parsed = parse_name(changed)
    assert (parsed == parse_name(name)) == (changed == name)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_layout_is_what_it_was(name: str) -> None:
    assert parse_name(name) is not None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "heads/shop/day=2026-02-30.json",
        "heads/shop/day=2026-1-1.json",
        "heads/Shop/day=2026-11-14.json",
        "heads/shop/day=2026-11-14.json\n",
        "heads/shop/inner/day=2026-11-14.json",
        "shop/day=2026-11-14/export=e01/shard=0/0.parquet",
        "shop/day=2026-11-14/export=e01/shard=00000/00.parquet",
        "shop/day=2026-11-14/export=e01/shard=00000/0.parquet.tmp",
        "shop/day=2026-11-14/export=e01/shard=10000/0.parquet",
        "shop/day=2026-11-14/export=e/manifest.json",
        "shop/day=2026-11-14/export=../manifest.json",
        "shop/day=2026-11-14/run=r01/part-00000.json",
        "shop/day=2026-11-14/run=r01/receipt-00000.parquet",
        "shop/day=2026-11-14/run=r01/part-\u0660\u0660\u0660\u0660\u0660.parquet",
        "shop/day=\u0662\u0660\u0662\u0666-11-14/run=r01/run.json",
        "x/shop/day=2026-11-14/run=r01/run.json",
    ],
)
def test_what_was_not_built_here_is_not_parsed(name: str) -> None:
    assert parse_name(name) is None


@pytest.mark.parametrize("name", ["", "Shop", "1shop", "shop/x", "..", "a" * 64, "shöp", "a b", "a\n", "heads/x", "-a"])
def test_a_pipeline_whose_name_is_no_segment_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        check_pipeline(name)
    with pytest.raises(InputError):
        DayNames(name, date(2026, 11, 14))


@pytest.mark.parametrize(
    "text", ["", "ab", "A" * 5, "../..", "a/b", "a" * 64, "abc\n", "a.b", "20261114T021500Z-9F86D081884C"]
)
def test_an_id_that_is_no_segment_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="run id"):
        check_id(text, of="run id")
    with pytest.raises(InputError):
        DayNames("shop", date(2026, 11, 14)).manifest(text)


@pytest.mark.parametrize("shard", [-1, MAX_SHARDS, 10**9])
def test_a_shard_out_of_range_has_no_name(shard: int) -> None:
    names = DayNames("shop", date(2026, 11, 14))
    for build in (names.part, names.quarantine, names.receipt, names.shard_file):
        with pytest.raises(InputError):
            build("r01", shard)


def test_ids_of_one_instant_differ_and_ids_sort_by_time_to_the_microsecond() -> None:
    early = datetime(2026, 11, 14, 2, 15, tzinfo=UTC)
    ids = [new_id(early + timedelta(microseconds=number)) for number in (0, 1, 15, 16, 999, 65_535, 65_536, 999_999)]
    assert sorted(ids) == ids
    assert ids[-1] < new_id(early + timedelta(seconds=1))
    assert new_id(early) != new_id(early)
    assert all(re.fullmatch(r"20261114T021500Z-[0-9a-f]{12}", some_id) for some_id in ids)


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_checked_name_leaves_its_prefix(before: str, after: str) -> None:
    for name in (before, f"{before}/{after}", f"{before}/../{after}", f"a/{before}/./{after}"):
        if is_object_name(name):
            segments = check_object_name(name, prefix="p").split("/")
            assert not {"", ".", ".."} & set(segments)
            assert segments[0] != ".penstock"
            assert not re.search(r"[\x00-\x1f]", name)
            assert 1 <= len(name.encode()) <= 1024


def test_the_prefix_counts_for_the_length_of_a_name() -> None:
    assert check_object_name("x" * 1000, prefix="p" * 23)
    with pytest.raises(InputError):
        check_object_name("x" * 1000, prefix="p" * 24)


@given(PIPELINES, DAYS, DAYS, IDS)
def test_what_is_noted_of_a_range_lies_beside_the_days(pipeline: str, first: date, last: date, some_id: str) -> None:
    names = BackfillNames(pipeline, first, last)
    for name in (names.begun(some_id), names.ended(some_id)):
        assert is_object_name(name)
        assert name.startswith(names.prefix())
        assert parse_name(name) is None
