"""`penstock help`: a key by its own name, by a name of the pipeline's in it, or by its last word."""

from __future__ import annotations

import tomllib

import pytest

from chain.explain_key import explain
from staging.errors import UsageError


@pytest.mark.parametrize("key", ["source.with.NAME.parquet", "source.with.visits.parquet"])
def test_a_key_with_a_name_of_the_pipelines_own_is_explained(key: str) -> None:
    assert explain(key).startswith("source.with.NAME.parquet\n  takes     a text")


def test_one_word_lists_the_keys_that_end_with_it() -> None:
    assert [line.split()[0] for line in explain("parquet").splitlines()] == [
        "source.parquet",
        "source.with.NAME.parquet",
        "target.parquet",
    ]


def test_a_section_lists_its_keys() -> None:
    assert all(line.startswith("pacing.") for line in explain("pacing").splitlines())


def test_no_explanation_points_below() -> None:
    assert "below](" not in explain(None)
    assert "See below" not in explain("source.key")


def test_a_key_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"There is no key 'export.shard_count'; did you mean export\.shards?"):
        explain("export.shard_count")


def test_each_default_is_written_as_a_pipeline_file_takes_it() -> None:
    for key in (line.split()[0] for line in explain(None).splitlines()):
        default = next(line for line in explain(key).splitlines() if line.startswith("  default")).split(None, 1)[1]
        if not default.startswith("none"):
            tomllib.loads(f"value = {default}")
    assert '  default   ["failure", "late", "recovered", "changed_days"]' in explain("notify.on")
